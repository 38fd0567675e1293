"""Windowed features for outlier detectors: how far a task's hour so far is above its usual hour.

Each feature of `profiles` is compared with the usual hour of a task of this kind by this identity, in spreads of the
logarithm, rounded to halves; identities with little history use the fleet's.  Events without a task belong to the
identity's own window.  A detector of such rows is a `WindowedDetector` with two methods::

    class Highest(WindowedDetector):
        def _learn(self, features, seed):  # (rows, len(FEATURES)) integers from 0 to HIGHEST
            self.usual = features.max(axis=1).mean()

        def _judge(self, features):  # a score for each row
            return features.max(axis=1) - self.usual

>>> from scopedrift.detectors.conformance.sample import sample_log
>>> from scopedrift.detectors.toolkit.profiles import FEATURES
>>> from scopedrift.detectors.toolkit.windowed import HIGHEST, Windowed
>>> log, windowed = sample_log(1200), Windowed()
>>> windowed.learn(log.batch(0, 800)).shape[1] == len(FEATURES)  # a row for each hour of each task
True
>>> int(windowed.features(log.batch(800, 1200)).max()) <= HIGHEST  # a row for each event of an identity
True
"""

from __future__ import annotations

import numpy as np

from scopedrift.detectors.base import Detector, Scores
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import chunks, column, text, threads
from scopedrift.detectors.toolkit.hashing import HashTable, mix
from scopedrift.detectors.toolkit.profiles import FEATURES, Profiles
from scopedrift.simulator.log.events import HOUR, Array, EventBatch

HIGHEST = 31
"""The highest value of a feature, in halves of a spread."""
_LEAST_SPREAD = 0.5  # of the logarithm: an hour differs by a factor of 1.4 without anything having happened
_SHRINK = 3.0  # hours of a kind's tasks that the fleet's level weighs (assumed)
_WARM = 0.3  # share of the history in which too much is new to learn from it


class Windowed:
    """How far each task's hour so far is above the usual hour of a task of its kind, in halves of a spread."""

    def __init__(self) -> None:
        self._profiles = Profiles()
        self._kinds = HashTable()  # identities with kinds of tasks
        self._level, self._spread = np.zeros((1, len(FEATURES))), np.ones((1, len(FEATURES)))
        """Of the logarithm, for each kind; at the end those of the fleet."""
        self.by_time = np.zeros(0, np.int64)
        """The rows that `learn` gave, in the order in which their hours began: they come in that of fingerprints."""

    def learn(self, history: EventBatch) -> Array:
        """Learns the usual hour of each kind; gives the features of the history.

        Integers of shape `(hours of tasks, len(FEATURES))`, after the first days, in which too much is new.
        """
        identity = column(history, "identity")
        if identity is None or not np.any(identity >= 0):
            return np.zeros((0, len(FEATURES)), np.int64)
        kind, sums, begin = self._hours(history)
        self.by_time = np.argsort(begin)
        hours = np.bincount(kind, minlength=len(self._kinds))
        size = len(hours)
        scaled = np.log2(1.0 + sums)
        level, square = np.zeros((size, len(FEATURES))), np.zeros((size, len(FEATURES)))
        np.add.at(level, kind, scaled)
        np.add.at(square, kind, scaled**2)
        share = np.maximum(hours, 1)[:, None]
        level, square = level / share, square / share
        variance = np.maximum(square - level**2, 0.0)
        whole, wide = scaled.mean(axis=0), scaled.var(axis=0)
        own = (hours / (hours + _SHRINK))[:, None]
        apart = np.where(hours[:, None] > 0, level - whole, 0.0)
        variance = own * variance + (1.0 - own) * (wide + apart**2)
        self._level = np.vstack([whole + own * apart, whole])
        self._spread = np.sqrt(np.vstack([variance, wide]) + _LEAST_SPREAD**2)
        unfinished = int(np.searchsorted(history["arrived"], history["arrived"][-1] // HOUR * HOUR))
        self.features(history.slice(unfinished, len(history)))  # what the last hour has shown so far counts on
        return self._above(kind, np.ascontiguousarray(sums.T))

    def features(self, batch: EventBatch) -> Array:
        """The features of each event that has an identity: integers from 0 to `HIGHEST`, a row per event."""
        identity = column(batch, "identity")
        if identity is None:
            return np.zeros((0, len(FEATURES)), np.int64)
        kind, window = _keys(batch)
        arrived, amounts = batch["arrived"], self._profiles.amounts(batch, kind)
        if len(identity) and int(identity.min()) < 0:
            rows = np.flatnonzero(identity >= 0)
            kind, window, arrived, amounts = kind[rows], window[rows], arrived[rows], amounts[:, rows]
        return self._above(self._kinds.find(kind), self._profiles.follow(window, arrived, amounts))

    def _above(self, row: Array, sums: Array) -> Array:
        """Sums (a column each) in halves of a spread above the level of the kind in this row (-1: of the fleet)."""
        found = np.zeros(sums.size, np.int64)
        there = np.flatnonzero(sums.reshape(-1) != 0)  # few are: what did not happen is nowhere above a level
        feature, of = np.divmod(there, max(1, len(row)))
        at = (np.where(row < 0, len(self._level) - 1, row) * len(FEATURES)).take(of) + feature
        above = np.log2(1.0 + sums.reshape(-1).take(there))
        above -= self._level.reshape(-1).take(at)
        above *= 2.0
        above /= self._spread.reshape(-1).take(at)
        found[there] = np.clip(np.rint(above, out=above), 0, HIGHEST, out=above)
        return found.reshape(sums.shape).T

    def _hours(self, history: EventBatch) -> tuple[Array, Array, Array]:
        """Kind, sums and first event of each hour of each task of the history, when the first days are over."""
        windows, hours, kinds, sums, begins = [], [], [], [], []
        start = 0
        for part in chunks(history):
            rows = np.flatnonzero(part["identity"] >= 0)
            kind, window = _keys(part)
            hour = part["arrived"][rows] // HOUR
            found, first, inverse = np.unique(mix(window[rows], hour), return_index=True, return_inverse=True)
            total = np.zeros((len(found), len(FEATURES)))
            np.add.at(total, inverse, self._profiles.amounts(part, kind).T[rows])
            windows.append(found)
            hours.append(hour[first])
            kinds.append(self._kinds.add(kind[rows[first]]))
            sums.append(total)
            begins.append(start + rows[first])
            start += len(part)
        found, first, inverse = np.unique(np.concatenate(windows), return_index=True, return_inverse=True)
        total = np.zeros((len(found), len(FEATURES)))
        np.add.at(total, inverse, np.concatenate(sums))
        hour = np.concatenate(hours)[first]
        late = hour >= hour.min() + _WARM * (hour.max() - hour.min())
        return np.concatenate(kinds)[first][late], total[late], np.concatenate(begins)[first][late]


def _keys(batch: EventBatch) -> tuple[Array, Array]:
    """For each event: its identity with the kind of its task, and its task (its identity if it has none)."""
    kind = column(batch, "task_kind")
    return mix(batch["identity"], -1 if kind is None else kind), threads(batch)


class WindowedDetector(Detector):
    """Base of detectors of windowed features; each defines how it learns and judges rows of features."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Learns the usual hours and the distribution of features."""
        self._windowed = Windowed()
        features = self._windowed.learn(history)
        self._ready = len(features) > 0
        if self._ready:
            self._learn(features, knowledge.seed)

    def score(self, batch: EventBatch) -> Scores:
        """How unusual the hour so far is; abstains on events without an identity, or without a baseline."""
        identity = column(batch, "identity")
        if identity is None or not self._ready:
            return np.full(len(batch), np.nan)
        self._features = self._windowed.features(batch)
        judged = self._judge(self._features)
        if len(judged) == len(batch):
            return judged
        scores = np.full(len(batch), np.nan)
        scores[identity >= 0] = judged
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names the features furthest from the usual hour."""
        identity = batch["identity"]
        if not self._ready or identity[row] < 0:
            return "not judged"
        features = self._features[int(np.count_nonzero(identity[:row] >= 0))]
        order = np.argsort(-np.abs(features), kind="stable")[:3]
        parts = [f"{FEATURES[i]} {features[i] / 2:g} spreads" for i in order if features[i]]
        above = f"{', '.join(parts)} above the usual" if parts else "nothing above the usual"
        return f"{text(batch, 'identity', row)} in this hour so far: {above}"

    def _learn(self, features: Array, seed: int) -> None:
        raise NotImplementedError

    def _judge(self, features: Array) -> Array:
        raise NotImplementedError


def synthetic_outliers(each: int, rng: np.random.Generator) -> Array:
    """Rows that are high in one feature alone, `each` for every feature, drawn evenly from 1 to `HIGHEST`.

    Without them, no tree splits where the baseline never varied.
    """
    rows = np.zeros((len(FEATURES), each, len(FEATURES)), np.int64)
    for number in range(len(FEATURES)):
        rows[number, :, number] = rng.integers(1, HIGHEST + 1, each)
    return rows.reshape(-1, len(FEATURES))
