"""Optional libraries: imported when a detector needs one, with a message that says how to install a missing one."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import TypeVar

_Model = TypeVar("_Model")


def library(module: str, what: str, extra: str) -> ModuleType:
    """The module, imported.

    Raises `ImportError` with one message if the library that it belongs to is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name != module.partition(".")[0]:
            raise ImportError(f"{what} cannot be imported: {error}") from error
        raise ImportError(f"{what} is not installed: pip install 'scopedrift[{extra}]'") from error


def unknown(name: str, kind: str, known: Iterable[str]) -> ValueError:
    """The error for a model that does not exist, with the closest name."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return ValueError(f"no {kind} {name!r}: {f'did you mean {close[0]}?' if close else ', '.join(names)}")


def made(model: Callable[..., _Model], options: Mapping[str, object] | None, **wanted: object) -> _Model:
    """An instance of `model` with the user's `options`, and the arguments of `wanted` that it accepts.

    Raises `ValueError` if it does not take the options.
    """
    takes = inspect.signature(model).parameters
    given = {**{name: value for name, value in wanted.items() if name in takes}, **(options or {})}
    try:
        return model(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{getattr(model, '__name__', model)} does not take the options {options}: {error}") from error
