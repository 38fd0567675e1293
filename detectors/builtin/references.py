"""Reference detectors, part of every result: what a detector without skill achieves.

`oracle` is only a name here: the evaluation, which alone knows the truth, supplies its scores.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import column
from scopedrift.detectors.toolkit.hashing import splitmix
from scopedrift.simulator.log.events import HOUR, Array, EventBatch


@dataclass
class Never(Detector):
    """Flags nothing."""

    name = "never"

    def score(self, batch: EventBatch) -> Scores:
        """Zero for every event."""
        return np.zeros(len(batch))


@dataclass
class Always(Detector):
    """Gives every event the same score."""

    name = "always"

    def score(self, batch: EventBatch) -> Scores:
        """One for every event."""
        return np.ones(len(batch))

    def explain(self, batch: EventBatch, row: int) -> str:
        """Always the same sentence."""
        return "every event is flagged"


@dataclass
class Random(Detector):
    """Flags at random: a seeded hash of each event's position and content."""

    name = "random"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Takes the seed; counts positions from here."""
        self._key = int(splitmix(np.array([knowledge.seed % (1 << 63)], np.int64))[0])
        self._position = 0

    def score(self, batch: EventBatch) -> Scores:
        """Uniform in [0, 1)."""
        key = np.arange(self._position, self._position + len(batch), dtype=np.int64)
        self._position += len(batch)
        state = splitmix(key) ^ np.uint64(self._key)
        for name in ("time", "arrived", "credential", "task"):
            values = column(batch, name)
            if values is not None:
                state = splitmix(state ^ values.view(np.uint64))
        return np.asarray((splitmix(state) >> np.uint64(11)) * 2.0**-53)

    def explain(self, batch: EventBatch, row: int) -> str:
        """Says that there is no reason."""
        return "picked at random"


@dataclass
class Periodic(Detector):
    """Flags the first event to arrive in each interval."""

    interval: float = param(24.0, 1.0, 168.0, log=True, doc="hours between flagged events")

    name = "periodic"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Remembers the interval in which the history ends."""
        self._unit = max(1, round(self.interval * HOUR))
        self._bin = int(history["arrived"][-1]) // self._unit if len(history) else -1

    def score(self, batch: EventBatch) -> Scores:
        """One for the first event of each interval, zero for the others."""
        if not len(batch):
            return np.zeros(0)
        bins: Array = batch["arrived"] // self._unit
        flagged = np.diff(bins, prepend=self._bin) > 0
        self._bin = int(bins[-1])
        return flagged.astype(np.float64)

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names the interval."""
        return f"the first event to arrive in a new interval of {self.interval:g} hours"


@dataclass
class Oracle(Detector):
    """Flags exactly the incidents; the evaluation supplies the truth, to test the measurement."""

    name = "oracle"

    def score(self, batch: EventBatch) -> Scores:
        """Refuses: a detector has no access to the truth."""
        raise RuntimeError("the oracle has no scores of its own: the evaluation supplies them from the truth")
