"""What the times of a system's alerts are worth: whether they say how long it took.

Many systems stamp an alert with the time of the event that it is about, or all alerts with the time of one run long
after.  Then nobody knows how long the system would have taken, and an alert counts as raised when its record arrived.
What most alerts show decides: one odd time must not speak for all.

Units: microseconds since 1970 UTC, -1 for none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.simulator.log.events import HOUR, SECOND, Array

TOLERANCE: Final = SECOND
"""Records tell times to the second."""
FEW: Final = 2
"""Alerts that can show whether they have the same time."""
MOST: Final = 0.5
"""Where more than this share of the alerts have no usable time, none is used."""


@dataclass(frozen=True)
class Clock:
    """Whether the times at which alerts were raised can be used."""

    useful: bool
    words: str
    ended: int
    """When the world ended: alerts that were raised later count as raised then."""


def judge_clock(raised: Array, happened: Array, ended: int) -> Clock:
    """What the times of alerts say, each with the time of the earliest event it points at; `ended` is the horizon."""
    if not len(raised):
        return Clock(False, "none of its alerts points at a record, so there is no time to detect", ended)
    immediate = "so the time to detect is unknown: each counts as raised when its record arrived"
    told = raised >= 0
    if not told.any():
        return Clock(False, f"its alerts have no time, {immediate}", ended)
    raised, happened = raised[told], happened[told]
    same, early, late = np.abs(raised - happened) <= TOLERANCE, raised < happened - TOLERANCE, raised > ended
    if _most(same):
        return Clock(False, f"{_how_many(same)} the time of what they are about, {immediate}", ended)
    if len(raised) >= FEW and _most(near := np.abs(raised - np.median(raised)) <= TOLERANCE):
        return Clock(False, f"{_how_many(near)} one and the same time, {immediate}", ended)
    if _most(early):
        by = f"by {np.median((happened - raised)[early]) / HOUR:.3g} hours; are the times UTC?"
        return Clock(False, f"{_how_many(early)} a time before what they are about ({by}), {immediate}", ended)
    if _most(late):
        return Clock(False, f"{_how_many(late)} a time after the world ended, {immediate}", ended)
    return Clock(True, "the time to detect counts to the time of the alert", ended)


def _most(which: Array) -> bool:
    return bool(which.mean() > MOST)


def _how_many(which: Array) -> str:
    count = int(which.sum())
    return "its alerts have" if count == len(which) else f"{count:,} of its {len(which):,} alerts with a time have"
