"""How far a measured value lies from its target.

- `wasserstein`: the area between two quantile functions on the log scale, from the 1st to the 99th percentile; 0.69
  means a factor of two on average.
- `ks`: Kolmogorov-Smirnov, the largest difference between two cumulative distributions.
- `ratio`: |ln(a / b)| of two numbers; `difference`: |a - b|.
- `variation`: total variation of two sets of shares: half of the summed differences.

A quantile function is given by anchors and interpolated on the log scale; it is compared only between its outermost
anchors, since beyond them nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from scopedrift.simulator.log.events import Array

GRID: Final = (np.arange(400) + 0.5) / 400
SMALLEST: Final = 1e-9
DISTANCES: Final[Mapping[str, tuple[str, ...]]] = {
    "distribution": ("wasserstein", "ks"),
    "number": ("difference", "ratio"),
    "shares": ("variation",),
}
"""By form of statistic, the first being the default."""

Curve = Mapping[float, float]
"""Probability to value."""


def between(curve: Curve) -> Array:
    """The probabilities at which a curve says something."""
    low, high = min(curve), max(curve)
    return GRID[(low <= GRID) & (high >= GRID)]


def at(curve: Curve, probabilities: Array) -> Array:
    """A curve's values."""
    anchors = sorted(curve.items())
    logs = np.log(np.maximum([value for _, value in anchors], SMALLEST))
    return np.asarray(np.exp(np.interp(probabilities, [p for p, _ in anchors], logs)))


def quantiles(values: Array, probabilities: Array) -> Array:
    """The quantiles of a sample."""
    return np.asarray(np.quantile(values, probabilities))


def exponential(mean: float, probabilities: Array) -> Array:
    """The quantiles of the exponential distribution: the straw man of a distribution."""
    return -mean * np.log1p(-probabilities)


def mean_of(curve: Curve) -> float:
    """The mean of a curve, its ends held."""
    return float(at(curve, GRID).mean())


def wasserstein(curve: Curve, function: Callable[[Array], Array]) -> float:
    """Between a curve and a quantile function."""
    grid = between(curve)
    return float(np.abs(np.log(np.maximum(function(grid), SMALLEST) / at(curve, grid))).mean())


def ks(curve: Curve, function: Callable[[Array], Array]) -> float:
    """Between a curve and a quantile function: at each of the curve's anchors, by the other's inverse."""
    table = function(GRID)
    anchors = sorted(curve.items())
    below = np.searchsorted(table, [value for _, value in anchors], side="right") / len(GRID)
    return float(np.abs(below - [p for p, _ in anchors]).max())


def of_distribution(name: str, curve: Curve, function: Callable[[Array], Array]) -> float:
    """The named distance of a quantile function from a curve."""
    return wasserstein(curve, function) if name == "wasserstein" else ks(curve, function)


def of_number(name: str, target: float, value: float) -> float:
    """The named distance of two numbers."""
    if name == "difference":
        return abs(value - target)
    return abs(float(np.log(max(value, SMALLEST) / max(target, SMALLEST))))


def of_shares(target: Mapping[str, float], value: Mapping[str, float]) -> float:
    """Total variation."""
    keys = {str(key) for key in (*target, *value)}
    whole, other = sum(target.values()), sum(value.values())
    goal = {str(key): share / whole for key, share in target.items()}
    seen = {str(key): share / other for key, share in value.items()}
    return sum(abs(goal.get(key, 0.0) - seen.get(key, 0.0)) for key in keys) / 2
