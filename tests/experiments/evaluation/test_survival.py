"""Kaplan-Meier, held against scipy and against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scopedrift.experiments.evaluation.survival import (
    detected_by,
    median,
    restricted_mean,
    survival,
    time_to_detect,
    weighted,
)

TAU = 10.0


def by_definition(delay: list[float], follow_up: list[float]) -> list[tuple[float, float]]:
    """(t, S(t)) at every detection time."""
    times = [f if np.isnan(d) else d for d, f in zip(delay, follow_up, strict=True)]
    share, curve = 1.0, []
    for t in sorted({d for d in delay if not np.isnan(d)}):
        at_risk = sum(x >= t for x in times)
        share *= 1 - sum(d == t for d in delay) / at_risk
        curve.append((t, share))
    return curve


def random_delays(rng: np.random.Generator) -> tuple[list[float], list[float]]:
    n = int(rng.integers(1, 12))
    delay = np.where(rng.random(n) < 0.4, np.nan, rng.integers(0, 9, n).astype(float))
    return delay.tolist(), rng.integers(1, 11, n).astype(float).tolist()


def test_the_curve_median_and_mean_follow_the_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(1_500):
        delay, follow_up = random_delays(rng)
        curve = by_definition(delay, follow_up)
        reached = [t for t, share in curve if share <= 0.5 + 1e-12]
        assert median(np.array(delay), np.array(follow_up)) == pytest.approx(
            reached[0] if reached else np.nan, nan_ok=True
        )
        edges = [0.0, *(t for t, _ in curve if t < TAU), TAU]
        heights = [1.0, *(share for t, share in curve if t < TAU)]
        area = sum(h * (b - a) for h, a, b in zip(heights, edges[:-1], edges[1:], strict=True))
        assert restricted_mean(np.array(delay), np.array(follow_up), TAU) == pytest.approx(area)
        times, share = survival(np.array(delay), np.array(follow_up))
        for t, expected in curve:
            assert share[times == t][0] == pytest.approx(expected)


def test_weights_stand_for_repeated_incidents_as_scipy_sees_them() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        given_delay, given_follow_up = random_delays(rng)
        delay, follow_up = np.array(given_delay), np.array(given_follow_up)
        counts = rng.integers(0, 4, len(delay))
        if not counts.sum():
            continue
        many, long = np.repeat(delay, counts), np.repeat(follow_up, counts)
        found = weighted(delay, follow_up, counts[None, :], TAU)
        missed = np.isnan(many)
        curve = stats.ecdf(stats.CensoredData(uncensored=many[~missed], right=long[missed])).sf
        below = curve.quantiles[curve.probabilities <= 0.5 + 1e-12]
        assert found[0][0] == pytest.approx(below[0] if len(below) else np.nan, nan_ok=True)
        assert found[1][0] == pytest.approx(restricted_mean(many, long, TAU))


@given(st.integers(0, 2**32))
@settings(max_examples=300)
def test_missing_slow_incidents_never_improves_time_to_detect(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 15))
    delay = rng.integers(0, 11, n).astype(float)
    running = rng.random(n) < 0.5
    follow_up = np.where(running, rng.integers(delay.astype(int), 11), TAU).astype(float)
    slow = delay >= rng.integers(0, 11)
    worse = np.where(slow, np.nan, delay)
    before, after = (time_to_detect(d, follow_up, TAU) for d in (delay, worse))
    assert np.isnan(after.median) or after.median >= before.median
    assert after.restricted_mean >= before.restricted_mean - 1e-9
    for t in range(11):
        assert detected_by(worse, follow_up, t) <= detected_by(delay, follow_up, t) + 1e-9


def test_an_unseen_incident_that_is_over_stays_at_risk() -> None:
    delay = np.array([1.0, 2.0, np.nan, np.nan])
    assert median(delay, np.full(4, TAU)) == 2.0
    assert np.isnan(median(np.array([1.0, np.nan, np.nan]), np.full(3, TAU)))


def test_edges() -> None:
    nothing = time_to_detect(np.empty(0), np.empty(0), TAU)
    assert nothing.incidents == 0 and np.isnan(nothing.median) and np.isnan(nothing.restricted_mean)
    never = time_to_detect(np.full(3, np.nan), np.full(3, TAU), TAU)
    assert never.detected == 0 and np.isnan(never.median) and never.restricted_mean == TAU
    at_once = time_to_detect(np.zeros(3), np.full(3, TAU), TAU)
    assert at_once.median == 0 and at_once.restricted_mean == 0
    assert detected_by(np.array([5.0]), np.array([TAU]), 4.0) == 0.0
    assert detected_by(np.array([5.0]), np.array([TAU]), 5.0) == 1.0


def test_the_interval_holds_the_median_and_narrows_with_more_incidents() -> None:
    rng = np.random.default_rng(2)
    few, many = (rng.exponential(2.0, n) for n in (12, 400))
    for delay in (few, many):
        found = time_to_detect(delay, np.full(len(delay), TAU), TAU)
        assert found.median_low <= found.median <= found.median_high
    spread = [(f := time_to_detect(d, np.full(len(d), TAU), TAU)).median_high - f.median_low for d in (few, many)]
    assert spread[1] < spread[0]


def test_the_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    true, hits = 2.0 * np.log(2), 0
    for _ in range(300):
        delay = rng.exponential(2.0, 40)
        missed = delay > 4.0
        found = time_to_detect(np.where(missed, np.nan, delay), np.full(40, 4.0), TAU)
        hits += found.median_low <= true and not found.median_high < true
    assert 0.90 <= hits / 300 <= 1.0
