"""Drift of profiles: an identity's hours slowly become something else.

When an hour is over, the composition of each identity's events in it (`_profiles`: shares of attack steps, changes,
denials, calls elsewhere, and bytes an event; on a logarithmic scale, relative to its own mean and spread) is given to
a change detector: Page-Hinkley, which sums up what lies above the usual, or ADWIN (from River), which compares the
older with the newer part of a growing window.  Shares do not follow the time of day, as counts do.  Events of the
following hours carry the identity's statistic until it falls again, so a drift is seen with an hour's delay at
most, however small each step is; what is small beside the identity's ordinary work is not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scopedrift.detectors._columns import column, segments, text
from scopedrift.detectors._hashing import grown
from scopedrift.detectors._profiles import FEATURES, Profiles
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.events import HOUR, Array, EventBatch

_CLIP = 6.0
_WARM = 12.0
_RARE = 0.02  # a share that is as good as none
_WORDS = {name: f"a larger share of {name}" for name in FEATURES} | {"bytes": "more bytes an event"}
_EVENTS, _BYTES = FEATURES.index("events"), FEATURES.index("bytes")


@dataclass
class Drift(Detector):
    """Scores identities whose hourly profile drifts away from its own past."""

    method: str = param("page-hinkley", doc="page-hinkley, or adwin (needs River)")
    tolerance: float = param(0.5, 0.05, 2.0, log=True, doc="deviation in spreads that is no drift (Page-Hinkley)")
    fading: float = param(0.9, 0.8, 1.0, doc="share of the statistic that is kept from hour to hour")
    delta: float = param(0.002, 1e-5, 0.05, log=True, doc="confidence of ADWIN")

    name = "drift"

    def __post_init__(self) -> None:
        if self.method not in ("page-hinkley", "adwin"):
            raise ValueError(f"method must be page-hinkley or adwin, not {self.method!r}")
        if self.method == "adwin":
            _adwin()

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history, so that it ends in the state that scoring would have reached."""
        self._profiles = Profiles()
        self._hour = -1
        width = len(FEATURES)
        self._hours = np.zeros(0)  # active hours, and mean and variance of the profiles so far
        self._mean, self._variance = np.zeros((0, width)), np.zeros((0, width))
        self._drift = np.zeros((0, width))
        self._windows: dict[tuple[int, int], Any] = {}
        for start, stop, _ in segments(history["arrived"], HOUR * 24):
            self.score(history.slice(start, stop))

    def score(self, batch: EventBatch) -> Scores:
        """The drift statistic of the identity by the last full hour; abstains on events without an identity."""
        identity = column(batch, "identity")
        scores = np.full(len(batch), np.nan)
        if identity is None:
            return scores
        rows = np.flatnonzero(identity >= 0)
        who, arrived, amounts = identity[rows], batch["arrived"][rows], self._profiles.amounts(batch)[rows]
        for start, stop, hour in segments(arrived, HOUR):
            if hour != self._hour:
                self._close(hour)
            part = slice(start, stop)
            self._profiles.follow(who[part], arrived[part], amounts[part])
            self._reserve(len(self._profiles.sums))
            scores[rows[part]] = self._drift.max(axis=1)[who[part]]
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names the feature that drifted most."""
        code = int(batch["identity"][row])
        if code < 0:
            return "not judged"
        feature = int(np.argmax(self._drift[code]))
        if self._drift[code, feature] == 0:
            return f"{text(batch, 'identity', row)} has not drifted"
        return f"{text(batch, 'identity', row)} has drifted: {_WORDS[FEATURES[feature]]} than it used to have"

    def _reserve(self, size: int) -> None:
        for name in ("_hours", "_mean", "_variance", "_drift"):
            setattr(self, name, grown(getattr(self, name), size))

    def _close(self, hour: int) -> None:
        """An hour is over: the profiles of it are judged, then learned."""
        done = np.flatnonzero(self._profiles.hour == self._hour) if self._hour >= 0 else np.zeros(0, np.int64)
        self._hour = hour
        if not len(done):
            return
        profile = _composition(self._profiles.sums[done])
        hours, mean = self._hours[done, None], self._mean[done]
        deviation = (profile - mean) / np.sqrt(self._variance[done] + 0.25)
        deviation = np.where(hours >= _WARM, np.clip(deviation, -_CLIP, _CLIP), 0.0)
        if self.method == "adwin":
            self._adapt(done, deviation)
        else:
            self._drift[done] = np.maximum(0.0, self.fading * self._drift[done] + deviation - self.tolerance)
        rate = 1.0 / np.minimum(hours + 1.0, 24.0 * 14)
        step = profile - mean
        self._mean[done] = mean + rate * step
        self._variance[done] += rate * ((1.0 - rate) * step**2 - self._variance[done])
        self._hours[done] += 1.0

    def _adapt(self, done: Array, deviation: Array) -> None:
        """One hour for ADWIN; a cut of its window shows as the size of the change, which then fades."""
        self._drift[done] *= self.fading
        for row, code in enumerate(done.tolist()):
            for feature in range(len(FEATURES)):
                window = self._windows.get((code, feature))
                if window is None:
                    window = self._windows[code, feature] = _adwin()(delta=self.delta)
                before = window.estimation
                window.update(float(deviation[row, feature]))
                if window.drift_detected:
                    self._drift[code, feature] += max(window.estimation - before, 0.0)


def _composition(sums: Array) -> Array:
    """The share of each feature in an hour's events, and how large its events are, on a logarithmic scale."""
    events = np.maximum(sums[:, _EVENTS, None], 1)
    profile = np.log2(_RARE + sums / events)
    profile[:, _EVENTS] = 0.0
    profile[:, _BYTES] = np.log2(1.0 + sums[:, _BYTES] / events[:, 0]) / 4.0
    return np.asarray(profile)


def _adwin() -> Any:
    try:
        from river.drift import ADWIN
    except ImportError as error:
        raise ImportError("drift(method='adwin') needs River: pip install 'scopedrift[river]'") from error
    return ADWIN
