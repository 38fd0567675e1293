"""Times as records write them, to and from microseconds since 1970 UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.records.errors import Unreadable

NO_TIME: Final = "no event time"
BAD_TIME: Final = "event time not understood"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WHOLE_SECOND: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\dZ", re.ASCII)
SECONDS: Final = {f":{second:02}Z": second * 1_000_000 for second in range(60)}
"""Of a time such as `2026-01-05T10:11:12Z`: what follows the minute, in microseconds."""
_NUMBER: Final = re.compile(r"[\d.]+(e\+?\d+)?", re.ASCII | re.IGNORECASE)
_MICROSECOND: Final = timedelta(microseconds=1)
_LATEST: Final = 9_214_646_400_000_000  # the year 2262: tables with nanoseconds go no further
_MEMO: Final = 30_000
"""Maximum cached times; the cache is then emptied, which bounds memory."""


class Times(dict[object, int]):
    """Event times in microseconds by what the record says, remembered; raises `Unreadable` for what is no time."""

    def __init__(self) -> None:
        super().__init__()
        self.minutes: dict[str, int] = {}
        """The beginnings of minutes, by their text; with `SECONDS`, a time as most records have it."""

    def __missing__(self, value: object) -> int:
        if len(self) > _MEMO:
            self.clear()
        time = parse_time(value)
        if type(value) is str and _WHOLE_SECOND.fullmatch(value):
            if len(self.minutes) > _MEMO:
                self.minutes.clear()
            self.minutes[value[:16]] = time - SECONDS[value[16:]]
        self[value] = time
        return time


def parse_time(value: object) -> int:
    """Microseconds since 1970 UTC of ISO 8601 text, or of a number (seconds to nanoseconds, by its size).

    Text without a zone is taken as UTC.  Raises `Unreadable` for anything else, and before 1970 or from 2262 on.
    """
    if value is None or value == "":
        raise Unreadable(NO_TIME)
    time = -1
    try:
        if isinstance(value, str) and not _NUMBER.fullmatch(value):
            moment = datetime.fromisoformat(value.strip())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            time = (moment - EPOCH) // _MICROSECOND
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
            whole = not isinstance(value, float) and str(value).isdigit()
            time = _scaled(int(value) if whole else float(value))
    except (ValueError, OverflowError):
        pass
    if not 0 <= time < _LATEST:
        raise Unreadable(BAD_TIME)
    return time


def _scaled(number: int | float) -> int:
    if number < 1e11:
        return round(number * 1_000_000)
    if number < 1e14:
        return round(number * 1_000)
    return round(number) if number < 1e17 else int(number) // 1_000


def iso_seconds(time: int) -> str:
    """`2026-01-05T00:00:01Z`: what is below a second is cut off, as CloudTrail does."""
    seconds = time // SECOND
    return f"{_minute(seconds // 60)}{seconds % 60:02}Z"


@lru_cache(4_096)
def _minute(time: int) -> str:
    return (EPOCH + timedelta(minutes=time)).isoformat()[:17]


def iso_microseconds(time: int) -> str:
    """`2026-01-05T00:00:01.000250Z`."""
    seconds, below = divmod(time, SECOND)
    return f"{_minute(seconds // 60)}{seconds % 60:02}.{below:06}Z"


def iso_nanoseconds(time: int, below: int) -> str:
    """`2026-01-05T00:00:01.000250123Z`: `below` (0 to 999) are the nanoseconds that our clock does not have."""
    return f"{iso_microseconds(time)[:-1]}{below % 1000:03d}Z"
