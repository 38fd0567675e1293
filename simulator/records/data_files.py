"""Reading the data files (YAML) that lie beside the modules which use them."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TypeVar

import msgspec

from scopedrift.scenarios.shipped import read_shipped

T = TypeVar("T")


@cache
def load_data(package: str, name: str, kind: type[T]) -> T:
    """The content of a data file of `package` as a `kind`; shared, so to be read only."""
    file = resources.files(package) / name
    return msgspec.convert(read_shipped(file, name).value, kind)
