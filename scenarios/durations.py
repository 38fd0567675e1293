"""Lengths of time and rates as people write them: `14d`, `90m`, `1.5h`, `250ms`; `1/day`, `3/week`, `0.5/h`.

A duration always carries its unit, since a bare `90` means minutes to one reader and seconds to the next.
Units: a parsed duration is integer microseconds, a parsed rate is a float per day.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Final

UNITS: Final = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
"""Microseconds in each unit of a duration."""

PERIODS: Final = {
    **dict.fromkeys(("m", "min", "minute"), Fraction(1440)),
    **dict.fromkeys(("h", "hour"), Fraction(24)),
    **dict.fromkeys(("d", "day"), Fraction(1)),
    **dict.fromkeys(("w", "week"), Fraction(1, 7)),
}
"""How many of each period a day has."""

LONGEST: Final = 36_500 * UNITS["d"]
"""No duration may exceed a hundred years."""

DURATION_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,9})?(us|ms|s|m|h|d|w)$"
RATE_PATTERN: Final = r"^[0-9]{1,18}(\.[0-9]{1,24})?([eE][-+]?[0-9]{1,3})?/(m|min|minute|h|hour|d|day|w|week)$"

_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+")


def parse_duration(value: object) -> int:
    """The microseconds that a text such as `90m` means.

    Raises `ValueError`, in words for the person who wrote it, for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a duration, e.g. 90m, not {_shown(value)}")
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        raise ValueError(f"a duration needs a unit, e.g. {_shown(value).strip(chr(39))}m (units: {', '.join(UNITS)})")
    match = re.match(DURATION_PATTERN, value)
    if match is None or value.endswith("\n"):
        raise ValueError(f"expected a duration, e.g. 90m (units: {', '.join(UNITS)}), not {_shown(value)}")
    unit = match[2]
    exact = Fraction(value.removesuffix(unit)) * UNITS[unit]
    if exact.denominator != 1:
        raise ValueError(f"expected whole microseconds, not {_shown(value)}")
    if exact > LONGEST:
        raise ValueError(f"expected at most {format_duration(LONGEST)}, not {_shown(value)}")
    return int(exact)


def format_duration(us: int) -> str:
    """The shortest text that `parse_duration` reads back exactly; weeks are written as days."""
    if us == 0:
        return "0s"
    unit = next(unit for unit in ("d", "h", "m", "s", "ms", "us") if us % UNITS[unit] == 0)
    return f"{us // UNITS[unit]}{unit}"


def parse_rate(value: object) -> float:
    """How often a day a text such as `3/week` means.

    Raises `ValueError`, in words for the person who wrote it, for anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError(f"a rate needs a period, e.g. {_shown(value)}/day")
    if not isinstance(value, str) or not re.match(RATE_PATTERN, value) or value.endswith("\n"):
        raise ValueError(f"expected a rate, e.g. 1/day, 3/week or 0.5/h, not {_shown(value)}")
    number, period = value.split("/")
    rate = float(number) * float(PERIODS[period])
    if not math.isfinite(rate):
        raise ValueError(f"expected a finite rate, not {_shown(value)}")
    return rate


def format_rate(per_day: float) -> str:
    """The text that `parse_rate` reads back exactly."""
    return f"{per_day!r}".removesuffix(".0") + "/day"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
