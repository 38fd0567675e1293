"""The label oracle: the truth as scores, to test the plumbing; the only detector that ever sees labels.

The registry's `oracle` has no scores of its own.  `evaluate` puts this one in its place, which counts positions from
the start of the calibration window: 1 for the event of an incident's stages, 0 for any other.  What an adversary does
before to be learned as normal gets 0: it lies in the calibration window and would raise the threshold to its score.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from scopedrift.detectors.base import Detector, Scores
from scopedrift.detectors.builtin import references
from scopedrift.simulator.log.events import EventBatch
from scopedrift.simulator.log.truth import SCOPE_DRIFT, Truth


class LabelOracle(Detector):
    """Scores 1 for the events of incidents; made by `evaluate` alone."""

    name: ClassVar[str] = "oracle"

    def __init__(self, truth: Truth, start: int) -> None:
        self._truth = truth
        self._position = start

    def score(self, batch: EventBatch) -> Scores:
        """The labels of the next events."""
        truth, scores = self._truth, np.zeros(len(batch))
        first, last = np.searchsorted(truth.event, [self._position, self._position + len(batch)])
        counted = (truth.label[first:last] >= SCOPE_DRIFT) & (truth.stage[first:last] >= 0)
        scores[truth.event[first:last][counted] - self._position] = 1.0
        self._position += len(batch)
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Says where the score comes from."""
        return "the label says so"


def informed(detector: Detector, truth: Truth, start: int) -> Detector:
    """The detector itself; in place of the registry's `oracle`, one that knows the labels from `start` on."""
    return LabelOracle(truth, start) if isinstance(detector, references.Oracle) else detector
