"""The label oracle: the truth as scores, to test the plumbing; the only detector that ever sees labels.

The registry's `oracle` has no scores of its own.  `evaluate` puts this one in its place, which counts positions from
the start of the calibration window: 1 for the event of an incident, 0 for any other.
"""

from __future__ import annotations

from typing import ClassVar

from scopedrift.detectors.base import Detector, Scores
from scopedrift.detectors.builtin import references
from scopedrift.simulator.events import EventBatch
from scopedrift.simulator.truth import SCOPE_DRIFT, Truth


class LabelOracle(Detector):
    """Scores 1 for the events of incidents; made by `evaluate` alone."""

    name: ClassVar[str] = "oracle"

    def __init__(self, truth: Truth, start: int) -> None:
        self._truth = truth
        self._position = start

    def score(self, batch: EventBatch) -> Scores:
        """The labels of the next events."""
        labels = self._truth.labels(self._position, self._position + len(batch))
        self._position += len(batch)
        return (labels >= SCOPE_DRIFT).astype(float)

    def explain(self, batch: EventBatch, row: int) -> str:
        """Says where the score comes from."""
        return "the label says so"


def informed(detector: Detector, truth: Truth, start: int) -> Detector:
    """The detector itself; in place of the registry's `oracle`, one that knows the labels from `start` on."""
    return LabelOracle(truth, start) if isinstance(detector, references.Oracle) else detector
