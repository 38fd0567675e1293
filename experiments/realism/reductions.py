"""Reductions of a sample to a value, and straw men: what a world without structure would have shown.

Times are seconds since a Monday 00:00 UTC.  Straw men keep the number of values and their mean: times become
uniform, amounts exponential, categories uniform, sequences independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from scopedrift.experiments.realism.distances import exponential
from scopedrift.experiments.realism.statistic import Sample, Statistic
from scopedrift.experiments.realism.tables import LogTables
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.randomness import generator

HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
WINDOW_S: Final = 600.0
LEAST_GAPS: Final = 5


def straw_rng(sample: Sample) -> np.random.Generator:
    """The numbers that straw men are drawn with."""
    return generator(0, "straw man", len(sample[0]))


# --- amounts


def gini(sample: Sample) -> float:
    """Gini coefficient: 0 where all are equal, 1 where one has everything."""
    x = np.sort(sample[0].astype(np.float64))
    rank = np.arange(1, len(x) + 1)
    return float((2 * rank - len(x) - 1) @ x / (len(x) * x.sum()))


def top_share(top: float) -> Callable[[Sample], float]:
    """The share of the whole that the top share (or, from 1 on, the top number) of all hold."""

    def reduce(sample: Sample) -> float:
        x = np.sort(sample[0].astype(np.float64))[::-1]
        count = int(top) if top >= 1 else max(round(top * len(x)), 1)
        return float(x[:count].sum() / x.sum())

    return reduce


def zipf_slope(sample: Sample) -> float:
    """The slope of log count over log rank, over all ranks (least squares)."""
    x = np.sort(sample[0].astype(np.float64))[::-1]
    x = x[x > 0]
    return float(np.polyfit(np.log(np.arange(1, len(x) + 1)), np.log(x), 1)[0])


def mean(sample: Sample) -> float:
    """The mean of the first column."""
    return float(np.mean(sample[0]))


def at_most(limit: float) -> Callable[[Sample], float]:
    """The share of values up to a limit."""

    def reduce(sample: Sample) -> float:
        return float(np.mean(sample[0] <= limit))

    return reduce


def as_exponential(sample: Sample) -> Sample:
    """The same number of values with the same mean, exponential."""
    grid = (np.arange(len(sample[0])) + 0.5) / len(sample[0])
    return (exponential(float(np.mean(sample[0])), grid), *sample[1:])


def as_coin(sample: Sample) -> Sample:
    """Yes and no, evenly."""
    return (np.arange(len(sample[0])) % 2, *sample[1:])


# --- arrival times


def _bins(times: Array, width: float) -> Array:
    """Counts per bin of whole days, so that every hour of day weighs the same."""
    first = np.floor(times.min() / DAY_S) * DAY_S
    days = max(round((times.max() - first) / DAY_S), 1)
    edges = np.arange(round(days * DAY_S / width) + 1) * width + first
    return np.asarray(np.histogram(times, edges)[0])


def fano(width: float) -> Callable[[Sample], float]:
    """Variance over mean of the counts per bin of `width` seconds; 1 for a Poisson process."""

    def reduce(sample: Sample) -> float:
        counts = _bins(sample[0], width)
        return float(counts.var() / counts.mean())

    return reduce


def residual_fano(sample: Sample) -> float:
    """The hourly Fano factor of what the hour of the week does not explain (weekdays and weekends apart)."""
    times = sample[0]
    counts = _bins(times, HOUR_S).astype(np.float64)
    first = np.floor(times.min() / DAY_S)
    hour = np.arange(len(counts))
    day = (first + hour // 24) % 7
    group = (hour % 24) + 24 * (day >= 5)
    sums = np.bincount(group, counts, 48)
    number = np.bincount(group, minlength=48)
    expected = (sums / np.maximum(number, 1))[group]
    free = len(counts) - np.count_nonzero(number)
    return float(((counts - expected) ** 2).sum() / max(free, 1) / counts.mean())


def empty_bins(width: float) -> Callable[[Sample], float]:
    """The share of bins of `width` seconds without any."""

    def reduce(sample: Sample) -> float:
        return float(np.mean(_bins(sample[0], width) == 0))

    return reduce


def by_hour(times: Array) -> Array:
    """The rate by hour of day, on weekdays if there are any, relative to its mean.

    A moving mean of three hours: days and weeks rise and fall slowly, and what a burst adds to one hour of a short log
    is not their doing.
    """
    weekday = times[(times // DAY_S) % 7 < 5]
    counts = np.bincount(((weekday if len(weekday) else times) // HOUR_S % 24).astype(np.int64), minlength=24)
    smooth = (np.roll(counts, 1) + counts + np.roll(counts, -1)) / 3.0
    return np.asarray(smooth / counts.mean())


def peak(sample: Sample) -> float:
    """The busiest hour of the day over the mean hour."""
    return float(by_hour(sample[0]).max())


def trough(sample: Sample) -> float:
    """The quietest hour of the day over the mean hour."""
    return float(by_hour(sample[0]).min())


def peak_over_trough(sample: Sample) -> float:
    """The busiest hour of the day over the quietest."""
    return peak(sample) / trough(sample)


def weekend(sample: Sample) -> float:
    """A weekend day over a weekday."""
    days = np.floor(sample[0] / DAY_S).astype(np.int64)
    first, last = days.min(), days.max()
    span = np.arange(first, last + 1)
    counts = np.bincount(days - first, minlength=len(span))
    off = span % 7 >= 5
    if off.all() or not off.any():
        return float("nan")
    return float(counts[off].mean() / counts[~off].mean())


def as_poisson(sample: Sample) -> Sample:
    """As many times over the same days, anywhere."""
    low = np.floor(sample[0].min() / DAY_S) * DAY_S
    high = np.ceil(sample[0].max() / DAY_S) * DAY_S
    return (np.sort(straw_rng(sample).uniform(low, high, len(sample[0]))), *sample[1:])


# --- times of several (columns: who, when)


def gap_cv(least: int = LEAST_GAPS) -> Callable[[Sample], Array]:
    """For each of those with `least` gaps or more: the coefficient of variation of its gaps."""

    def reduce(sample: Sample) -> Array:
        _, who = np.unique(sample[0], return_inverse=True)
        order = np.lexsort((sample[1], who))
        who, when = who[order], sample[1][order].astype(np.float64)
        same = who[1:] == who[:-1]
        gaps, owner = np.diff(when)[same], who[1:][same]
        number = np.bincount(owner)
        kept = number >= least
        average = np.bincount(owner, gaps) / np.maximum(number, 1)
        square = np.bincount(owner, gaps**2) / np.maximum(number, 1)
        spread = np.sqrt(np.maximum(square - average**2, 0))
        return np.asarray((spread / average)[kept & (average > 0)])

    return reduce


def active_share(sample: Sample) -> Array:
    """For each: the share of 10-minute windows in which it does anything."""
    _, who = np.unique(sample[0], return_inverse=True)
    window = np.floor(sample[1].astype(np.float64) / WINDOW_S).astype(np.int64)
    windows = window.max() - window.min() + 1
    pairs = np.unique(who.astype(np.int64) * (windows + 1) + window - window.min())
    return np.asarray(np.bincount(pairs // (windows + 1)) / windows)


# --- sequences (columns: whose, what; in order)


def _steps(sample: Sample) -> tuple[Array, Array, int]:
    _, who = np.unique(sample[0], return_inverse=True)
    kinds, what = np.unique(sample[1].astype(str), return_inverse=True)
    same = who[1:] == who[:-1]
    return what[:-1][same], what[1:][same], len(kinds)


def self_transition(sample: Sample) -> float:
    """The share of steps that repeat the one before."""
    before, after, _ = _steps(sample)
    return float(np.mean(before == after))


def _bits(counts: Array) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def entropy(sample: Sample) -> float:
    """Entropy of what is done, in bits."""
    return _bits(np.unique(sample[1].astype(str), return_counts=True)[1])


def conditional_entropy(sample: Sample) -> float:
    """Entropy of what is done given what was done before, in bits."""
    before, after, kinds = _steps(sample)
    return _bits(np.bincount(before * kinds + after)) - _bits(np.bincount(before))


def as_independent(sample: Sample) -> Sample:
    """The same steps, each drawn without regard to the one before and uniformly over what there is."""
    kinds = np.unique(sample[1].astype(str))
    return (sample[0], kinds[straw_rng(sample).integers(0, len(kinds), len(sample[0]))])


def as_shuffled(sample: Sample) -> Sample:
    """The same steps in any order."""
    return (sample[0], straw_rng(sample).permutation(sample[1]))


def as_uniform_categories(sample: Sample) -> Sample:
    """The categories that there are, evenly."""
    kinds = np.unique(sample[0].astype(str))
    return (kinds[np.arange(len(sample[0])) % len(kinds)], *sample[1:])


# --- novelty (columns: whose, what; in order)


def novelty(low: int, high: int) -> Callable[[Sample], float]:
    """The share of an owner's events number `low` to `high` whose kind it had not shown before."""

    def reduce(sample: Sample) -> float:
        _, who = np.unique(sample[0], return_inverse=True)
        _, what = np.unique(sample[1].astype(str) if sample[1].dtype == object else sample[1], return_inverse=True)
        order = np.argsort(who, kind="stable")
        who, what = who[order], what[order]
        starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]])
        number = np.arange(len(who)) - np.repeat(starts, np.diff(np.r_[starts, len(who)]))
        new = np.zeros(len(who), bool)
        new[np.unique(who.astype(np.int64) * (what.max() + 1) + what, return_index=True)[1]] = True
        chosen = (number >= low) & (number < high)
        return float(new[chosen].mean()) if chosen.any() else float("nan")

    return reduce


def as_independent_codes(sample: Sample) -> Sample:
    """As many events of each owner, uniformly over all that anybody does."""
    kinds = np.unique(sample[1])
    return (sample[0], kinds[straw_rng(sample).integers(0, len(kinds), len(sample[0]))])


def as_uniform_top_three(sample: Sample) -> Sample:
    """Every action of an account equally often."""
    return (np.minimum(3.0 / sample[1], 1.0) if len(sample) > 1 else np.full(len(sample[0]), 0.5), *sample[1:])


def as_exponential_count(sample: Sample) -> Sample:
    """Whole numbers from one on with the same mean, exponential."""
    return (np.ceil(as_exponential(sample)[0]), *sample[1:])


def as_prompt(sample: Sample) -> Sample:
    """Nobody waits."""
    return (np.zeros(len(sample[0])), *sample[1:])


def daily(family: str, what: str, extract: Callable[[LogTables], Sample]) -> Iterator[Statistic]:
    """The day and the week of arrivals."""
    for name, about, reduce in (
        ("peak", "busiest hour of the day (a mean of three) over the mean hour", peak),
        ("trough", "quietest hour of the day (a mean of three) over the mean hour", trough),
        ("peak_over_trough", "busiest hour of the day over the quietest (means of three)", peak_over_trough),
        ("weekend", "a weekend day over a weekday", weekend),
    ):
        yield Statistic(f"{family}.{name}", f"{what}: {about}", "number", "", ("time",), extract, reduce, as_poisson)


def as_thirds(sample: Sample) -> Sample:
    """Completed, failed and cancelled alike."""
    return ((np.arange(len(sample[0])) % 3 == 0).astype(float), *sample[1:])
