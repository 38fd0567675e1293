"""What the times of a system's alerts are worth: whether they say how long it took.

Many systems stamp an alert with the time of the event that it is about, or all alerts with the time of one run long
after.  Then nobody knows how long the system would have taken, and an alert counts as raised when its event arrived.

Units: microseconds since 1970 UTC, -1 for none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.simulator.log.events import SECOND, Array

TOLERANCE: Final = SECOND
"""Records tell times to the second."""
FEW: Final = 2
"""Alerts that can show whether all have the same time."""


@dataclass(frozen=True)
class Clock:
    """Whether the times at which alerts were raised can be used."""

    useful: bool
    words: str


def judge_clock(raised: Array, happened: Array, ended: int) -> Clock:
    """What the times of alerts say, each with the time of the earliest event it points at; `ended` is the horizon."""
    told = raised >= 0
    if not told.any():
        return Clock(False, "its alerts have no time, so the time to detect is unknown: each counts as immediate")
    raised, happened = raised[told], happened[told]
    immediate = "so the time to detect is unknown: each counts as raised when its record arrived"
    if (np.abs(raised - happened) <= TOLERANCE).all():
        return Clock(False, f"its alerts have the time of what they are about, {immediate}")
    if len(raised) >= FEW and np.ptp(raised) <= TOLERANCE:
        return Clock(False, f"all its alerts have one time, {immediate}")
    if (raised > ended).all():
        return Clock(False, f"all its alerts were raised after the world ended, {immediate}")
    return Clock(True, "the time to detect counts to the time of the alert")
