"""Running a detector over a log: fit on the baseline window, score the rest, explain what opens an alert.

The detector is given batches of events and the knowledge that it asked for, never the world.  The threshold is known
as soon as the calibration window is scored, so events of the test window are flagged as they are scored, and the
detector is asked for its reason right after the batch that opens an alert, as it would be on call.

Whatever goes wrong in a detector becomes a `DetectorError` that says in which phase, in which batch, and what was
expected.  Units: positions count from the start of the log; timings are seconds.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from scopedrift.detectors.base import Detector, Part
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.evaluation.alerts import Grouped, threshold_for_budget
from scopedrift.experiments.evaluation.windows import Window, Windows
from scopedrift.simulator.log.events import HOUR, MISSING, Array, EventBatch

if TYPE_CHECKING:
    from scopedrift.simulator.log.event_log import EventLog

COLD_START_US: Final = HOUR
"""For so long after its first event in the log is an identity, a workload or an image that the baseline window did not
have a cold start."""
EXPLAINED: Final = 10_000
"""Reasons asked of a detector; a flood of more alerts keeps the rest of them without one."""
_ONSETS: Final = ("identity", "workload", "image")
_Result = TypeVar("_Result")


class DetectorError(Exception):
    """A detector raised, or returned something that is no score.  One line: who, when, what, what was expected."""

    def __init__(self, detector: str, phase: str, problem: str) -> None:
        self.detector, self.phase, self.problem = detector, phase, " ".join(storable(problem).split())[:500]
        super().__init__(f"detector {detector!r} failed in {phase}: {self.problem}")

    def __reduce__(self) -> tuple[Any, ...]:
        return DetectorError, (self.detector, self.phase, self.problem)


@dataclass(frozen=True)
class Opening:
    """What is told of the event that opened an alert."""

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


def name_of(detector: Detector) -> str:
    """The name under which a detector's results are kept."""
    return detector.name or type(detector).__name__


def run(
    detector: Detector,
    log: EventLog,
    windows: Windows,
    knowledge: Knowledge,
    *,
    name: str,
    allowed: float,
    cooldown_us: int,
    batch_size: int,
) -> Scored:
    """Fit and score a copy of the detector, to be called `name`; `allowed` alerts while calibrating set the threshold.

    Raises `DetectorError`.
    """
    clock = _Clock()
    with blamed(name, "copy.deepcopy"):
        detector = copy.deepcopy(detector)
    newcomers = _fit(detector, log.batch(windows.baseline.start, windows.baseline.stop), knowledge, name, clock)
    fit_seconds, clock.seconds = clock.seconds, 0.0
    start, middle, stop = windows.calibration.start, windows.test.start, windows.test.stop
    scores = np.full(stop - start, np.nan)
    identity = np.full(stop - start, MISSING, np.int32)

    def scored(window: Window) -> Iterator[tuple[int, EventBatch]]:
        for number, batch in enumerate(log.batches(batch_size, window.start, window.stop)):
            at = window.start + number * batch_size
            phase = f"score, batch {(at - start) // batch_size} (events {at} to {at + len(batch)})"
            with blamed(name, phase):
                returned = clock.time(lambda batch=batch: detector.score(batch))  # type: ignore[misc]
            here = slice(at - start, at - start + len(batch))
            scores[here] = checked(returned, len(batch), name, phase)
            if "identity" in batch.columns:
                identity[here] = batch["identity"]
            newcomers.meet(batch)
            yield at, batch

    for _ in scored(windows.calibration):
        pass
    split = middle - start
    calibration = Grouped.of(log.arrived[start:middle], identity[:split], scores[:split], cooldown_us)
    threshold = threshold_for_budget(calibration, allowed)
    openings: dict[int, Opening] = {}
    doors = _Doors(cooldown_us)
    for at, batch in scored(windows.test):
        here = slice(at - start, at - start + len(batch))
        for row in doors.opened(batch["arrived"], identity[here], scores[here] > threshold):
            reason = ""
            if len(openings) < EXPLAINED:
                with blamed(name, f"explain, event {at + row}"):
                    reason = _sentence(detector.explain(batch, row))
            openings[at + row - middle] = Opening(
                reason, _text(batch, "operation", row), _text(batch, "resource", row), newcomers.cold(batch, row)
            )
    with blamed(name, "parts"):
        parts = tuple(detector.parts())
    return Scored(start, scores, identity, calibration, threshold, openings, fit_seconds, clock.seconds, parts)


def _fit(detector: Detector, history: EventBatch, knowledge: Knowledge, name: str, clock: _Clock) -> _Newcomers:
    """Fit; a function of its own, so that the baseline window is let go before scoring."""
    with blamed(name, "fit"):
        clock.time(lambda: detector.fit(history, knowledge))
    return _Newcomers(history)


def checked(returned: Any, expected: int, detector: str, phase: str) -> Array:
    """The scores as float64, or a `DetectorError` that says what is wrong with them.

    NaN abstains.  Infinities are scores like any other: the highest and the lowest there are.
    """
    try:
        scores = np.asarray(returned)
    except Exception as error:
        raise DetectorError(detector, phase, f"returned no array of scores: {error}") from error
    if scores.dtype.kind not in "fiub":
        kind = type(returned).__name__ if scores.dtype == object or not scores.ndim else f"dtype {scores.dtype}"
        raise DetectorError(detector, phase, f"returned {kind}, expected {expected} floats")
    if scores.shape != (expected,):
        raise DetectorError(
            detector, phase, f"returned shape {scores.shape}, expected ({expected},): one score an event"
        )
    return scores.astype(np.float64, copy=False)


@dataclass
class _Clock:
    seconds: float = 0.0

    def time(self, call: Callable[[], _Result]) -> _Result:
        began = time.perf_counter()
        try:
            return call()
        finally:
            self.seconds += time.perf_counter() - began


@contextmanager
def blamed(detector: str, phase: str) -> Iterator[None]:
    """Whatever the detector raises, `SystemExit` included, becomes a `DetectorError`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise DetectorError(detector, phase, f"{type(error).__name__}: {error}") from error


def _sentence(reason: Any) -> str:
    if not isinstance(reason, str):
        raise TypeError(f"returned {type(reason).__name__}, expected one sentence (str)")
    return storable(reason)


def storable(text: str) -> str:
    """The text with what UTF-8 does not have (halves of a pair, as in file names that are no UTF-8) written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def _text(batch: EventBatch, column: str, row: int) -> str:
    code = int(batch[column][row]) if column in batch.columns else MISSING
    return batch.names(column)[code] if code >= 0 else ""


@dataclass
class _Doors:
    """Which flagged events open an alert, batch by batch: the same cover as `alerts.alerts` makes of the whole."""

    cooldown_us: int
    _until: Array = field(default_factory=lambda: np.full(1024, np.iinfo(np.int64).min))
    """When the last alert of each identity code (+ 1) closes."""

    def opened(self, arrived: Array, identity: Array, flagged: Array) -> list[int]:
        """Rows of the batch that open an alert, ascending."""
        rows = np.flatnonzero(flagged)
        group = identity[rows].astype(np.int64) + 1
        if len(rows) and (most := int(group.max())) >= len(self._until):
            more = np.full(most + 1, np.iinfo(np.int64).min)
            self._until = np.concatenate([self._until, more])
        found: list[int] = []
        while True:
            uncovered = arrived[rows] > self._until[group]
            rows, group = rows[uncovered], group[uncovered]
            if not len(rows):
                return sorted(found)
            who, first = np.unique(group, return_index=True)
            self._until[who] = arrived[rows[first]] + self.cooldown_us
            found.extend(rows[first].tolist())


class _Newcomers:
    """When the names that the baseline window did not have first arrived."""

    def __init__(self, history: EventBatch) -> None:
        self._known = {column: len(history.names(column)) for column in _ONSETS if column in history.columns}
        self._since: dict[str, list[int]] = {column: [] for column in self._known}

    def meet(self, batch: EventBatch) -> None:
        """Note the names that the stream shows for the first time in this batch: codes ascend by first arrival."""
        for column, since in self._since.items():
            met = self._known[column] + len(since)
            fresh = np.arange(met, len(batch.names(column)))
            if len(fresh) and len(batch):
                at = np.searchsorted(np.maximum.accumulate(batch[column]), fresh, side="left")
                since.extend(batch["arrived"][np.minimum(at, len(batch) - 1)].tolist())

    def cold(self, batch: EventBatch, row: int) -> bool:
        """Whether the event is a cold start: of an identity, a workload or an image."""
        now = int(batch["arrived"][row])
        for column, since in self._since.items():
            age = int(batch[column][row]) - self._known[column]
            if age >= 0 and now - since[age] <= COLD_START_US:
                return True
        return False
