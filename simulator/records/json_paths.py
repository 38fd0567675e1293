"""Finding things in decoded JSON: by a key, by a dotted path, as text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def text(value: Any) -> str | None:
    """`value` if it is text, a number as text, None for all else (and for empty text)."""
    if isinstance(value, str):
        return value or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return None


def child(value: Any, key: str) -> Any:
    """`value[key]` of an object, or None."""
    return value.get(key) if isinstance(value, dict) else None


def first(value: Any) -> Any:
    """The first element of a list that has one, or None."""
    return value[0] if isinstance(value, list) and value else None


def at(value: Any, path: str) -> Any:
    """What is at a dotted path (`user.name`, `sourceIPs.-1`), or None.  A key that has dots itself is found too."""
    if isinstance(value, dict) and path in value:
        return value[path]
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.lstrip("-").isdecimal():
            index = int(step)
            value = value[index] if -len(value) <= index < len(value) else None
        else:
            return None
    return value


def first_text(value: Any, paths: Iterable[str]) -> str | None:
    """The first of `paths` that holds text."""
    for path in paths:
        found = text(at(value, path))
        if found is not None:
            return found
    return None
