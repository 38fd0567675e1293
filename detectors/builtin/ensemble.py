"""Ensemble: several detectors, made comparable by how rare a score is, and combined.

The members are fitted on the first part of the baseline and score the rest of it, which the ensemble holds out
for calibration.  A score then becomes its surprise: the negative logarithm of the share of held-out hours of an
identity that showed one as high, since that, and not a single event, is what an alert stands for; beyond the highest
percent a heavy tail continues it, so that nothing saturates and no member drowns the others.  Members notice different
events of one deed, so each counts with the most surprised it has been by this task (or identity, without one) since
the full hour.  The sum of surprises favours what several members find odd, the maximum what one finds very odd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.loading import load
from scopedrift.detectors.toolkit.columns import chunks, column, grouped, segments, sorted_by, threads
from scopedrift.detectors.toolkit.hashing import HashTable, grown, mix
from scopedrift.simulator.log.events import HOUR, Array, EventBatch

_MEMBERS = "change-aware + declared-policy + task-context + sequence + rate"
_UNITS = 1e6  # a surprise is remembered in millionths, so that no rounding depends on batch cuts
_TAIL = 0.01
_MOST = 1e5  # surprise, of infinite scores too: sums of peaks are whole numbers
_TAIL_INDEX = 2.0  # of the Pareto tail with that mean excess (assumed)


@dataclass
class Ensemble(Detector):
    """Combines detectors after calibrating each on a held-out part of the baseline."""

    members: str = param(_MEMBERS, doc="detectors, joined by +")
    held_out: float = param(0.3, 0.1, 0.5, doc="share of the baseline that calibrates")
    strongest: float = param(0.5, 0.0, 1.0, doc="weight of the most surprised member against the sum of all")

    name = "ensemble"

    def __post_init__(self) -> None:
        self._specs = [spec.strip() for spec in self.members.split("+") if spec.strip()]
        if not self._specs:
            raise ValueError("an ensemble needs members, such as 'first-seen + rate'")
        self.needs = frozenset().union(*(load(spec).needs for spec in self._specs))

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Fits the members on the first part and calibrates on the rest."""
        self._inner = [load(spec) for spec in self._specs]
        cut = round(len(history) * (1.0 - self.held_out))
        self._scales = []
        self._peaks = _Peaks(len(self._inner))
        held_out = history.slice(cut, len(history))
        for detector in self._inner:
            detector.fit(history.slice(0, cut), knowledge.limited(detector.needs))
            parts = [np.asarray(detector.score(part), np.float64) for part in chunks(held_out)]
            self._scales.append(_Surprise(_by_hour(held_out, np.concatenate([np.zeros(0), *parts]))))

    def score(self, batch: EventBatch) -> Scores:
        """Combined surprise in powers of ten; abstains where every member does."""
        pairs = zip(self._inner, self._scales, strict=True)
        surprises = np.stack([scale.of(np.asarray(d.score(batch), np.float64)) for d, scale in pairs])
        self._surprises = surprises
        known = ~np.isnan(surprises)
        held = self._peaks.follow(batch, np.where(known, surprises, 0.0))
        combined = self.strongest * held.max(axis=0) + (1.0 - self.strongest) * held.sum(axis=0)
        return np.where(known.any(axis=0), combined, np.nan)

    def explain(self, batch: EventBatch, row: int) -> str:
        """What the most surprised members say."""
        surprise = self._surprises[:, row]
        said = []
        for i in np.argsort(-np.nan_to_num(surprise, nan=-1.0), kind="stable")[:2]:
            if surprise[i] > 1.0:
                rare = f"once in {10 ** min(surprise[i], 9.0):,.0f} hours of an identity"
                said.append(f"{self._specs[i]} ({rare}): {self._inner[i].explain(batch, row)}")
        return "; ".join(said) or "no member finds this unusual"


def _by_hour(batch: EventBatch, scores: Array) -> Array:
    """The highest score of each identity in each hour that has one."""
    rows = np.flatnonzero(np.isfinite(scores))
    identity = column(batch, "identity")
    who = np.zeros(len(rows), np.int64) if identity is None else identity[rows]
    order, starts, _ = grouped(np.unique(mix(who, batch["arrived"][rows] // HOUR), return_inverse=True)[1])
    return np.asarray(np.maximum.reduceat(scores[rows][order], starts)) if len(rows) else scores[rows]


class _Peaks:
    """The highest surprise of each member by each task (or identity, without one) since the full hour."""

    def __init__(self, members: int) -> None:
        self._tasks = HashTable()
        self._peaks = np.zeros((0, members), np.int64)
        self._hour = -1

    def follow(self, batch: EventBatch, surprises: Array) -> Array:
        """The peaks by each event, its own surprises (a row a member) included."""
        thread = threads(batch)
        values = np.rint(surprises * _UNITS).astype(np.int64)
        for start, stop, hour in segments(batch["arrived"], HOUR):
            if hour != self._hour:
                self._hour = hour
                self._tasks.clear()
                self._peaks = self._peaks[:0]
            row = self._tasks.add(thread[start:stop])
            self._peaks = grown(self._peaks, len(self._tasks))
            order = sorted_by(row)
            row = row[order]
            begins = np.diff(row, prepend=-1) != 0
            starts = np.flatnonzero(begins)
            ends = np.append(starts[1:], len(row)) - 1
            apart = np.cumsum(begins) << 40  # later tasks lie higher, so that no maximum crosses from one to the next
            for number, of_member in enumerate(values):
                part = of_member[start:stop]
                peaks = part[order]
                peaks[starts] = np.maximum(peaks[starts], self._peaks[row[starts], number])
                peaks = np.maximum.accumulate(peaks + apart) - apart
                self._peaks[row[starts], number] = peaks[ends]
                part[order] = peaks
        return np.asarray(values / _UNITS)


class _Surprise:
    """How rare a score is among those of the held-out hours, as -log10 of the share that is at least as high."""

    def __init__(self, scores: Array) -> None:
        held = np.sort(scores[np.isfinite(scores)])
        self._size = len(held)
        self._values, first = np.unique(held, return_index=True)
        self._share = np.append((self._size - first + 0.0) / (self._size + 1.0), 1.0 / (self._size + 1.0))
        at = max(0, min(self._size - 1, int((1.0 - _TAIL) * self._size)))
        self._edge = float(held[at]) if self._size else 0.0
        above = held[held > self._edge] - self._edge
        self._edge_share = max(len(above), 1) / (self._size + 1.0)
        spread = float(np.std(held)) if self._size else 0.0
        self._scale = float(above.mean()) if len(above) else (spread or 1.0)

    def of(self, scores: Array) -> Array:
        """The surprise of each score; NaN stays NaN."""
        if not self._size:
            return np.where(np.isnan(scores), np.nan, 0.0)
        common = -np.log10(self._share[np.searchsorted(self._values, scores)])
        excess = np.maximum(scores - self._edge, 0.0) / self._scale
        tail = -np.log10(self._edge_share) + _TAIL_INDEX * np.log10(1.0 + excess)
        found = np.where(scores > self._edge, np.maximum(tail, 0.0), np.minimum(common, -np.log10(self._edge_share)))
        return np.where(np.isnan(scores), np.nan, np.minimum(found, _MOST))
