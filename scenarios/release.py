"""Which release of this package it is."""

from functools import cache
from importlib.metadata import version


@cache
def release() -> str:
    """The version of the package that is installed; worlds and cells name it by the thousand."""
    return version("scopedrift")
