"""Comparisons of detectors, their order, and verdicts on sample size.

What counts is what was drawn independently: *worlds* (a scenario with a seed), never events, which come in bursts.
Every pooled metric is a ratio of sums over worlds; `intervals` says how sure it is, and detectors are compared on the
worlds that both finished.  Results are deterministic: random numbers come from a seed that is passed in.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
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
_JOINT: Final = 10_000
"""Random exchanges above, where all pairs are judged together."""


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


@dataclass(frozen=True)
class Sums:
    """Numerators and denominators of a pooled metric; each array has a row for each detector, a column for each world.

    Worlds are those that any detector finished, in order of scenario and seed; `done` says which each of them did.
    """

    place: Mapping[str, int]
    top: Array
    bottom: Array
    done: Array

    @classmethod
    def of(cls, cells: pd.DataFrame, detectors: Sequence[str], metric: str) -> Sums:
        """What these detectors did in the worlds of a table of cells."""
        cells = cells[cells["status"] == "ok"]
        each = list(zip(cells["scenario"], cells["seed"], strict=True))
        world = {name: at for at, name in enumerate(sorted(set(each)))}
        place = {name: at for at, name in enumerate(dict.fromkeys(detectors))}
        row = np.array([place.get(name, len(place)) for name in cells["detector"]], int)  # the last: others
        column = np.array([world[name] for name in each], int)
        top, bottom, done = np.zeros((3, len(place) + 1, len(world)))
        top[row, column], bottom[row, column] = METRICS[metric].pooled(cells)
        done[row, column] = True
        return cls(place, top[:-1], bottom[:-1], done[:-1].astype(bool))

    def pair(self, a: str, b: str) -> tuple[Array, Array, Array]:
        """Numerators and denominators of two detectors in the worlds that both finished, and which worlds these are."""
        rows = [self.place[a], self.place[b]]
        both = np.asarray(self.done[rows].all(axis=0))
        return self.top[rows][:, both], self.bottom[rows][:, both], both


def paired_difference(
    cells: pd.DataFrame,
    a: str,
    b: str,
    metric: str,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Difference:
    """Compare two detectors on the worlds that both of them finished.

    The estimate is the difference of the pooled metric with its interval over worlds, and the p-value is a
    permutation test: under the null hypothesis the detectors' names may be exchanged within every world (all
    exchanges up to 12 worlds, `replicates` random ones above).
    """
    top, bottom, _ = Sums.of(cells, (a, b), metric).pair(a, b)
    worlds = top.shape[1]
    estimate, low, high = difference_interval((top[0], bottom[0]), (top[1], bottom[1]))
    p_value = minimum = NAN
    if worlds >= 2:
        drawn = _exchanged(top, bottom, _flips(worlds, replicates, seed))
        p_value = _share(~(np.abs(drawn) < abs(estimate) - 1e-12), worlds) if not np.isnan(estimate) else NAN
        minimum = minimum_detectable_effect(_by_world(top, bottom)) if tells_apart(worlds) else NAN
    return Difference(a, b, metric, estimate, low, high, p_value, worlds, minimum, sample_label(worlds))


def tells_apart(worlds: int) -> bool:
    """Whether so many worlds can show a difference at 5 %: two of the exchanges in 2**worlds are the most extreme."""
    return 2.0 ** (1 - worlds) < ALPHA


def differing(
    cells: pd.DataFrame, pairs: Sequence[tuple[str, str]], metric: str
) -> tuple[dict[tuple[str, str], float], float]:
    """P-values of pairs of detectors, adjusted for all of them; and the level at which that judges the first pair.

    Step-down max-T (Westfall and Young 1993): names are exchanged in the same worlds for all pairs at once, and a
    difference, in units of its spread over exchanges, is compared with the largest among the pairs that differ no more.
    That holds the chance of any false verdict if differences of equal detectors are as likely as their negatives, all
    at once.  A detector that catches all or nothing in a world is taken for different from one that catches as much
    evenly more often than that (`benchmarks/ranks.py`).  A pair whose difference some exchange leaves undefined has no
    p-value; the level is NaN where no pair has one.
    """
    sums = Sums.of(cells, list(itertools.chain(*pairs)), metric)
    worlds = sums.done.shape[1]
    exchanges = _flips(worlds, _JOINT, 0)
    flips = np.vstack([np.zeros((1, worlds)), exchanges])
    found: list[tuple[float, Array, tuple[str, str]]] = []
    for pair in pairs if tells_apart(worlds) else ():
        top, bottom, own = sums.pair(*pair)
        drawn = np.abs(_exchanged(top, bottom, flips if own.all() else flips[:, own]))
        spread = math.sqrt(float(np.mean(drawn[1:] ** 2)))
        if spread > 0:  # not NaN either
            found.append((float(drawn[0]) / spread, (drawn[1:] / spread).astype(np.float32), pair))
    if not found:
        return {}, NAN
    found.sort(key=lambda each: each[0], reverse=True)
    largest, adjusted = np.zeros(len(exchanges), np.float32), list[float]()
    for size, drawn, _ in reversed(found):
        np.maximum(largest, drawn, out=largest)
        adjusted.append(_share(largest >= size - 1e-6, worlds))
    steps = np.maximum.accumulate(adjusted[::-1]).tolist()
    p_values = {pair: p for (_, _, pair), p in zip(found, steps, strict=True)}
    return p_values, _level(float(np.quantile(largest, 1 - ALPHA)), worlds)


def _level(size: float, worlds: int) -> float:
    """The level of a paired t test that asks as much as a difference of `size` spreads over exchanges."""
    from scipy.stats import t

    if size**2 >= worlds:
        return NAN
    return 2.0 * float(t.sf(math.sqrt((worlds - 1) / (worlds - size**2)) * size, worlds - 1))


def _by_world(top: Array, bottom: Array) -> Array:
    each = np.divide(top, bottom, out=np.full(top.shape, NAN), where=bottom != 0)
    return np.asarray(each[0] - each[1])


def _flips(worlds: int, replicates: int, seed: int) -> Array:
    """In which worlds two detectors are exchanged: a row for each exchange."""
    if worlds <= _EXACT:
        return (np.arange(2**worlds)[:, None] >> np.arange(worlds)) & 1
    return np.random.default_rng(seed).integers(0, 2, (replicates, worlds))


def _share(extreme: Array, worlds: int) -> float:
    """The p-value: the share of exchanges that are as extreme; of random ones, the one that was made is another."""
    count, of = int(np.count_nonzero(extreme)), len(extreme)
    return count / of if worlds <= _EXACT else (count + 1) / (of + 1)


def _exchanged(top: Array, bottom: Array, flips: Array) -> Array:
    """The pooled difference after each exchange; NaN where a detector is left without a denominator."""
    ratios = []
    for i in (0, 1):
        above = top[i].sum() + flips @ (top[1 - i] - top[i])
        below = bottom[i].sum() + flips @ (bottom[1 - i] - bottom[i])
        ratios.append(np.divide(above, below, out=np.full(len(flips), NAN), where=below != 0))
    return np.asarray(ratios[0] - ratios[1])


def minimum_detectable_effect(differences: Array, alpha: float = ALPHA) -> float:
    """The mean paired difference that as many worlds, as variable, would show 80 % of the time.

    (t(1 - alpha/2, n-1) + t(0.8, n-1)) * s / sqrt(n), for a two-sided paired t test (Bloom 1995).
    """
    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if n < 2:
        return NAN
    return _quantiles(n - 1, alpha) * float(np.std(differences, ddof=1)) / math.sqrt(n)


@lru_cache(maxsize=1_000)
def _quantiles(freedom: int, alpha: float) -> float:
    """t(1 - alpha/2) + t(0.8), at so many degrees of freedom."""
    from scipy.stats import t

    return float(t.ppf(1 - alpha / 2, freedom) + t.ppf(0.8, freedom))


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
    share their mean rank); `tied_with` names those from which a detector does not differ significantly (`differing`);
    `minimum_detectable` is the difference that so many worlds would find 80 % of the time, were it the first that is
    looked at (median over pairs).  Five worlds or fewer show no difference at all.
    """
    import pandas as pd
    from scipy.stats import rankdata

    done = cells[cells["status"] == "ok"]
    names = sorted(done["detector"].unique())
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    p_values, level = differing(cells, pairs, metric)
    apart = {frozenset(pair) for pair, p in p_values.items() if p < ALPHA}
    sign = -1.0 if METRICS[metric].better == "lower" else 1.0
    wide = (
        done.pivot_table(index=["scenario", "seed"], columns="detector", values=metric).reindex(columns=names).dropna()
    )
    ranks = rankdata(-sign * wide.to_numpy(), axis=1).mean(axis=0) if len(wide) else np.full(len(names), NAN)
    sums = Sums.of(cells, names, metric)
    effects = [minimum_detectable_effect(_by_world(*sums.pair(*pair)[:2]), level) for pair in pairs]
    minimum = float(np.nanmedian(effects)) if np.isfinite(effects).any() else NAN
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
