"""Reductions that look at dependence: does a group keep to its habits, and does what happened once happen again?

A platform whose marginals are right but whose every run is drawn anew has no habits.  Straw men are such platforms:
they keep the values and forget whose they are.  Samples are in order of time; the first column tells whose a value is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from scopedrift.experiments.realism.reductions import fano, straw_rng
from scopedrift.experiments.realism.statistic import Sample
from scopedrift.simulator.log.events import Array

LEAST_RUNS: Final = 3
"""Runs of a group from which its habits can be told (assumed)."""
LEAST_CALLS: Final = 5
"""Calls of a pair of identity and action from which it can be told whether it always or never fails (assumed)."""
SPELL: Final = 40
"""Events of an identity in which distinct objects are counted."""


def _grouped(sample: Sample) -> tuple[Array, ...]:
    """The columns ordered by group, each group's rows in order of time; groups are numbered from 0."""
    _, group = np.unique(sample[0], return_inverse=True)
    order = np.argsort(group, kind="stable")
    return (group[order], *(np.asarray(column)[order] for column in sample[1:]))


def _lengths(sample: Sample) -> tuple[Array, Array]:
    """Groups and logarithms of lengths, of groups with enough runs."""
    known = np.isfinite(sample[1]) & (sample[1] > 0)
    group, length = _grouped((sample[0][known], sample[1][known]))
    enough = np.bincount(group)[group] >= LEAST_RUNS if len(group) else np.empty(0, bool)
    return group[enough], np.log(length[enough].astype(np.float64))


# --- lengths (columns: whose, how long)


def within_share(sample: Sample) -> float:
    """The share of the variance of log length that lies within groups: 1 if groups are all alike."""
    group, length = _lengths(sample)
    if not len(length):
        return float("nan")
    means = np.bincount(group, length) / np.maximum(np.bincount(group), 1)
    return float(((length - means[group]) ** 2).sum() / ((length - length.mean()) ** 2).sum())


def previous_correlation(sample: Sample) -> float:
    """The correlation of a run's log length with that of the same group's previous run."""
    group, length = _lengths(sample)
    same = group[1:] == group[:-1]
    return float(np.corrcoef(length[:-1][same], length[1:][same])[0, 1]) if same.sum() > 1 else float("nan")


def median_ratio(low: float, high: float) -> Callable[[Sample], float]:
    """The median of the second column where the first is from `low` to `high`, over that where it is 1."""

    def reduce(sample: Sample) -> float:
        size, length = sample[0], sample[1].astype(np.float64)
        chosen, ones = length[(size >= low) & (size <= high)], length[size == 1]
        chosen, ones = chosen[np.isfinite(chosen)], ones[np.isfinite(ones)]
        return float(np.median(chosen) / np.median(ones)) if len(chosen) and len(ones) else float("nan")

    return reduce


def weighted_share(sample: Sample) -> float:
    """The share of the second column's sum where the first is true."""
    weight = np.nan_to_num(sample[1].astype(np.float64))
    return float(weight[sample[0] > 0].sum() / weight.sum())


def as_anybodys(sample: Sample) -> Sample:
    """The same values, whoever they belong to."""
    return (sample[0], straw_rng(sample).permutation(sample[1]), *sample[2:])


# --- times


def variation(sample: Sample) -> float:
    """The coefficient of variation of the gaps between times; 1 for a Poisson process."""
    gaps = np.diff(np.sort(sample[0]))
    return float(gaps.std() / gaps.mean())


def of_busiest(reduce: Callable[[Sample], float]) -> Callable[[Sample], float]:
    """A reduction of the times (second column) of whoever has most of them."""

    def reduced(sample: Sample) -> float:
        _, who, count = np.unique(sample[0], return_inverse=True, return_counts=True)
        return reduce((sample[1][who == int(count.argmax())],))

    return reduced


busiest_variation: Final = of_busiest(variation)
busiest_fano_minute: Final = of_busiest(fano(60.0))


def as_steady(sample: Sample) -> Sample:
    """As many times, anywhere between the first and the last."""
    low, high = float(sample[1].min()), float(sample[1].max())
    return (sample[0], straw_rng(sample).uniform(low, high, len(sample[1])))


# --- failures (columns: whose, which action, whether it failed)


def repeated_failures(sample: Sample) -> float:
    """The share of calls that fail, of those whose identity's previous call failed."""
    who, _, failed = _grouped(sample)
    after = failed[1:][(who[1:] == who[:-1]) & (failed[:-1] > 0)]
    return float(after.mean()) if len(after) else float("nan")


def pairs_that(fail: bool) -> Callable[[Sample], float]:
    """The share of pairs of identity and action with `LEAST_CALLS` or more that always, or never, fail."""

    def reduce(sample: Sample) -> float:
        pair, failed = _pair(sample), sample[2]
        calls, failures = np.bincount(pair), np.bincount(pair, failed)
        known = calls >= LEAST_CALLS
        wanted = calls if fail else 0
        return float((failures == wanted)[known].mean()) if known.any() else float("nan")

    return reduce


def _pair(sample: Sample) -> Array:
    _, who = np.unique(sample[0], return_inverse=True)
    kinds, what = np.unique(sample[1], return_inverse=True)
    return np.asarray(np.unique(who.astype(np.int64) * len(kinds) + what, return_inverse=True)[1])


def as_any_call(sample: Sample) -> Sample:
    """As many failures, of any calls."""
    return (sample[0], sample[1], straw_rng(sample).permutation(sample[2]))


# --- objects and actions (columns: whose, what)


def distinct_objects(sample: Sample) -> float:
    """Distinct objects per event, over each identity's spells of `SPELL` events."""
    who, objects = _grouped(sample)
    _, what = np.unique(objects, return_inverse=True)
    starts = np.flatnonzero(np.r_[True, who[1:] != who[:-1]]) if len(who) else np.empty(0, np.int64)
    number = np.arange(len(who)) - np.repeat(starts, np.diff(np.r_[starts, len(who)]))
    size = np.bincount(who)[who] if len(who) else np.empty(0, np.int64)
    whole = number < size // SPELL * SPELL
    if not whole.any():
        return float("nan")
    spell = who[whole].astype(np.int64) * (number.max() // SPELL + 1) + number[whole] // SPELL
    pairs = np.unique(np.stack([spell, what[whole]]), axis=1)
    return float(pairs.shape[1] / whole.sum())


def distinct_actions(sample: Sample) -> float:
    """How many different actions there are."""
    return float(len(np.unique(sample[1])))


def as_one_account(sample: Sample) -> Sample:
    """The events of the account that has most of them, and no others."""
    _, who, count = np.unique(sample[0], return_inverse=True, return_counts=True)
    return tuple(column[who == int(count.argmax())] for column in sample)
