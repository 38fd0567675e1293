"""Tempo: how long an adversary waits between its stages, and how long each takes.

A wait is a pacing class (drawn log-uniformly within it) or a published length (drawn within a third of it, so
that no incident beats time).  Published dwell is often longer than a test window: the waits and stages of an
hour or more are scaled down together until they are expected to take at most half of the window; shorter ones, which
make an incident what it is, keep their length, unless the window is so short that all have to shrink.

Units: microseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from scopedrift.scenarios.catalogue import Pace
from scopedrift.simulator.log.events import HOUR

STRETCH: Final = 6.0
"""At strength 1 waits and stages take up to this many times longer (assumed)."""
LONG: Final = HOUR
"""Waits and stages from this length on are scaled to the window (assumed)."""
ROOM: Final = 0.5
"""Share of the test window that an incident may be expected to fill (assumed)."""


@dataclass(frozen=True)
class Tempo:
    """The tempo of one incident."""

    strength: float
    scale: float = 1.0
    """What lengths of an hour or more are multiplied with; 1: as published."""
    squeeze: float = 1.0
    """What all lengths are multiplied with beside that."""

    def draw(self, length: Pace, rng: np.random.Generator, patient: bool = True) -> int:
        """A wait or a length; who holds a credential that ends is not `patient`, and hurries."""
        drawn = between(length.low, length.high, rng) * (STRETCH**self.strength if patient else 1.0)
        return max(round(self._fitted(drawn)), 1)

    def expected(self, lengths: Iterable[Pace]) -> float:
        """How long waits and stages may be expected to take together."""
        return sum(self._fitted(each.typical * STRETCH**self.strength) for each in lengths)

    def _fitted(self, length: float) -> float:
        return (length * self.scale if length >= LONG else length) * self.squeeze


def tempo_of(lengths: Iterable[Pace], strength: float, window: int) -> Tempo:
    """The tempo for waits and stages within a test window: the long ones are scaled down to it."""
    long = sum(each for pace in lengths if (each := pace.typical * STRETCH**strength) >= LONG)
    return Tempo(strength, min(1.0, ROOM * window / long) if long else 1.0)


def squeezed(tempo: Tempo, lengths: Iterable[Pace], window: int) -> Tempo:
    """The tempo for a window that may be shorter than an hour: all lengths shrink until they fit."""
    return replace(tempo, squeeze=min(1.0, ROOM * window / tempo.expected(lengths)))


def between(low: float, high: float, rng: np.random.Generator) -> float:
    """Drawn log-uniformly."""
    return float(low * (high / low) ** rng.random())
