"""Where a detector runs: ours in this process, any other in one of its own, unless it is trusted by name.

What is ours is built in, or an adapter of ours that runs no code of others.  `in-process(detector=./mine.py)` says
that the code is trusted: it runs in this process, where nothing can be hidden from it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, Literal

from scopedrift.detectors import loading
from scopedrift.detectors.answers import described
from scopedrift.detectors.base import Detector
from scopedrift.detectors.deployed import texts_of
from scopedrift.detectors.description import ParameterInfo, describe
from scopedrift.detectors.isolation.apart import Apart, DetectorSource, Limits
from scopedrift.detectors.registry import BUILTIN, ON_REQUEST, ours, plugins
from scopedrift.detectors.sources import places, places_of_target
from scopedrift.detectors.spec import (
    DEEPEST,
    SpecError,
    as_written,
    is_file_of_tune,
    parse,
    tuned_files,
    with_files,
    words,
)

RunAs = Literal["built-in", "isolated", "own process", "in process", "outside"]
"""How a detector was run: as code of ours; shut in; in a process of its own that this system could not shut in;
trusted, in the process of the truth; or not at all, since another system delivered its alerts."""
Isolation = Literal["on", "required", "off"]
"""Whether detectors that are not built in get a process of their own; `required`: or do not run where the system cannot
shut it in."""
TRUSTED: Final = "in-process"
_TRUST: Final = re.compile(rf"\s*{TRUSTED}\s*\(\s*detector\s*=\s*(.+?)\s*\)\s*", re.DOTALL)
_REQUIRED: Final = re.compile(r"isolated\(detector=(.+), require=true\)", re.DOTALL)
_PLAIN: Final = re.compile(r"[\w -]*")
_MARK: Final = "_runs_in_process"
_OURS: Final = tuple(
    f"scopedrift.{module}"
    for module in ("detectors.builtin", "detectors.adapters.sigma", "detectors.adapters.http", "experiments")
)
_DATA_ONLY: Final = frozenset({"sigma", "http"})
"""Adapters of ours that run no code of others in this process."""


def place(spec: str, parameters: Mapping[str, object] | None = None) -> Detector:
    """The detector that `spec` asks for, where it belongs; `parameters` override those in its parentheses.

    Raises `SpecError`.
    """
    inner, isolation = _unwrapped(spec)
    if is_ours(inner, parameters):
        return loading.load(inner, parameters)
    if isolation == "off":
        return trusted(loading.load(inner, parameters))
    source, read, listed = source_of(inner, parameters)
    try:
        return Apart(source, Limits(read=tuple(read), listed=tuple(listed), require=isolation == "required"))
    except ValueError as error:
        raise SpecError(str(error)) from error


def place_object(detector: Detector, isolation: Isolation = "on") -> Detector:
    """The same for an object: one that is not ours is pickled, and runs in a process of its own.

    Raises `SpecError` if it cannot be pickled.
    """
    if run_as(detector) != "in process" or getattr(detector, _MARK, False):
        return detector
    if isolation == "off":
        return trusted(detector)
    import cloudpickle

    module = type(detector).__module__
    code = list(places(module.partition(".")[0])) if module not in ("__main__", "builtins") else []
    try:
        with _by_value(module):
            pickled = cloudpickle.dumps(detector)
        source = DetectorSource(spec="", pickled=pickled)
        folders = tuple(str(each.parent) for each in code)
        return Apart(source, Limits(read=tuple(map(str, code)), listed=folders, require=isolation == "required"))
    except Exception as error:
        name = detector.name or type(detector).__name__
        raise SpecError(
            f"{name!r} cannot run in a process of its own: {described(error)}; isolation='off' runs it in this one"
        ) from error


def handed_over(detector: Detector) -> bytes:
    """The detector pickled for another process of ours; classes of the user's come along as they are.

    Raises `SpecError` if it cannot be pickled.
    """
    import cloudpickle

    try:
        with _by_value(type(detector).__module__):
            found: bytes = cloudpickle.dumps(detector)
    except Exception as error:
        name = detector.name or type(detector).__name__
        raise SpecError(f"{name!r} cannot be handed to another process: {described(error)}") from error
    return found


def trusted(detector: Detector) -> Detector:
    """The detector, marked as one whose code may run in this process."""
    with contextlib.suppress(AttributeError):
        object.__setattr__(detector, _MARK, True)
    return detector


def run_as(detector: Detector) -> RunAs:
    """How a detector that was placed is run."""
    if isinstance(detector, Apart):
        return "own process" if detector.lacks else "isolated"
    module = type(detector).__module__
    if getattr(detector, _MARK, False) or not any(module == m or module.startswith(f"{m}.") for m in _OURS):
        return "in process"
    return "built-in"


def is_ours(spec: str, parameters: Mapping[str, object] | None = None) -> bool:
    """Whether a specification, with these parameters beside its own, asks for no code but ours.

    What is not known to be ours is not: a text among the parameters of a built-in detector is ours if it is one, or a
    plain word.  Raises `SpecError` for what cannot be read, or names itself.
    """
    return _is_ours(spec, parameters or {}, 0)


def _is_ours(spec: str, more: Mapping[str, object], depth: int) -> bool:
    if depth > DEEPEST:
        raise SpecError(f"{spec!r}: detectors within detectors, {depth} deep: does one name itself?")
    target, given = parse(spec)
    if target in _DATA_ONLY or target == "isolated":
        return True
    if _is_code(target):
        return False
    return all(_is_harmless(part.strip(), depth) for text in texts_of({**given, **more}) for part in text.split("+"))


def _is_harmless(text: str, depth: int) -> bool:
    """Whether a part of a parameter, which may name a detector, names no code of others."""
    if _PLAIN.fullmatch(text):
        return not _is_code(text)
    try:
        target = as_written(text).target
    except SpecError:
        return False
    known = is_file_of_tune(target) or ours(target) is not None
    return known and _is_ours(text, {}, depth + 1)


def asked_with(spec: str, isolation: Isolation) -> str:
    """The specification that runs the detector so."""
    inner, already = _unwrapped(spec)
    return spec if already != "on" or isolation == "on" or is_ours(inner) else _wrapped(spec, isolation)


def _wrapped(spec: str, isolation: Isolation) -> str:
    ways = {"on": spec, "off": f"{TRUSTED}(detector={spec})", "required": f"isolated(detector={spec}, require=true)"}
    return ways[isolation]


def as_asked(spec: str) -> str:
    """The specification without what `asked_with` adds: what results call it follows from this."""
    return _unwrapped(spec)[0]


def divided(spec: str) -> tuple[str, dict[str, object]]:
    """The specification without parameters, run as `spec` says, and the parameters."""
    inner, isolation = _unwrapped(spec)
    target, given = parse(inner)
    return target if is_ours(inner) else _wrapped(target, isolation), given


def searchable(spec: str) -> tuple[ParameterInfo, ...]:
    """What there is to say of the parameters of the detector that `spec` asks for."""
    detector = place(spec)
    return detector.searchable() if type(detector) is Apart else describe(type(detector)).parameters


def _unwrapped(spec: str) -> tuple[str, Isolation]:
    if match := _TRUST.fullmatch(spec):
        return match[1], "off"
    match = _REQUIRED.fullmatch(spec)
    return (match[1], "required") if match else (spec, "on")


def source_of(spec: str, parameters: Mapping[str, object] | None = None) -> tuple[DetectorSource, list[str], list[str]]:
    """The specification with the files that it names made absolute, what its process may read for it, and list."""
    found: list[str] = []
    named = [spec, *texts_of(dict(parameters or {}))]
    tuned = {place: said for text in named for place, said in tuned_files(text).items()}

    def absolute(path: Path) -> str:
        if (place := os.path.abspath(path)) in tuned:
            return place
        found.append(str(path.resolve()))
        return found[-1]

    target, given = parse(spec) if is_file_of_tune(as_written(spec).target) else (spec, {})
    values = with_files({**given, **(parameters or {})}, absolute)
    source = DetectorSource(with_files(target, absolute), values, tuned=with_files(tuned, absolute))
    code = [place for text in named for word in words(text) if not ours(word) for place in places_of_target(word)]
    return source, [*found, *map(str, code)], [str(place.parent) for place in code]


def _is_built_in(name: str) -> bool:
    return name in BUILTIN or ".builtin." in ON_REQUEST.get(name, "")


def _is_code(word: str) -> bool:
    """Whether a word of a specification may name code that is not ours."""
    if ours(word):
        return not _is_built_in(word) and word not in _DATA_ONLY
    return ":" in word or word.endswith(".py") or word in plugins()


@contextlib.contextmanager
def _by_value(name: str) -> Iterator[None]:
    """Pickles what a module of the user's defines as it is, not as a name to import."""
    import cloudpickle

    module = sys.modules.get(name)
    if module is None or name == "__main__" or name.startswith("scopedrift."):
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
