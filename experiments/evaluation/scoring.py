"""Running a detector over a log: fit on the baseline window, score the rest, explain what opens an alert.

The detector is given batches of events and the knowledge that it asked for, never the world.  The threshold is known
as soon as the calibration window is scored, so events of the test window are flagged as they are scored, and the
detector is asked for its reason right after the batch that opens an alert, as it would be on call.

Units: positions count from the start of the log; timings are seconds.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from scopedrift.detectors.answers import parts_of, reason_of
from scopedrift.detectors.base import Detector, Part
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.evaluation.alerts import AlertTracker, Grouped, threshold_for_budget
from scopedrift.experiments.evaluation.cold_starts import ColdStarts
from scopedrift.experiments.evaluation.guard import checked_scores, guarded
from scopedrift.experiments.evaluation.shared import in_order
from scopedrift.experiments.evaluation.windows import Window, Windows
from scopedrift.simulator.log.events import MISSING, Array, EventBatch

if TYPE_CHECKING:
    from scopedrift.simulator.log.event_log import EventLog

EXPLAINED: Final = 10_000
"""Reasons asked of a detector; a flood of more alerts keeps the rest of them without one."""
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Budget:
    """The false alarms that a team accepts, and how long an alert covers its identity."""

    per_day: float
    cooldown_us: int
    threshold: float | None = None
    """A threshold that is given, in place of one that keeps to the budget."""


@dataclass(frozen=True)
class Opening:
    """What an alert says of the event that opened it."""

    reason: str
    operation: str
    resource: str
    cold_start: bool


@dataclass(frozen=True)
class Scored:
    """The scores of calibration and test window, and what is needed to judge them."""

    start: int
    """Position of the first score."""
    scores: Array
    identity: Array
    """Identity codes of the same events."""
    calibration: Grouped
    threshold: float
    openings: dict[int, Opening]
    """By position in the test window: the events that opened an alert."""
    fit_seconds: float
    score_seconds: float
    parts: tuple[Part, ...] = ()
    """What each rule of a detector that is made of rules matched; positions count from `start`."""
    raised_at: Array | None = None
    """When the alert on each event was raised (microseconds), if that is not when the event arrived."""
    ranked: bool = True
    """Whether scores order the flagged events; without an order there is no curve, only what is flagged."""


def fit_and_score(
    detector: Detector,
    log: EventLog,
    windows: Windows,
    knowledge: Knowledge,
    *,
    name: str,
    budget: Budget,
    batch_size: int,
) -> Scored:
    """Fit and score a copy of the detector, which results call `name`; its threshold keeps to the budget.

    Raises `DetectorError`.
    """
    clock = _Clock()
    with guarded(name, "copy.deepcopy"):
        detector = copy.deepcopy(detector)
    cold_starts = _fit(detector, log.batch(windows.baseline.start, windows.baseline.stop), knowledge, name, clock)
    fit_seconds, clock.seconds = clock.seconds, 0.0
    start, middle, stop = windows.calibration.start, windows.test.start, windows.test.stop
    scores = np.full(stop - start, np.nan)
    identity = np.full(stop - start, MISSING, np.int32)

    def scored(window: Window) -> Iterator[tuple[int, EventBatch]]:
        for number, batch in enumerate(log.batches(batch_size, window.start, window.stop)):
            at = window.start + number * batch_size
            phase = f"score, batch {(at - start) // batch_size} (events {at} to {at + len(batch)})"
            with guarded(name, phase):
                returned = clock.time(lambda batch=batch: detector.score(batch))  # type: ignore[misc]
            here = slice(at - start, at - start + len(batch))
            scores[here] = checked_scores(returned, len(batch), name, phase)
            if "identity" in batch.columns:
                identity[here] = batch["identity"]
            cold_starts.observe(batch)
            yield at, batch

    for _ in scored(windows.calibration):
        pass
    split = middle - start
    calibration = in_order(log, windows.calibration, budget.cooldown_us).scored(scores[:split])
    threshold = budget.threshold
    if threshold is None:
        threshold = threshold_for_budget(calibration, budget.per_day * windows.calibration.days)
    openings: dict[int, Opening] = {}
    tracker = AlertTracker(budget.cooldown_us)
    for at, batch in scored(windows.test):
        here = slice(at - start, at - start + len(batch))
        for row in tracker.opened(batch["arrived"], identity[here], scores[here] > threshold):
            reason = ""
            if len(openings) < EXPLAINED:
                with guarded(name, f"explain, event {at + row}"):
                    reason = reason_of(detector.explain(batch, row))
            openings[at + row - middle] = Opening(
                reason, _text(batch, "operation", row), _text(batch, "resource", row), cold_starts.is_cold(batch, row)
            )
    with guarded(name, "parts"):
        parts = parts_of(detector.parts())
    return Scored(start, scores, identity, calibration, threshold, openings, fit_seconds, clock.seconds, parts)


def _fit(detector: Detector, history: EventBatch, knowledge: Knowledge, name: str, clock: _Clock) -> ColdStarts:
    """Fit; a function of its own, so that the baseline window is let go before scoring."""
    with guarded(name, "fit"):
        clock.time(lambda: detector.fit(history, knowledge))
    return ColdStarts(history)


def _text(batch: EventBatch, column: str, row: int) -> str:
    code = int(batch[column][row]) if column in batch.columns else MISSING
    return batch.names(column)[code] if code >= 0 else ""


@dataclass
class _Clock:
    seconds: float = 0.0

    def time(self, call: Callable[[], _Result]) -> _Result:
        began = time.perf_counter()
        try:
            return call()
        finally:
            self.seconds += time.perf_counter() - began
