"""Alerts that another system delivered, as a detector: an event is flagged exactly if an alert points at it.

Its threshold is given, since the other system has chosen which alerts to raise: all of them count.  Without scores of
its own every alert weighs the same, so there is one operating point and no curve.  An alert is raised when the other
system says so, which may be long after its event arrived.

Units: positions count from the start of the log, times are microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from scopedrift.detectors.base import Detector, Part, Scores
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.evaluation.scoring import Scored
from scopedrift.simulator.log.events import Array, EventBatch

EQUAL: Final = 1.0
"""The score of every alert of a system that gives none."""


@dataclass(frozen=True)
class Flags:
    """What the alerts of one system point at: an entry for each event that any of them names."""

    position: Array
    """Ascending."""
    score: Array
    """The highest of its alerts."""
    raised_at: Array
    """When the first of its alerts was raised."""
    reasons: Sequence[str]
    ranked: bool
    """Whether the system gives scores."""
    rules: Mapping[tuple[str, str], Array] = field(default_factory=dict)
    """For each rule and its level: the positions, ascending, that its alerts point at."""


class Delivered(Detector):
    """The alerts of another system."""

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.below = 0.0
        """The score of events that no alert points at, which is also the threshold."""
        self._ranks = np.unique(flags.score, return_inverse=True)[1] + 1.0  # any size of score leaves room below
        self._from = self._begin = self._at = 0

    def __deepcopy__(self, memo: dict[int, object]) -> Delivered:
        return Delivered(self.flags)  # what was delivered does not change

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Learns nothing; only notes where the history ends."""
        self._at = self._from = len(history)

    def score(self, batch: EventBatch) -> Scores:
        """The rank, from 1, of the highest score of an alert on each event."""
        self._begin, self._at = self._at, self._at + len(batch)
        here = self._within(self._begin, self._at)
        scores = np.full(len(batch), self.below)
        scores[self.flags.position[here] - self._begin] = self._ranks[here]
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """What the first alert on the event says."""
        at = int(np.searchsorted(self.flags.position, self._begin + row))
        return self.flags.reasons[at]

    def parts(self) -> list[Part]:
        """Each rule with the events that its alerts point at since `fit`."""
        return [
            Part(name, level, tuple((at[at >= self._from] - self._from).tolist()))
            for (name, level), at in self.flags.rules.items()
        ]

    def completed(self, scored: Scored) -> Scored:
        """The same scores with the times at which the alerts were raised; what it took to make them is not known."""
        stop = scored.start + len(scored.scores)
        raised_at = np.full(len(scored.scores), -1, np.int64)
        here = self._within(scored.start, stop)
        raised_at[self.flags.position[here] - scored.start] = self.flags.raised_at[here]
        nan = float("nan")
        return replace(scored, raised_at=raised_at, ranked=self.flags.ranked, fit_seconds=nan, score_seconds=nan)

    def _within(self, start: int, stop: int) -> slice:
        first, last = np.searchsorted(self.flags.position, [start, stop])
        return slice(int(first), int(last))
