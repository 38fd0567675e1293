"""Drift of activities: what an identity does slowly becomes something else, hour after hour.

Each activity (an operation in a project, see `toolkit.activities`) has a change detector that is fed, once an hour that
shows the activity, how far its amount is above the usual and how rare such hours are: a deviation in bits, clipped,
so that no single burst makes a drift.  Page-Hinkley sums up what lies above a tolerance and fades from hour to hour;
ADWIN (from River) compares the older with the newer part of a growing window.  An event is scored by its activity's
statistic, the hour so far being its latest step: however small each step is, many of them are seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.activities import ActivityBaselines, Running
from scopedrift.detectors.toolkit.columns import chunks, column, segments, texts
from scopedrift.detectors.toolkit.hashing import grown
from scopedrift.simulator.log.events import HOUR, Array, EventBatch

if TYPE_CHECKING:
    from river.drift import ADWIN

_SHRINK, _FLOOR = 3.0, 0.7  # as `rate` has them
_VOLUME = 0.5


@dataclass
class ActivityDrift(Detector):
    """Scores activities whose hours drift away from their own past."""

    method: str = param("page-hinkley", doc="page-hinkley, or adwin (needs River)")
    tolerance: float = param(7.0, 0.5, 16.0, log=True, doc="bits of deviation that are no drift (Page-Hinkley)")
    clip: float = param(4.0, 2.0, 32.0, log=True, doc="most that one hour's amount may deviate, in bits")
    fading: float = param(0.8, 0.0, 1.0, doc="share of the statistic that is kept from hour to hour")
    delta: float = param(0.002, 1e-5, 0.05, log=True, doc="confidence of ADWIN")
    half_life: float = param(14.0, 1.0, 90.0, log=True, doc="days in which what was usual fades to half")

    name = "drift"

    def __post_init__(self) -> None:
        if self.method not in ("page-hinkley", "adwin"):
            raise ValueError(f"method must be page-hinkley or adwin, not {self.method!r}")
        if self.method == "adwin":
            _adwin()

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history and ends in the state that scoring it would have reached."""
        self._activities = ActivityBaselines(24.0 * self.half_life, _SHRINK, _FLOOR)
        self._drift = np.zeros(0)
        self._since = np.zeros(0, np.int64)  # the hour of the statistic
        self._windows: dict[int, ADWIN] = {}
        for part in chunks(history):
            self.score(part)

    def score(self, batch: EventBatch) -> Scores:
        """The drift statistic of the event's activity; abstains on events without an identity."""
        scores = np.full(len(batch), np.nan)
        identity = column(batch, "identity")
        if identity is None:
            return scores
        self._judged: list[tuple[int, Running]] = []
        kept = self._activities
        for start, stop, hour in segments(batch["arrived"], HOUR):
            if hour != kept.hour:
                self._turn(hour)
            running = kept.follow(batch, start, stop)
            self._judged.append((start, running))
            self._drift, self._since = grown(self._drift, len(kept)), grown(self._since, len(kept))
            statistic = np.repeat(self._faded(running.rows), running.lengths)
            if self.method == "page-hinkley":
                statistic += self._deviation(running.rows, kept.above(running, _VOLUME), running.lengths)
                statistic = np.maximum(statistic - self.tolerance, 0.0)
            scores[start + running.order] = statistic
        scores[identity < 0] = np.nan
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names the activity and says how long it has been drifting."""
        who, operation, project = texts(batch, ("identity", "operation", "project"), np.array([row]))[0]
        start, running = next(((n, r) for n, r in self._judged if n <= row < n + len(r.order)), (0, None))
        if who is None or running is None:
            return "not judged"
        known, count, _ = running.at(row - start)
        at = np.array([known])
        rare = 2.0 ** float(self._activities.rarity(at)[0])
        before = float(self._faded(at)[0])
        drifted = f"had drifted by {before:.1f} bits in earlier hours" if before > 0 else "had not drifted before"
        what = f"{operation or 'an unnamed operation'} in {project or 'some project'}"
        return f"{who} does {what} in one of {rare:.0f} hours; it {drifted}, and this hour shows {count}"

    def _turn(self, hour: int) -> None:
        """An hour is over: its deviations are summed up, then learned."""
        kept = self._activities
        if kept.hour >= 0:
            rows = kept.shown()
            deviation = self._deviation(rows, kept.so_far(rows, _VOLUME), 1)
            if self.method == "adwin":
                self._drift[rows] = self._faded(rows) + self._adapt(rows, deviation)
            else:
                self._drift[rows] = np.maximum(0.0, self._faded(rows) + deviation - self.tolerance)
            self._since[rows] = kept.hour
        kept.turn(hour)
        stay = kept.forget()
        if stay is not None:
            size = len(stay)
            self._drift, self._since = self._drift[:size][stay], self._since[:size][stay]
            self._windows = {}

    def _deviation(self, rows: Array, above: Array, lengths: Array | int) -> Array:
        """How far these amounts deviate, and how rare any are, in bits."""
        rarity = self._activities.rarity(rows).astype(np.float64)
        return np.asarray(np.minimum(above, self.clip) + np.repeat(rarity, lengths))

    def _faded(self, rows: Array) -> Array:
        """The statistic by the last full hour."""
        return np.asarray(self._drift[rows] * self.fading ** (self._activities.hour - self._since[rows]))

    def _adapt(self, rows: Array, deviation: Array) -> Array:
        """One hour for ADWIN: how large the change is where it cuts its window, 0 elsewhere."""
        change = np.zeros(len(rows))
        for i, row in enumerate(rows.tolist()):
            window = self._windows.get(row)
            if window is None:
                window = self._windows[row] = _adwin()(delta=self.delta)
            before = window.estimation
            window.update(float(deviation[i]))  # type: ignore[no-untyped-call]
            if window.drift_detected:
                change[i] = max(window.estimation - before, 0.0)
        return change


def _adwin() -> type[ADWIN]:
    try:
        from river.drift import ADWIN
    except ImportError as error:
        raise ImportError("drift(method='adwin') needs River: pip install 'scopedrift[river]'") from error
    return ADWIN
