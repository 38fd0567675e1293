"""Models of rows of numbers as detectors: fitted on rows of the history, then scoring each row.

The rows are the windowed features of the built-in outlier detectors: how far an identity's hour so far is above its
usual hour.  They are small integers and repeat, so each distinct row is scored once and cached.  A model that ranks a
row among the rows of the same call (ECOD, COPOD) gets one row at a time, so that a score depends only on the fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

import numpy as np

from scopedrift.detectors.base import param
from scopedrift.detectors.toolkit.distinct import Distinct
from scopedrift.detectors.toolkit.windowed import WindowedDetector, synthetic_outliers
from scopedrift.simulator.log.events import Array

_ALONE: Final = 500
"""Rows that a model which is asked about one row at a time is fitted on: each answer costs as much as all of them."""
_PROBE: Final = 24


class Estimator(Protocol):
    """A library's model, fitted on rows of numbers of shape `(rows, features)`."""

    def fit(self, rows: Array, /) -> Self:
        """Learn the rows."""
        ...

    def decision_function(self, rows: Array, /) -> Array:
        """The score of each row."""
        ...


@dataclass
class RowModel(WindowedDetector):
    """Base of adapters for batch libraries, which define how to make a model and how it scores rows."""

    model: str = param("", doc="")
    options: dict[str, Any] | None = param(None, doc="arguments of the model, e.g. {'n_estimators': 50}")
    sample: int = param(20_000, 1000, 100_000, log=True, doc="events of the history to fit on")
    synthetic: float = param(
        0.005,
        0.0,
        0.02,
        doc="for each feature: share of synthetic rows high in it alone, which trees need to split on it",
    )

    def _made(self, seed: int) -> Estimator:
        raise NotImplementedError

    def _scores(self, fitted: Estimator, rows: Array) -> Array:
        raise NotImplementedError

    def _learn(self, features: Array, seed: int) -> None:
        rng = np.random.default_rng(seed)
        rows = self._shown(features, rng, self.sample)
        self._model = self._made(seed).fit(rows)
        self._alone = not _same_in_any_company(self._row_scores, rows[:: max(1, len(rows) // _PROBE)][:_PROBE])
        if self._alone and len(rows) > _ALONE:
            self._model = self._made(seed).fit(self._shown(features, rng, _ALONE))
        self._distinct = Distinct(self._asked)

    def _shown(self, features: Array, rng: np.random.Generator, most: int) -> Array:
        rows = features[rng.choice(len(features), min(len(features), most), replace=False)]
        if each := round(self.synthetic * len(rows)):
            rows = np.concatenate([rows, synthetic_outliers(each, rng)])
        return np.ascontiguousarray(rows, np.float64)

    def _row_scores(self, rows: Array) -> Array:
        scores = np.asarray(self._scores(self._model, rows), np.float64).reshape(-1)
        return np.where(np.isfinite(scores), scores, np.nan)

    def _judge(self, features: Array) -> Array:
        return self._distinct.answers(features)

    def _asked(self, rows: Array) -> Array:
        rows = np.ascontiguousarray(rows, np.float64)
        step = 1 if self._alone else len(rows)
        return np.concatenate([self._row_scores(rows[at : at + step]) for at in range(0, len(rows), step)])


def _same_in_any_company(scores: Callable[[Array], Array], rows: Array) -> bool:
    """Whether the rows get the scores together that each of them gets by itself."""
    alone = np.concatenate([scores(rows[at : at + 1]) for at in range(len(rows))])
    return bool(np.allclose(scores(rows), alone, rtol=1e-9, atol=1e-12, equal_nan=True))
