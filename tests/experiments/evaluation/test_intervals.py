"""The one implementation of intervals: bounds that make sense, and coverage that is measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.experiments.evaluation.intervals import (
    difference_interval,
    jackknife_error,
    log_interval,
    ratio_interval,
)
from scopedrift.experiments.evaluation.survival import clustered, restricted_mean

WORLDS = 1_000
"""Simulated experiments a cell: the measured coverage has a standard error of 0.7 points."""
LEAST = 0.93
SLACK = 3 * math.sqrt(0.05 * 0.95 / WORLDS)


def coverage(draw, truth: float, scale: str) -> float:
    hits = 0
    for _ in range(WORLDS):
        _, low, high = ratio_interval(*draw(), scale)
        hits += low <= truth <= high
    return hits / WORLDS


@pytest.mark.parametrize("worlds", [5, 8, 24])
@pytest.mark.parametrize(
    ("recall", "correlation", "incidents"), [(0.4, 0.1, 10), (0.6, 0.05, 25), (0.15, 0.1, 10), (0.03, 0.05, 10)]
)
def test_recall_is_covered_as_stated(worlds, recall, correlation, incidents):
    rng = np.random.default_rng([worlds, incidents])
    a, b = recall * (1 / correlation - 1), (1 - recall) * (1 / correlation - 1)

    def draw():
        count = rng.poisson(incidents, worlds) + 1
        return rng.binomial(count, rng.beta(a, b, worlds)), count

    assert coverage(draw, recall, "logit") >= LEAST - SLACK


@pytest.mark.parametrize("worlds", [5, 8, 24])
@pytest.mark.parametrize(("mean", "spread", "days"), [(1.5, 0.5, 10), (3, 0.8, 6), (4, 1.0, 6), (0.1, 0.8, 10)])
def test_false_alarms_are_covered_as_stated(worlds, mean, spread, days):
    rng = np.random.default_rng([worlds, days])

    def draw():
        rates = mean * np.exp(rng.normal(-spread * spread / 2, spread, worlds))
        return rng.poisson(rates * days), np.full(worlds, days)

    assert coverage(draw, mean, "log") >= LEAST - SLACK


@pytest.mark.parametrize("worlds", [5, 8, 24])
def test_differences_on_the_same_worlds_are_covered_as_stated(worlds):
    rng = np.random.default_rng(worlds)
    hits = 0
    for _ in range(WORLDS):
        count = rng.poisson(15, worlds) + 1
        hard = rng.beta(4, 6, worlds)  # what makes a world hard is hard for both
        one, other = rng.binomial(count, hard), rng.binomial(count, hard * 0.7)
        _, low, high = difference_interval((one, count), (other, count))
        hits += low <= 0.4 * 0.3 <= high
    assert hits / WORLDS >= LEAST - SLACK


@pytest.mark.parametrize("worlds", [5, 8, 24])
def test_medians_and_restricted_means_of_time_to_detect_are_covered_as_stated(worlds):
    """Exponential delays whose mean differs between worlds, watched for 10; the truth is of a very large sample."""

    def draw(rng, worlds):
        unit = np.repeat(np.arange(worlds), 12)
        mean = np.exp(rng.normal(1.0, 0.3, worlds))[unit]
        delay = rng.exponential(mean)
        return np.where(delay <= 10, delay, np.nan), np.full(len(unit), 10.0), unit

    delay, follow_up, _ = draw(np.random.default_rng(99), 100_000)
    truth = [np.nanmedian(np.where(np.isnan(delay), 11.0, delay)), np.nanmean(np.where(np.isnan(delay), 10.0, delay))]
    rng, hits = np.random.default_rng(worlds), np.zeros(2)
    for _ in range(WORLDS // 2):
        delay, follow_up, unit = draw(rng, worlds)
        bounds, error, units = clustered(delay, follow_up, unit, 10.0)
        mean = restricted_mean(delay, follow_up, 10.0)
        for i, (low, high) in enumerate((bounds, log_interval(mean, error, units))):
            hits[i] += (np.isnan(low) or low <= truth[i]) and (np.isnan(high) or truth[i] <= high)
    assert (hits / (WORLDS // 2) >= LEAST - SLACK * math.sqrt(2)).all(), hits / (WORLDS // 2)


COUNTS = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=2, max_size=30)


@given(COUNTS)
def test_a_share_stays_between_0_and_1_and_inside_its_interval(pairs):
    caught, total = (np.array(side, float) for side in zip(*((min(a, b), b) for a, b in pairs), strict=True))
    estimate, low, high = ratio_interval(caught, total, "logit")
    assert 0.0 <= low <= estimate <= high <= 1.0


@given(COUNTS)
def test_a_rate_is_never_negative_and_lies_inside_its_interval(pairs):
    alarms, days = (np.array(side, float) for side in zip(*pairs, strict=True))
    estimate, low, high = ratio_interval(alarms, days, "log")
    assert 0.0 <= low <= estimate <= high and high > 0.0


@given(COUNTS, st.floats(1.5, 10.0))
def test_an_interval_scales_with_its_unit(pairs, unit):
    alarms, days = (np.array(side, float) for side in zip(*pairs, strict=True))
    for scale in ("log", "identity"):
        small = np.array(ratio_interval(alarms, days, scale))
        assert np.allclose(np.array(ratio_interval(alarms, days / unit, scale)), small * unit)


def test_one_world_has_an_estimate_and_no_interval():
    estimate, low, high = ratio_interval(np.array([3.0]), np.array([10.0]), "logit")
    assert estimate == 0.3 and math.isnan(low) and math.isnan(high)


def test_worlds_without_anything_to_count_say_nothing():
    assert all(math.isnan(value) for value in ratio_interval(np.zeros(3), np.zeros(3), "logit"))
    some = ratio_interval(np.array([2.0, 3.0, 0.0]), np.array([5.0, 5.0, 0.0]), "logit")
    assert some == ratio_interval(np.array([2.0, 3.0]), np.array([5.0, 5.0]), "logit")


def test_the_jackknife_agrees_with_the_standard_error_of_a_mean():
    values = np.array([1.0, 4.0, 2.0, 8.0])
    assert jackknife_error(values, np.ones(4)) == pytest.approx(values.std(ddof=1) / 2)
