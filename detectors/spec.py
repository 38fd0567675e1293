"""The text that names a detector: a target, with optional parameters in parentheses.

Examples::

    first-seen
    first-seen(memory=14, peers=0.5)
    change-aware(detector=first-seen)
    river(model=HalfSpaceTrees)
    my_package.detectors:NewRegistry
    ./new_registry.py
    ./new_registry.py:NewRegistry(threshold=3)

The target is a registered name, `module:Class` or `path.py[:Class]` (`loading` finds it).  Values are Python literals,
or plain text without quotes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import NamedTuple


class SpecError(ValueError):
    """A detector that cannot be found, or wrong parameters."""


class Spec(NamedTuple):
    """A detector's target and parameters."""

    target: str
    """A registered name, `module:Class` or `path.py[:Class]`."""
    parameters: dict[str, object]


def parse(spec: str) -> Spec:
    """Splits `target(parameter=value, ...)`.

    >>> parse("river(model=HalfSpaceTrees, options={'n_trees': 25})")
    Spec(target='river', parameters={'model': 'HalfSpaceTrees', 'options': {'n_trees': 25}})

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


def words(spec: str) -> Iterator[str]:
    """Every part of the text that may name a detector or a file, at any depth.

    These are the target, values, what is quoted (with blanks or not), and all words but the names of parameters.
    """
    yield spec.partition("(")[0].strip()
    for value in re.finditer(r"[=+]([^()=+,'\"\[\]{}]+)", spec):
        yield value[1].strip()
    for quoted in re.finditer(r"'([^']*)'|\"([^\"]*)\"", spec):
        yield quoted[1] or quoted[2] or ""
    for match in re.finditer(r"[^\s()=,'\"\[\]{}]+", spec):
        if not spec[match.end() :].lstrip().startswith("="):
            yield match[0]


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
