"""PyOD's models as detectors, each by its class name, on windowed features.

    scopedrift run core-week --detector 'pyod(model=KNN, options={"n_neighbors": 20})'

`row_models` makes, samples and judges rows.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from scopedrift.detectors.adapters.libraries import library, made, unknown
from scopedrift.detectors.adapters.row_models import Estimator, RowModel
from scopedrift.detectors.base import param
from scopedrift.simulator.log.events import Array


@dataclass
class Pyod(RowModel):
    """Scores hours with a model of PyOD, such as IForest, KNN, LOF, ECOD (extra: pyod)."""

    model: str = param("IForest", doc="name of a class in pyod.models")

    name = "pyod"

    def __post_init__(self) -> None:
        self._class = _model(self.model)
        self._made(0)

    def _made(self, seed: int) -> Estimator:
        return made(self._class, self.options, random_state=seed % (1 << 32))

    def _scores(self, fitted: Estimator, rows: Array) -> Array:
        return fitted.decision_function(rows)


def _model(name: str) -> Callable[..., Estimator]:
    """The class of that name: PyOD's modules are named like their classes, apart from case and underscores."""
    models = library("pyod.models", "PyOD", "pyod")
    base = library("pyod.models.base", "PyOD", "pyod").BaseDetector
    modules = {m.name.replace("_", ""): m.name for m in pkgutil.iter_modules(models.__path__) if m.name[0] != "_"}
    known = modules.get(name.replace("_", "").lower())
    if known is not None:
        module = library(f"pyod.models.{known}", f"PyOD's {name}", "pyod")
        for label, item in vars(module).items():
            own = inspect.isclass(item) and issubclass(item, base) and item.__module__ == module.__name__
            if own and label.lower() == name.lower():
                return cast("Callable[..., Estimator]", item)
    raise unknown(name, "model of PyOD", modules)
