"""Tempo: how long an adversary waits between its stages, and how long each takes.

A wait is a pacing class (drawn log-uniformly within it) or a published length (drawn within a third of it, so
that no incident beats time).  Published dwell is often longer than a test window: the waits and stages of an
hour or more are scaled down together until they are expected to take at most half of the window; shorter ones, which
make an incident what it is, keep their length.  Units: microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.scenarios.catalogue import Pace, Stage, techniques
from scopedrift.simulator.log.events import HOUR

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

    def draw(self, length: Pace, rng: np.random.Generator, patient: bool = True) -> int:
        """A wait or a length; who holds a credential that ends is not `patient`, and hurries."""
        drawn = between(length.low, length.high, rng) * (STRETCH**self.strength if patient else 1.0)
        return max(round(drawn * self.scale) if drawn >= LONG else round(drawn), 1)


def tempo_of(stages: Iterable[tuple[Pace, Pace]], strength: float, window: int) -> Tempo:
    """The tempo for stages, each a wait and a length, within a test window."""
    expected = (each.typical * STRETCH**strength for stage in stages for each in stage)
    long = sum(each for each in expected if each >= LONG)
    return Tempo(strength, min(1.0, ROOM * window / long) if long else 1.0)


def between(low: float, high: float, rng: np.random.Generator) -> float:
    """Drawn log-uniformly."""
    return float(low * (high / low) ** rng.random())


def stage_lengths(stage: Stage) -> tuple[Pace, Pace]:
    """The wait before a stage, and how long it takes; the stage's own words come before its technique's."""
    return stage.wait, stage.lasts or techniques()[stage.technique].pace
