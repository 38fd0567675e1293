"""Intervals, comparisons and verdicts on sample size.

What is resampled is what was drawn independently: *worlds* (a scenario with a seed), or the identities or incidents of
one world, never events, which come in bursts.  Every pooled metric is a ratio of sums over worlds, so that a
bootstrap is one matrix product: weights (replicates x worlds) times sums (worlds x 2).

Intervals are percentile intervals (Efron and Tibshirani 1993, chapter 13); with few worlds they are too narrow,
which `sample_label` says.  Results are deterministic: random numbers come from a seed that is passed in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.reports.metrics import METRICS
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
class Interval:
    """An estimate with its confidence interval; NaN bounds where none can be given."""

    estimate: float
    low: float
    high: float
    units: int


def resample(units: int, replicates: int, seed: int) -> Array:
    """How often each unit is drawn in each replicate of a bootstrap: `(replicates, units)`."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(units, np.full(units, 1.0 / units), size=replicates) if units else np.empty((replicates, 0))


def ratio(numerator: Array, denominator: Array, weights: Array | None = None) -> Array:
    """Sum of numerators / sum of denominators, for each row of weights (NaN where nothing is divided)."""
    weights = np.ones((1, len(numerator))) if weights is None else np.asarray(weights, float)
    top, bottom = weights @ numerator, weights @ denominator
    return np.asarray(np.divide(top, bottom, out=np.full(len(weights), NAN), where=bottom != 0))


def percentile_interval(replicates: Array, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of a bootstrap; undefined replicates are left out.

    Bounds are replicates that occurred (no interpolation).  NaN without any.
    """
    values = np.sort(replicates[~np.isnan(replicates)])
    if not len(values):
        return NAN, NAN
    tail = (1.0 - confidence) / 2
    low, high = np.quantile(values, [tail, 1.0 - tail], method="inverted_cdf")
    return float(low), float(high)


def cluster_bootstrap(
    numerator: Array, denominator: Array, *, replicates: int = REPLICATES, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Pooled ratio over clusters (worlds, identities), with the interval from resampling whole clusters.

    With `denominator` all ones it is the mean.  One cluster alone has no interval.
    """
    numerator, denominator = np.asarray(numerator, float), np.asarray(denominator, float)
    estimate = float(ratio(numerator, denominator)[0])
    if len(numerator) < 2:
        return Interval(estimate, NAN, NAN, len(numerator))
    drawn = ratio(numerator, denominator, resample(len(numerator), replicates, seed))
    return Interval(estimate, *percentile_interval(drawn, confidence), len(numerator))


@dataclass(frozen=True)
class Histograms:
    """Scores of one window, counted per identity and bin; bins ascend by score."""

    positive: Array
    negative: Array
    edges: Array
    """Bin i holds the scores in [edges[i], edges[i + 1]); scores below the first edge rank below every positive
    and are dropped."""


def identity_histograms(scores: Array, positive: Array, identity: Array, bins: int = 256) -> Histograms:
    """Count scores per identity, in bins cut at quantiles of the positives' scores (`positive`: their mask).

    With at most `bins` distinct positive scores nothing is lost for average precision; with more, positives of one
    bin count as tied.
    """
    bad = scores[positive]
    values = np.unique(bad[~np.isnan(bad)])
    if len(values) > bins:
        values = np.unique(np.quantile(values, np.linspace(0, 1, bins), method="inverted_cdf"))
    codes = identity - min(int(identity.min(initial=0)), 0)
    people = int(codes.max(initial=-1)) + 1
    shape = (people, len(values))
    if not len(values):
        return Histograms(np.zeros(shape, np.int64), np.zeros(shape, np.int64), values)
    counts = []
    relevant = scores >= values[0]
    for chosen in (relevant & positive, relevant & ~positive):
        cell = codes[chosen].astype(np.int64) * len(values)
        cell += np.searchsorted(values, scores[chosen], side="right") - 1
        counts.append(np.bincount(cell, minlength=people * len(values)).reshape(shape))
    return Histograms(counts[0], counts[1], values)


def bootstrap_average_precision(
    histograms: Histograms, *, replicates: int = 1_000, confidence: float = 0.95, seed: int = 0
) -> Interval:
    """Average precision over events, with the interval from resampling whole identities."""
    active = (histograms.positive.any(axis=1)) | (histograms.negative.any(axis=1))
    positive, negative = histograms.positive[active].astype(float), histograms.negative[active].astype(float)
    units = len(positive)
    estimate = float(_average_precision(np.ones((1, units)), positive, negative)[0])
    if units < 2:
        return Interval(estimate, NAN, NAN, units)
    weights = resample(units, replicates, seed).astype(float)
    return Interval(estimate, *percentile_interval(_average_precision(weights, positive, negative), confidence), units)


def _average_precision(weights: Array, positive: Array, negative: Array) -> Array:
    count = (weights @ positive)[:, ::-1]
    true, false = np.cumsum(count, axis=1), np.cumsum((weights @ negative)[:, ::-1], axis=1)
    level = np.divide(true, true + false, out=np.zeros_like(true), where=true > 0)
    total = count.sum(axis=1)
    found = (count * level).sum(axis=1)
    return np.asarray(np.divide(found, total, out=np.full(len(weights), NAN), where=total > 0))


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

    The estimate is the difference of the pooled metric, its interval resamples worlds, and the p-value is a
    permutation test: under the null hypothesis the detectors' names may be exchanged within every world (all
    exchanges up to 12 worlds, `replicates` random ones above, or as many as it takes for a p-value that is small
    enough).  `comparisons` is how many are judged together, by Holm: of these, the smallest p-value must be below
    0.05 / comparisons, which few worlds cannot give.
    """
    first, second = _paired(cells, a, b)
    sums = [METRICS[metric].pooled(table) for table in (first, second)]
    top, bottom = np.stack([one for one, _ in sums]), np.stack([other for _, other in sums])
    worlds = top.shape[1]
    estimate = float(ratio(top[0], bottom[0])[0] - ratio(top[1], bottom[1])[0]) if worlds else NAN
    low = high = p_value = minimum = NAN
    if worlds >= 2:
        weights = resample(worlds, replicates, seed)
        low, high = percentile_interval(ratio(top[0], bottom[0], weights) - ratio(top[1], bottom[1], weights))
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


def _exchange(top: Array, bottom: Array, estimate: float, replicates: int, seed: int) -> float:
    worlds = top.shape[1]
    exact = worlds <= _EXACT
    if exact:
        flips = (np.arange(2**worlds)[:, None] >> np.arange(worlds)) & 1
    else:
        flips = np.random.default_rng(seed).integers(0, 2, (replicates, worlds))
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


def minimum_detectable_effect(differences: Array, alpha: float = ALPHA, power: float = 0.8) -> float:
    """The mean paired difference that as many worlds, as variable, would show with the given power.

    (t(1 - alpha/2, n-1) + t(power, n-1)) * s / sqrt(n), for a two-sided paired t test (Bloom 1995).
    """
    from scipy.stats import t

    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if n < 2:
        return NAN
    quantiles = float(t.ppf(1 - alpha / 2, n - 1) + t.ppf(power, n - 1))
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


def rank_table(cells: pd.DataFrame, metric: str, *, seed: int = 0) -> pd.DataFrame:
    """Detectors by rank, ties included: a detector's rank is 1 + how many are significantly better than it.

    `estimate`, `low` and `high` are pooled over worlds; `mean_rank` averages its rank within each world (equal values
    share their mean rank); `tied_with` names those that cannot be told from it (Holm over all pairs);
    `minimum_detectable` is the difference that so many worlds would find 80 % of the time, were it the first that Holm
    looks at (median over pairs).  Few worlds cannot tell anybody apart: two detectors take six, thirteen take twelve.
    """
    import pandas as pd
    from scipy.stats import rankdata

    done = cells[cells["status"] == "ok"]
    names = sorted(done["detector"].unique())
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    compared = [paired_difference(cells, a, b, metric, comparisons=len(pairs), seed=seed) for a, b in pairs]
    sign = -1.0 if METRICS[metric].better == "lower" else 1.0
    better: dict[str, set[str]] = {name: set() for name in names}
    for found, p in zip(compared, adjust(d.p_value for d in compared), strict=True):
        if p < ALPHA and found.estimate:
            winner, loser = (found.a, found.b) if sign * found.estimate > 0 else (found.b, found.a)
            better[loser].add(winner)
    wide = (
        done.pivot_table(index=["scenario", "seed"], columns="detector", values=metric).reindex(columns=names).dropna()
    )
    ranks = rankdata(-sign * wide.to_numpy(), axis=1).mean(axis=0) if len(wide) else np.full(len(names), NAN)
    effects = [d.minimum_detectable for d in compared if not math.isnan(d.minimum_detectable)]
    minimum = float(np.median(effects)) if effects else NAN
    rows = []
    for name, mean_rank in zip(names, ranks.tolist(), strict=True):
        own = cluster_bootstrap(*METRICS[metric].pooled(done[done["detector"] == name]), seed=seed)
        tied = ", ".join(n for n in names if n != name and n not in better[name] and name not in better[n])
        place = 1 + len(better[name])
        label = sample_label(own.units)
        rows.append((place, name, own.estimate, own.low, own.high, mean_rank, tied, minimum, own.units, label))
    table = pd.DataFrame(rows, columns=list(RANKS))
    return table.sort_values(["rank", "estimate"], ascending=[True, sign < 0], ignore_index=True)
