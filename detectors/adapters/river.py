"""River's anomaly models as detectors: each event is scored first and then learned.

    scopedrift run core-week --detector 'river(model=HalfSpaceTrees, options={"n_trees": 25})'

An event's features are those of the built-in outlier detectors (how far the hour so far is above the usual), scaled to
0 to 1 as `HalfSpaceTrees` expects.  Models of one target, such as `GaussianScorer`, judge the mean of the features.  A
model's state carries over from the history into the stream and does not depend on batches.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scopedrift.detectors.adapters.libraries import library, made, unknown
from scopedrift.detectors.base import param
from scopedrift.detectors.toolkit.distinct import Distinct
from scopedrift.detectors.toolkit.profiles import FEATURES
from scopedrift.detectors.toolkit.windowed import HIGHEST, WindowedDetector
from scopedrift.simulator.log.events import Array

_HALFWAY: Final = 4.0
"""Halves of a spread above the usual that become 0.5 (assumed)."""

_TOLD: Final = 3_000
"""Distinct rows that are kept as dictionaries, of 700 bytes each, beside those of one batch."""
_SCALED: Final = [feature / (feature + _HALFWAY) for feature in range(HIGHEST + 1)]
_NOTHING: Final = dict.fromkeys(FEATURES, _SCALED[0])


@dataclass
class River(WindowedDetector):
    """Scores hours with an anomaly model of River, such as HalfSpaceTrees, LODA, GaussianScorer (extra: river)."""

    model: str = param("HalfSpaceTrees", doc="name of a class in river.anomaly")
    options: dict[str, Any] | None = param(None, doc="arguments of the model, e.g. {'n_trees': 25}")
    sample: int = param(20_000, 1000, 100_000, log=True, doc="hours of tasks at the end of the history to learn first")

    name = "river"

    def __post_init__(self) -> None:
        self._class, self._of_target = _model(self.model)
        made(self._class, self.options, seed=0)

    def _learn(self, features: Array, seed: int) -> None:
        self._river: Any = made(self._class, self.options, seed=seed)
        self._distinct = Distinct(self._told, _TOLD)
        self._judge(features[self._windowed.by_time[-self.sample :]])

    def _judge(self, features: Array) -> Array:
        score, learn = self._river.score_one, self._river.learn_one
        scores: list[float] = []
        append = scores.append
        told = self._distinct.answers(features).tolist()
        if self._of_target:
            for event, target in told:  # one event at a time is River's interface
                append(score(event, target))
                learn(event, target)
        else:
            for event in told:
                append(score(event))
                learn(event)
        found = np.fromiter(scores, np.float64, len(scores))
        return np.where(np.isfinite(found), found, np.nan)

    def _told(self, features: Array) -> Array:
        """Each row as River takes it, with its mean if that is the target; equal rows are one dictionary, made once."""
        events: list[Any] = [_NOTHING.copy() for _ in range(len(features))]
        at, feature = features.nonzero()  # few are
        for event, number, value in zip(at.tolist(), feature.tolist(), features[at, feature].tolist(), strict=True):
            events[event][FEATURES[number]] = _SCALED[value]
        if self._of_target:
            events = list(zip(events, np.array(_SCALED)[features].mean(axis=1).tolist(), strict=True))
        return np.fromiter(events, object, len(events))


def _model(name: str) -> tuple[type, bool]:
    """The class of that name, and whether it judges a target."""
    anomaly = library("river.anomaly", "River", "river")
    bases = {
        label: {base.__name__ for base in item.__mro__}  # by name: their module is another one before River 0.26
        for label, item in vars(anomaly).items()
        if inspect.isclass(item)
    }
    kinds = {"AnomalyDetector", "SupervisedAnomalyDetector"}
    known = {label: "SupervisedAnomalyDetector" in found for label, found in bases.items() if found & kinds}
    if name not in known:
        raise unknown(name, "anomaly model of River", known)
    return getattr(anomaly, name), known[name]
