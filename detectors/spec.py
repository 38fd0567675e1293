"""The text that names a detector: a target, with optional parameters in parentheses.

Examples::

    first-seen
    first-seen(memory=14, peers=0.5)
    change-aware(detector=first-seen)
    river(model=HalfSpaceTrees)
    my_package.detectors:NewRegistry
    ./new_registry.py
    ./new_registry.py:NewRegistry(threshold=3)
    tuned/detector.yaml

The target is a registered name, `module:Class` or `path.py[:Class]` (`loading` finds it), or a file that `tune` wrote,
which holds a target and parameters itself (`deployed`).  Values are Python literals, or plain text without quotes.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from scopedrift.detectors.deployed import Deployed

_VALUE: Final = re.compile(r"[^()=,'\"\[\]{}]+")
_WORD: Final = re.compile(r"\S+")
_TUNED: Final[dict[str, tuple[str, dict[str, object]]]] = {}
"""Detector and parameters of tuned detectors' files that this process cannot read (`told_of`)."""
DEEPEST: Final = 5
"""Detectors within detectors, at most."""


class SpecError(ValueError):
    """A detector that cannot be found, or wrong parameters."""


class Spec(NamedTuple):
    """A detector's target and parameters."""

    target: str
    """A registered name, `module:Class` or `path.py[:Class]`."""
    parameters: dict[str, object]


def parse(spec: str) -> Spec:
    """Splits `target(parameter=value, ...)`; of a tuned detector's file these are the target and parameters in it.

    >>> parse("river(model=HalfSpaceTrees, options={'n_trees': 25})")
    Spec(target='river', parameters={'model': 'HalfSpaceTrees', 'options': {'n_trees': 25}})

    Raises `SpecError` if the parentheses, or the file, cannot be read.
    """
    written = as_written(spec)
    if not is_file_of_tune(written.target):
        return written
    detector, parameters = _TUNED.get(written.target) or _says(deployed(written.target))
    target, given = as_written(detector)
    return Spec(target, {**given, **parameters, **written.parameters})


def told_of(tuned: Mapping[str, tuple[str, dict[str, object]]]) -> None:
    """Have this process know tuned detectors' files, by path, as `tuned_files` says them: it cannot read them."""
    _TUNED.update(tuned)


def tuned_files(spec: str) -> dict[str, tuple[str, dict[str, object]]]:
    """Detector and parameters of each tuned detector's file that the text names, at any depth, by the file's place.

    Raises `SpecError` for tuned detectors that name each other without end.
    """
    found = {}
    for word in filter(is_file_of_tune, words(spec)):
        with contextlib.suppress(SpecError):  # another file, such as one of rules
            found[os.path.abspath(word)] = _says(deployed(word))  # a link's own folder is what its files are seen from
    return found


def _says(tuned: Deployed) -> tuple[str, dict[str, object]]:
    return tuned.detector, tuned.parameters


def as_written(spec: str) -> Spec:
    """Target and parameters as they stand in the text: the target may be a tuned detector's file.

    Raises `SpecError` if the parentheses cannot be read.
    """
    match = re.fullmatch(r"\s*([^()]+?)\s*(?:\((.*)\))?\s*", spec, re.DOTALL)
    if match is None:
        raise SpecError(f"cannot read the detector {spec!r}: expected name or name(parameter=value, ...)")
    target, inside = match.groups()
    given: dict[str, object] = {}
    for item in _split(inside or "", spec):
        key, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not key.isidentifier() or not value:
            raise SpecError(f"cannot read {item.strip()!r} in {spec!r}: expected parameter=value")
        if key in given:
            raise SpecError(f"parameter {key!r} is given twice in {spec!r}")
        given[key] = _value(value)
    return Spec(target, given)


def is_file_of_tune(target: str) -> bool:
    """Whether a target is the file of a tuned detector."""
    return target.endswith((".yaml", ".yml"))


def deployed(path: str | Path) -> Deployed:
    """What a tuned detector's file says.

    Raises `SpecError` with file, line and key for a file that is none.
    """
    from scopedrift.detectors.deployed import read_deployed
    from scopedrift.scenarios.documents import ScenarioError

    try:
        return read_deployed(path)
    except ScenarioError as error:
        raise SpecError(str(error)) from None


def words(spec: str) -> Iterator[str]:
    """Every part of the text that may name a detector or a file, at any depth, also within tuned detectors' files.

    These are the target, values, what is quoted (with blanks or not), and all words but the names of parameters.
    Raises `SpecError` for tuned detectors that name each other without end.
    """
    return _words(spec, 0)


def _words(spec: str, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise SpecError(f"{spec!r}: tuned detectors within tuned detectors, {depth} deep: does one name itself?")
    for word in dict.fromkeys(_own_words(spec)):
        yield word
        for inner in _texts_in(word) if is_file_of_tune(word) else ():
            yield inner
            yield from _words(inner, depth + 1)


def _texts_in(file: str) -> list[str]:
    """The texts in a tuned detector's file; none in any other file, such as one of rules."""
    from scopedrift.detectors.deployed import texts_of

    try:
        found = deployed(file)
    except SpecError:
        return []
    return [found.detector, *texts_of(found.parameters)]


def _own_words(spec: str) -> Iterator[str]:
    yield spec.partition("(")[0].strip()
    for value in re.finditer(r"[=+]([^()=+,'\"\[\]{}]+)", spec):
        yield value[1].strip()
    for quoted in re.finditer(r"'([^']*)'|\"([^\"]*)\"", spec):
        yield quoted[1] or quoted[2] or ""
    for match in re.finditer(r"[^\s()=,'\"\[\]{}]+", spec):
        if not spec[match.end() :].lstrip().startswith("="):
            yield match[0]


def with_files(value: Any, named: Callable[[Path], str]) -> Any:
    """A text, or plain data, with the files and folders that it names, and that exist, as `named` calls them."""

    def renamed(text: str) -> str | None:
        path, colon, name = text.partition(":") if ".py:" in text else (text, "", "")
        if (os.sep not in path and "." not in path) or not Path(path).exists():  # a plain word is not a file
            return None
        return named(Path(path)) + colon + name

    def changed(found: re.Match[str]) -> str:
        whole = renamed(found[0].strip())  # a name may hold blanks; others are words of a command
        return whole or _WORD.sub(lambda word: renamed(word[0]) or word[0], found[0])

    if isinstance(value, str):
        return _VALUE.sub(changed, value)
    from scopedrift.detectors.deployed import in_texts

    return in_texts(value, lambda text: _VALUE.sub(changed, text))


def seen_from(folder: Path | None, tuned: Deployed) -> Deployed:
    """The tuned detector with its files named by their place as seen from `folder`; in full without one."""

    def place(path: Path) -> str:
        found = str(path.absolute()) if folder is None else os.path.relpath(path.absolute(), folder.absolute())
        return found if found.startswith((os.sep, os.pardir)) else os.path.join(os.curdir, found)

    changed = {name: with_files(getattr(tuned, name), place) for name in ("detector", "parameters")}
    return tuned.model_copy(update=changed)


def _split(inside: str, spec: str) -> list[str]:
    """Cuts at the commas that stand outside brackets and quotes."""
    items, depth, quote, start = [], 0, "", 0
    for position, character in enumerate(inside):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            items.append(inside[start:position])
            start = position + 1
    if depth or quote:
        raise SpecError(f"unbalanced brackets or quotes in {spec!r}")
    return [item for item in [*items, inside[start:]] if item.strip()]


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        lowered = text.lower()
        return {"true": True, "false": False, "none": None}.get(lowered, text)
