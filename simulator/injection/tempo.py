"""Tempo: how long an adversary waits between its stages, and how long each takes.

A wait is a pacing class (drawn log-uniformly within it) or a published length (drawn within a third of it, so
that no incident beats time).  Published dwell is often longer than a test window: the waits and stages of an
hour or more are scaled down together until they are expected to take at most half of the window; shorter ones, which
make an incident what it is, keep their length.  Units: microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np

from scopedrift.scenarios.durations import parse_duration
from scopedrift.simulator.log.events import HOUR, MINUTE, SECOND

PACES: Final[Mapping[str, tuple[int, int]]] = {
    "seconds": (SECOND, 30 * SECOND),
    "minutes": (MINUTE, 15 * MINUTE),
    "hours": (HOUR, 8 * HOUR),
    "days": (24 * HOUR, 96 * HOUR),
    "months": (30 * 24 * HOUR, 210 * 24 * HOUR),
}
"""Pacing classes."""
STRETCH: Final = 6.0
"""At strength 1 waits and stages take up to this many times longer (assumed)."""
LONG: Final = HOUR
ROOM: Final = 0.5
"""Share of the test window that the long waits of a chain may be expected to fill."""


@dataclass(frozen=True)
class Tempo:
    """The tempo of one incident."""

    strength: float
    scale: float
    """What lengths of an hour or more are multiplied with; 1: as published."""

    def draw(self, length: str, rng: np.random.Generator, patient: bool = True) -> int:
        """A wait or a length; who holds a credential that ends is not `patient`, and hurries."""
        low, high = bounds(length)
        drawn = between(low, high, rng) * (STRETCH**self.strength if patient else 1.0)
        return max(round(drawn * self.scale) if drawn >= LONG else round(drawn), 1)


def tempo_of(stages: Iterable[tuple[str, str]], strength: float, window: int) -> Tempo:
    """The tempo for stages, each a wait and a length, within a test window."""
    expected = (sqrt(low * high) * STRETCH**strength for stage in stages for low, high in map(bounds, stage))
    long = sum(each for each in expected if each >= LONG)
    return Tempo(strength, min(1.0, ROOM * window / long) if long else 1.0)


def bounds(length: str) -> tuple[float, float]:
    """Between what a wait lies at strength 0: its class, or a third around what was published."""
    if length in PACES:
        return PACES[length]
    published = parse_duration(length)
    return 0.75 * published, published / 0.75


def between(low: float, high: float, rng: np.random.Generator) -> float:
    """Drawn log-uniformly."""
    return float(low * (high / low) ** rng.random())


def stage_lengths(stage: Mapping[str, Any], technique: Mapping[str, Any]) -> tuple[str, str]:
    """The wait before a stage, and how long it takes; the stage's own words come before its technique's."""
    return stage.get("wait", "minutes"), stage.get("lasts", technique.get("pace", "seconds"))
