"""scikit-learn's estimators as detectors, and everybody's that are built alike, on windowed features.

    scopedrift run core-week --detector 'sklearn(model=neighbors.LocalOutlierFactor, options={"n_neighbors": 50})'

An estimator needs `fit(X)` and `score_samples(X)` or `decision_function(X)`, of which a low value means abnormal.
`row_models` makes, samples and judges rows.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scopedrift.detectors.adapters.libraries import made
from scopedrift.detectors.adapters.row_models import Estimator, RowModel
from scopedrift.detectors.base import param
from scopedrift.simulator.log.events import Array

_METHODS: Final = ("score_samples", "decision_function")


@dataclass
class Sklearn(RowModel):
    """Scores hours with an estimator of scikit-learn, such as ensemble.IsolationForest or svm.OneClassSVM."""

    model: str = param("ensemble.IsolationForest", doc="dotted name in sklearn, or of any importable estimator")

    name = "sklearn"

    def __post_init__(self) -> None:
        self._class = _estimator(self.model)
        estimator = self._made(0)
        if not hasattr(estimator, "fit") or not any(hasattr(estimator, method) for method in _METHODS):
            raise ValueError(f"{self.model} has no fit with {' or '.join(_METHODS)}: expected an outlier detector")

    def _made(self, seed: int) -> Estimator:
        return made(self._class, self.options, random_state=seed % (1 << 32), novelty=True)

    def _scores(self, fitted: Estimator, rows: Array) -> Array:
        method = next(method for method in _METHODS if hasattr(fitted, method))
        normal: Array = getattr(fitted, method)(rows)
        return -normal


def _estimator(name: str) -> Callable[..., Estimator]:
    module, _, label = name.rpartition(".")
    tried = [f"sklearn.{module}" if module else "sklearn", *([module] if module else [])]
    for place in tried:
        try:
            found = getattr(importlib.import_module(place), label, None)
        except ImportError:
            continue
        if isinstance(found, type):
            return found
    raise ValueError(f"no class {label!r} in {' or '.join(tried)}: expected e.g. ensemble.IsolationForest")
