"""Request bodies from data: shapes with placeholders, filled in with what an event has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from string import Formatter
from typing import Final

from scopedrift.simulator.records.json_paths import Json

_ABSENT: Final[Json] = []  # recognised by identity


def fill(shape: Json, values: Mapping[str, str | None]) -> Json:
    """The shape with its placeholders filled in, without parts that need a missing value."""
    filled = _fill(shape, values)
    return None if filled is _ABSENT else filled


def _fill(shape: Json, values: Mapping[str, str | None]) -> Json:
    if isinstance(shape, str):
        found = []
        for literal, field, _, _ in _parts(shape):
            found.append(literal)
            if field:
                value = values[field]
                if value is None:
                    return _ABSENT
                found.append(value)
        return "".join(found)
    if isinstance(shape, dict):
        pairs = ((key, _fill(value, values)) for key, value in shape.items())
        return {key: value for key, value in pairs if value is not _ABSENT}
    if isinstance(shape, list):
        kept = [filled for item in shape if (filled := _fill(item, values)) is not _ABSENT]
        return kept if kept or not shape else _ABSENT
    return shape


@cache
def _parts(shape: str) -> tuple[tuple[str, str | None, str | None, str | None], ...]:
    return tuple(Formatter().parse(shape))
