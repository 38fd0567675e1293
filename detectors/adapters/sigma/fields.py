"""Reading the fields of a record, as Sigma names and compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from scopedrift.simulator.records.json_paths import Json


def found(value: Json, steps: tuple[str, ...]) -> Iterator[Json]:
    """The values at a path of a record; enters lists, and finds keys that contain dots."""
    if isinstance(value, list):
        for item in value:
            yield from found(item, steps)
    elif not steps:
        yield value
    elif isinstance(value, Mapping):
        for size in range(1, len(steps) + 1):
            key = steps[0] if size == 1 else ".".join(steps[:size])
            if key in value:
                yield from found(value[key], steps[size:])


def leaves(value: Json) -> Iterator[Json]:
    """All scalar values of a record."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def paths(record: Json, before: str = "") -> Iterator[str]:
    """The paths of all fields of a record."""
    if isinstance(record, list):
        for item in record:
            yield from paths(item, before)
    elif isinstance(record, Mapping):
        for key, value in record.items():
            name = f"{before}.{key}" if before else key
            yield name
            yield from paths(value, name)


def text(value: Json) -> str:
    """A value as Sigma compares it."""
    return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)


def number(value: Json) -> float | None:
    """A value as a number, if it is one."""
    if value is None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):  # of hundreds of digits
        return None
