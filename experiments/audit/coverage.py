"""Do the intervals that tables print cover what they say?

Populations of worlds are fitted to what the detectors of the audit did (beta-binomial recall, log-normal Poisson false
alarms); experiments of a few worlds are drawn from them, and the intervals that contain the true value are counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.experiments.audit.subject import ALPHA, Row, Subject
from scopedrift.experiments.evaluation.intervals import ratio_interval
from scopedrift.reports.metrics import Scale
from scopedrift.simulator.log.events import Array

if TYPE_CHECKING:
    import pandas as pd

WORLDS: Final = 5
"""Worlds of an experiment: the fewest for which the coverage is claimed."""
EXPERIMENTS: Final = 400
LEAST: Final = 0.93
"""Coverage of a nominal 95 % that is accepted."""
DETECTORS: Final = 4
"""Detectors whose populations are tried, from the lowest recall to the highest."""

Draw = Callable[[], tuple[Array, Array]]


def intervals_cover(subject: Subject) -> Row:
    """Nominal 95 % intervals of recall and false alarms contain the truth about as often, from five worlds on."""
    from scipy.stats import binom

    cells = subject.results["cells"]
    real = cells[(cells["reference"] == "") & (cells["status"] == "ok") & (cells["incidents"] > 0)]
    recall = real.groupby("detector")["recall"].mean().sort_values()
    places = np.linspace(0, len(recall) - 1, min(len(recall), DETECTORS)).astype(int).tolist()
    chosen = [str(recall.index[place]) for place in places]
    tried = max(2 * len(chosen), 1)
    least = int(binom.ppf(ALPHA / tried, EXPERIMENTS, LEAST))
    expected = (
        f"at least {least} of {EXPERIMENTS} experiments of {WORLDS} worlds (coverage {LEAST:.0%}; "
        f"false alarms of this row: at most {ALPHA:.0%})"
    )
    if real["seed"].nunique() < 2:
        return Row("coverage", "too small", "no detector with incidents in two worlds", expected)
    rng = np.random.default_rng(0)
    covered = {}
    for name in chosen:
        mine = real[real["detector"] == name]
        covered[f"recall of {name}"] = _covered(*_recall(mine, rng), "logit")
        covered[f"false alarms of {name}"] = _covered(*_false_alarms(mine, rng), "log")
    worst = min(covered, key=lambda what: covered[what])
    seen = f"{len(covered)} populations; the worst, {worst}: {covered[worst]} of {EXPERIMENTS}"
    return Row("coverage", "pass" if covered[worst] >= least else "fail", seen, expected)


def _covered(truth: float, draw: Draw, scale: Scale) -> int:
    intervals = (ratio_interval(*draw(), scale)[1:] for _ in range(EXPERIMENTS))
    return sum(low <= truth <= high for low, high in intervals)


def _recall(cells: pd.DataFrame, rng: np.random.Generator) -> tuple[float, Draw]:
    """A beta-binomial population with the mean of a detector's recall and its variation between worlds."""
    incidents, detected = (cells[name].to_numpy(float) for name in ("incidents", "detected"))
    mean = float(np.clip(detected.sum() / incidents.sum(), 0.02, 0.98))
    binomial = mean * (1 - mean) / incidents.mean()
    excess = (float((detected / incidents).var(ddof=1)) - binomial) / (mean * (1 - mean))
    size = 1.0 / float(np.clip(excess, 0.02, 0.15)) - 1.0

    def draw() -> tuple[Array, Array]:
        count = rng.poisson(incidents.mean(), WORLDS) + 1
        return rng.binomial(count, rng.beta(mean * size, (1 - mean) * size, WORLDS)), count

    return mean, draw


def _false_alarms(cells: pd.DataFrame, rng: np.random.Generator) -> tuple[float, Draw]:
    """A log-normal population of rates with the mean of a detector's false alarms and their variation."""
    false, days = cells["false_positives"].to_numpy(float), cells["test_days"].to_numpy(float)
    rate = max(float(false.sum() / days.sum()), 0.1)
    variation = max(float((false / days).var(ddof=1)) - rate / days.mean(), 0.0) / rate**2
    spread = float(np.clip(math.sqrt(math.log1p(variation)), 0.2, 1.0))

    def draw() -> tuple[Array, Array]:
        rates = rate * np.exp(rng.normal(-(spread**2) / 2, spread, WORLDS))
        return rng.poisson(rates * days.mean()), np.full(WORLDS, days.mean())

    return rate, draw
