"""From a detector's text (`spec`) to its class, and to a detector ready to fit."""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import get_args, get_origin, get_type_hints

from scopedrift.detectors.base import Detector
from scopedrift.detectors.description import DetectorInfo, describe
from scopedrift.detectors.registry import BUILTIN, ON_REQUEST, ours, plugins
from scopedrift.detectors.spec import SpecError, parse


def load(spec: str, parameters: Mapping[str, object] | None = None) -> Detector:
    """The detector that `spec` asks for; `parameters` override those in its parentheses.

    >>> load("first-seen(memory=14)").parameters()["memory"]
    14.0

    Raises `SpecError` with a suggestion.
    """
    target, given = parse(spec)
    return _construct(find(target), target, {**given, **(parameters or {})})


def available() -> dict[str, DetectorInfo]:
    """Every detector that has a name: built-in ones, adapters, then those of other packages.

    The summary says so if another package's detector cannot be imported.
    """
    infos = {name: describe(_imported(target), name) for name, target in {**BUILTIN, **ON_REQUEST}.items()}
    for name in sorted(plugins()):
        try:
            infos[name] = describe(_plugged(name), name)
        except SpecError as error:  # a broken plug-in must not take the list down
            infos[name] = DetectorInfo(name, str(error), frozenset(), False, ())
    return infos


def summaries() -> dict[str, str]:
    """Summaries of all detectors by name: built-in ones, adapters, and those of installed packages.

    Examples:
        >>> import scopedrift as sd
        >>> "first-seen" in sd.detectors()
        True
    """
    return {name: info.summary for name, info in available().items()}


def find(target: str) -> type[Detector]:
    """The class behind a name, `module:Class` or `path.py[:Class]`.

    Raises `SpecError` with a suggestion.
    """
    if place := ours(target):
        return _imported(place)
    if target in (offered := plugins()):
        return _plugged(target)
    path, _, name = target.rpartition(":") if re.search(r"\.py:[^/\\]*$", target) else (target, "", "")
    if path.endswith(".py"):
        return _pick(_from_file(Path(path)), name, target)
    module, colon, name = target.partition(":")
    if colon:
        return _pick(_module(module, target), name, target)
    names = [*BUILTIN, *ON_REQUEST, *offered]
    close = difflib.get_close_matches(target, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(names))}"
    raise SpecError(f"unknown detector {target!r}: {hint} (module:Class and path/to/file.py work too)")


def _imported(place: str) -> type[Detector]:
    module, _, name = place.partition(":")
    found: type[Detector] = getattr(importlib.import_module(module), name)
    return found


def _plugged(name: str) -> type[Detector]:
    point = plugins()[name]
    try:
        found = point.load()
    except Exception as error:
        raise SpecError(f"the plug-in {name!r} ({point.value}) cannot be loaded: {error}") from error
    return _detector_class(found, name)


def _module(name: str, target: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise SpecError(f"cannot import {name!r} for the detector {target!r}: {error}") from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise SpecError(f"no such file: {path}")
    name = f"scopedrift_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise SpecError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise SpecError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _pick(module: ModuleType, name: str, target: str) -> type[Detector]:
    """The class `name` of a module, or the only detector that the module itself defines."""
    own = [
        item
        for item in vars(module).values()
        if inspect.isclass(item) and issubclass(item, Detector) and item.__module__ == module.__name__
    ]
    if name:
        if not hasattr(module, name):
            close = difflib.get_close_matches(name, [c.__name__ for c in own] or dir(module), n=1)
            hint = f": did you mean {close[0]!r}?" if close else ""
            raise SpecError(f"{target!r}: no {name!r} in it{hint}")
        return _detector_class(getattr(module, name), target)
    if len(own) == 1:
        return own[0]
    if not own:
        raise SpecError(f"{target!r} defines no subclass of scopedrift.detectors.Detector")
    choices = ", ".join(f":{cls.__name__}" for cls in own)
    raise SpecError(f"{target!r} defines {len(own)} detectors: add one of {choices}")


def _detector_class(item: object, target: str) -> type[Detector]:
    if inspect.isclass(item) and issubclass(item, Detector):
        return item
    raise SpecError(f"{target!r} is not a subclass of scopedrift.detectors.Detector")


def _construct(cls: type[Detector], target: str, given: Mapping[str, object]) -> Detector:
    known = [p.name for p in describe(cls).parameters]
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known) or 'none'}"
            raise SpecError(f"{target!r} has no parameter {name!r}: {hint}")
    hints = get_type_hints(cls) if given else {}
    values = {name: _checked(value, hints.get(name), name, target) for name, value in given.items()}
    try:
        return cls(**values)
    except (TypeError, ValueError, ImportError) as error:
        raise SpecError(f"{target!r} cannot be made: {error}") from error


def _checked(value: object, kind: object, name: str, target: str) -> object:
    """The value, fitted to a plain type (an integer is a fine float) or a dictionary; others are not checked."""
    if isinstance(value, str) and dict in {get_origin(part) for part in get_args(kind)}:
        raise SpecError(f"parameter {name!r} of {target!r} must be a dictionary such as {{'a': 1}}, not {value!r}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    plain = kind if isinstance(kind, type) and kind in (bool, int, float, str) else object
    if isinstance(value, plain) and (plain in (bool, object) or not isinstance(value, bool)):
        return value
    raise SpecError(f"parameter {name!r} of {target!r} must be {plain.__name__}, not {value!r}")
