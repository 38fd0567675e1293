"""Comparisons of detectors, their order, and verdicts on sample size.

What counts is what was drawn independently: *worlds* (a scenario with a seed), never events, which come in bursts.
Every pooled metric is a ratio of sums over worlds; `intervals` says how sure it is, and detectors are compared on the
worlds that both finished.  Results are deterministic: random numbers come from a seed that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.experiments.evaluation.intervals import difference_interval, interval
from scopedrift.reports.metrics import METRICS
from scopedrift.reports.order import HEADLINE, TIES, placed
from scopedrift.simulator.log.events import Array

if TYPE_CHECKING:
    import pandas as pd

REPLICATES: Final = 2_000
MIN_UNITS: Final = 30
MIN_POSITIVES: Final = 5
NAN: Final = float("nan")
ALPHA: Final = 0.05
RANKS: Final = (
    *("rank", "detector", "estimate", "low", "high", "mean_rank", "tied_with", "minimum_detectable", "worlds"),
    "sample",
)
"""Columns of `rank_table`."""
_EXACT: Final = 12
"""Worlds up to which all exchanges are made."""


@dataclass(frozen=True)
class Difference:
    """Detector `a` minus detector `b` on the same worlds."""

    a: str
    b: str
    metric: str
    estimate: float
    low: float
    high: float
    p_value: float
    """Two-sided, from exchanging the two detectors within worlds."""
    worlds: int
    minimum_detectable: float
    """The true difference that so many worlds would find 80 % of the time; NaN if they can find none."""
    sample: str


def paired_difference(
    cells: pd.DataFrame,
    a: str,
    b: str,
    metric: str,
    *,
    comparisons: int = 1,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Difference:
    """Compare two detectors on the worlds that both of them finished.

    The estimate is the difference of the pooled metric with its interval over worlds, and the p-value is a
    permutation test: under the null hypothesis the detectors' names may be exchanged within every world (all
    exchanges up to 12 worlds, `replicates` random ones above, or as many as it takes for a p-value that is small
    enough).  `comparisons` is how many are judged together, by Holm: of these, the smallest p-value must be below
    0.05 / comparisons, which few worlds cannot give.
    """
    first, second = _paired(cells, a, b)
    sums = [METRICS[metric].pooled(table) for table in (first, second)]
    top, bottom = np.stack([one for one, _ in sums]), np.stack([other for _, other in sums])
    worlds = top.shape[1]
    estimate, low, high = difference_interval((top[0], bottom[0]), (top[1], bottom[1]))
    p_value = minimum = NAN
    if worlds >= 2:
        p_value = _exchange(top, bottom, estimate, max(replicates, math.ceil(1.25 * comparisons / ALPHA)), seed)
        if worlds > _EXACT or comparisons * 2.0 ** (1 - worlds) < ALPHA:
            each = np.divide(top, bottom, out=np.full(top.shape, NAN), where=bottom != 0)
            minimum = minimum_detectable_effect(each[0] - each[1], ALPHA / comparisons)
    return Difference(a, b, metric, estimate, low, high, p_value, worlds, minimum, sample_label(worlds))


def _paired(cells: pd.DataFrame, a: str, b: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    done = cells[cells["status"] == "ok"].set_index(["scenario", "seed"])
    first, second = (done[done["detector"] == name].sort_index() for name in (a, b))
    both = first.index.intersection(second.index)
    return first.loc[both].reset_index(), second.loc[both].reset_index()


def _exchange(top: Array, bottom: Array, estimate: float, exchanges: int, seed: int) -> float:
    worlds = top.shape[1]
    exact = worlds <= _EXACT
    if exact:
        flips = (np.arange(2**worlds)[:, None] >> np.arange(worlds)) & 1
    else:
        flips = np.random.default_rng(seed).integers(0, 2, (exchanges, worlds))
    sides = [
        _row_ratio(top[i] + flips * (top[1 - i] - top[i]), bottom[i] + flips * (bottom[1 - i] - bottom[i]))
        for i in (0, 1)
    ]
    drawn = sides[0] - sides[1]
    extreme = int(np.count_nonzero(np.abs(drawn) >= abs(estimate) - 1e-12))
    if np.isnan(estimate):
        return NAN
    return extreme / len(drawn) if exact else (extreme + 1) / (len(drawn) + 1)


def _row_ratio(top: Array, bottom: Array) -> Array:
    above, below = top.sum(axis=1), bottom.sum(axis=1)
    return np.asarray(np.divide(above, below, out=np.full(len(above), NAN), where=below != 0))


def minimum_detectable_effect(differences: Array, alpha: float = ALPHA) -> float:
    """The mean paired difference that as many worlds, as variable, would show 80 % of the time.

    (t(1 - alpha/2, n-1) + t(0.8, n-1)) * s / sqrt(n), for a two-sided paired t test (Bloom 1995).
    """
    from scipy.stats import t

    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if n < 2:
        return NAN
    quantiles = float(t.ppf(1 - alpha / 2, n - 1) + t.ppf(0.8, n - 1))
    return quantiles * float(np.std(differences, ddof=1)) / math.sqrt(n)


def adjust(p_values: Iterable[float]) -> Array:
    """P-values adjusted for multiplicity by Holm's method, which bounds the chance of any false verdict.

    NaN (no test was possible) stays NaN and does not count as a test.
    """
    given = np.asarray(list(p_values), float)
    adjusted = np.full(len(given), NAN)
    order = np.argsort(given, kind="stable")[: np.count_nonzero(~np.isnan(given))]  # NaN sorts last
    steps = given[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def sample_label(units: int, positives: int | None = None) -> str:
    """Empty, or why the sample is too small to conclude from (under 30 units, or under 5 positives)."""
    if positives is not None and positives < MIN_POSITIVES:
        return f"sample too small ({positives} positives, under {MIN_POSITIVES})"
    return f"sample too small ({units} units, under {MIN_UNITS})" if units < MIN_UNITS else ""


def rank_table(cells: pd.DataFrame, metric: str = HEADLINE) -> pd.DataFrame:
    """Detectors in order (`reports.order`): by `metric` pooled over worlds, ties by F1; equals share a rank.

    `low` and `high` are the interval of the estimate; `mean_rank` averages the rank within each world (equal values
    share their mean rank); `tied_with` names those from which a detector does not differ significantly (Holm over all
    pairs); `minimum_detectable` is the difference that so many worlds would find 80 % of the time, were it the first
    that Holm looks at (median over pairs).  Few worlds show no difference at all: two detectors take six, thirteen
    take twelve.
    """
    import pandas as pd
    from scipy.stats import rankdata

    done = cells[cells["status"] == "ok"]
    names = sorted(done["detector"].unique())
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    compared = [paired_difference(cells, a, b, metric, comparisons=len(pairs)) for a, b in pairs]
    apart: set[frozenset[str]] = set()
    for found, p in zip(compared, adjust(d.p_value for d in compared), strict=True):
        if p < ALPHA and found.estimate:
            apart.add(frozenset((found.a, found.b)))
    sign = -1.0 if METRICS[metric].better == "lower" else 1.0
    wide = (
        done.pivot_table(index=["scenario", "seed"], columns="detector", values=metric).reindex(columns=names).dropna()
    )
    ranks = rankdata(-sign * wide.to_numpy(), axis=1).mean(axis=0) if len(wide) else np.full(len(names), NAN)
    effects = [d.minimum_detectable for d in compared if not math.isnan(d.minimum_detectable)]
    minimum = float(np.median(effects)) if effects else NAN
    rows = []
    values: dict[str, tuple[float, float]] = {}
    for name, mean_rank in zip(names, ranks.tolist(), strict=True):
        mine = done[done["detector"] == name]
        own = interval(*METRICS[metric].pooled(mine), METRICS[metric].scale)
        tie = interval(*METRICS[TIES].pooled(mine), METRICS[TIES].scale)
        values[name] = sign * own.estimate, tie.estimate
        tied = ", ".join(n for n in names if n != name and frozenset((n, name)) not in apart)
        label = sample_label(own.units)
        rows.append((name, own.estimate, own.low, own.high, mean_rank, tied, minimum, own.units, label))
    places = placed(values)
    table = pd.DataFrame([(places[row[0]], *row) for row in rows], columns=list(RANKS))
    return table.sort_values(["rank", "detector"], ignore_index=True)
