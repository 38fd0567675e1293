"""Ensemble: several detectors, made comparable by how rare a score is, and combined.

The members are fitted on the first part of the baseline and score the rest of it, which the ensemble holds out
for calibration.  A score then becomes its surprise: the negative logarithm of the share of held-out events that
scored as high; beyond the highest percent a heavy tail continues it, so that nothing saturates and no member
drowns the others.  The sum of surprises favours what several members find odd, the maximum what one finds very
odd.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors._members import limited, member
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.events import Array, EventBatch

_CHUNK = 50_000
_TAIL = 0.01
_TAIL_INDEX = 2.0  # of the Pareto tail with that mean excess (assumed)
_KEPT = 1_000_000


@dataclass
class Ensemble(Detector):
    """Combines detectors after calibrating each on a held-out part of the baseline."""

    members: str = param("first-seen + sequence + peer-group", doc="detectors, joined by +")
    held_out: float = param(0.3, 0.1, 0.5, doc="share of the baseline that calibrates")
    strongest: float = param(0.5, 0.0, 1.0, doc="weight of the most surprised member against the sum of all")

    name = "ensemble"

    def __post_init__(self) -> None:
        self._specs = [spec.strip() for spec in self.members.split("+") if spec.strip()]
        if not self._specs:
            raise ValueError("an ensemble needs members, such as 'first-seen + rate'")
        needs = [member(spec).needs for spec in self._specs]
        self.__dict__["needs"] = frozenset().union(*needs)

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Fits the members on the first part and calibrates on the rest."""
        self._inner = [member(spec) for spec in self._specs]
        cut = round(len(history) * (1.0 - self.held_out))
        self._scales = []
        for detector in self._inner:
            detector.fit(history.slice(0, cut), limited(knowledge, detector.needs))
            parts = [
                np.asarray(detector.score(history.slice(start, min(start + _CHUNK, len(history)))), np.float64)
                for start in range(cut, len(history), _CHUNK)
            ]
            self._scales.append(_Surprise(np.concatenate([np.zeros(0), *parts])))

    def score(self, batch: EventBatch) -> Scores:
        """Combined surprise in powers of ten; abstains where every member does."""
        pairs = zip(self._inner, self._scales, strict=True)
        surprises = np.stack([scale.of(np.asarray(d.score(batch), np.float64)) for d, scale in pairs])
        self._surprises = surprises
        known = ~np.isnan(surprises)
        held = np.where(known, surprises, 0.0)
        combined = self.strongest * held.max(axis=0) + (1.0 - self.strongest) * held.sum(axis=0)
        return np.where(known.any(axis=0), combined, np.nan)

    def explain(self, batch: EventBatch, row: int) -> str:
        """What the most surprised members say."""
        surprise = self._surprises[:, row]
        said = []
        for i in np.argsort(-np.nan_to_num(surprise, nan=-1.0), kind="stable")[:2]:
            if surprise[i] > 1.0:
                rare = f"once in {10 ** min(surprise[i], 9.0):,.0f} events"
                said.append(f"{self._specs[i]} ({rare}): {self._inner[i].explain(batch, row)}")
        return "; ".join(said) or "no member finds this unusual"


class _Surprise:
    """How rare a score is among those of the held-out events, as -log10 of the share that is at least as high."""

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
        return np.where(np.isnan(scores), np.nan, found)
