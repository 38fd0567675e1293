"""Outliers on windowed features: odd combinations of what a task has done since the full hour.

The rows of `toolkit.windowed` are judged by histograms (one feature at a time, as in HBOS) or by an isolation forest
(all together; scikit-learn's).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import param
from scopedrift.detectors.toolkit.distinct import Distinct
from scopedrift.detectors.toolkit.windowed import HIGHEST, WindowedDetector, synthetic_outliers
from scopedrift.simulator.log.events import Array

_SYNTHETIC = 0.005  # synthetic outliers that the forest is shown, per event and feature (assumed)


@dataclass
class Histogram(WindowedDetector):
    """Scores hours whose features, one by one, fall where the baseline seldom was (HBOS)."""

    smoothing: float = param(1.0, 0.1, 10.0, log=True, doc="events added to every bin")

    name = "histogram"

    def _learn(self, features: Array, seed: int) -> None:
        bins = HIGHEST + 1
        counts = np.stack([np.bincount(column, minlength=bins) for column in features.T]) + self.smoothing
        self._bits = -np.log2(counts / counts.sum(axis=1, keepdims=True))
        self._least = float(self._bits.min(axis=1).sum())

    def _judge(self, features: Array) -> Array:
        total = np.zeros(len(features))
        for number in range(features.shape[1]):
            total += self._bits[number, features[:, number]]
        return total - self._least


@dataclass
class IsolationForest(WindowedDetector):
    """Scores hours whose features together are easily isolated (scikit-learn's isolation forest)."""

    trees: int = param(100, 20, 400, log=True, doc="trees in the forest")
    sample: int = param(1024, 128, 8192, log=True, doc="events that each tree is grown on")

    name = "isolation-forest"

    def _learn(self, features: Array, seed: int) -> None:
        try:
            from sklearn.ensemble import IsolationForest as Forest
        except ImportError as error:
            raise ImportError("isolation-forest needs scikit-learn: pip install scikit-learn") from error
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(features), min(len(features), 50_000), replace=False)
        shown = np.concatenate([features[rows], synthetic_outliers(max(1, round(_SYNTHETIC * len(rows))), rng)])
        self._forest = Forest(
            n_estimators=self.trees, max_samples=min(self.sample, len(shown)), random_state=seed % (1 << 32)
        ).fit(shown)
        self._distinct = Distinct(lambda rows: -self._forest.score_samples(rows))

    def _judge(self, features: Array) -> Array:
        return self._distinct.answers(features)
