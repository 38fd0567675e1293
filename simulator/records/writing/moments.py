"""Times as records write them, from microseconds since 1970 UTC."""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.records.reading.table import EPOCH


def seconds(time: int) -> str:
    """`2026-01-05T00:00:01Z`: what is below a second is cut off, as CloudTrail does."""
    return _second(time // SECOND)


@lru_cache(4_096)
def _second(time: int) -> str:
    return (EPOCH + timedelta(seconds=time)).isoformat()[:19] + "Z"


def microseconds(time: int) -> str:
    """`2026-01-05T00:00:01.000250Z`."""
    return (EPOCH + timedelta(microseconds=time)).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def nanoseconds(time: int, below: int) -> str:
    """`2026-01-05T00:00:01.000250123Z`: `below` (0 to 999) are the nanoseconds that our clock does not have."""
    return f"{microseconds(time)[:-1]}{below % 1000:03d}Z"
