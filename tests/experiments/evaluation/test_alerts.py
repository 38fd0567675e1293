"""The cover and the threshold, held against a reimplementation event by event."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.experiments.evaluation import alerts as module
from scopedrift.experiments.evaluation.alerts import Alerts, AlertTracker, Grouped, alerts, threshold_for_budget

Case = tuple[Any, Any, Any, int]


def one_by_one(arrived: Any, identity: Any, scores: Any, threshold: float, cooldown: int) -> list[list[int]]:
    """Alerts as lists of positions, in order of opening."""
    found: list[list[int]] = []
    last: dict[int, int] = {}
    for at in range(len(arrived)):
        if not scores[at] > threshold:
            continue
        alert = last.get(int(identity[at]))
        if alert is None or arrived[at] > arrived[found[alert][0]] + cooldown:
            last[int(identity[at])] = alert = len(found)
            found.append([])
        found[alert].append(at)
    return found


def random_case(rng: np.random.Generator) -> Case:
    n = int(rng.integers(0, 40))
    arrived = np.sort(rng.integers(0, rng.integers(1, 200), n))
    identity = rng.integers(-1, rng.integers(1, 5), n).astype(np.int32)
    scores = rng.choice([np.nan, -np.inf, 0.0, 0.5, 1.0, 2.0, np.inf, rng.random()], n)
    return arrived, identity, scores, int(rng.choice([0, 1, 5, 20, 10_000]))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    return random_case(np.random.default_rng(draw(st.integers(0, 2**32))))


def test_alerts_equal_the_cover_made_event_by_event() -> None:
    rng = np.random.default_rng(1)
    for _ in range(3_000):
        arrived, identity, scores, cooldown = random_case(rng)
        threshold = float(rng.choice([-np.inf, -1, 0, 0.5, 1, np.inf]))
        expected = one_by_one(arrived, identity, scores, threshold, cooldown)
        found = alerts(arrived, identity, scores, threshold, cooldown)
        assert found.opening.tolist() == [alert[0] for alert in expected]
        assert found.closed_at.tolist() == [arrived[alert[-1]] for alert in expected]
        assert found.opened_at.tolist() == [arrived[alert[0]] for alert in expected]
        assert found.identity.tolist() == [identity[alert[0]] for alert in expected]
        assert found.events.tolist() == [len(alert) for alert in expected]
        assert found.score.tolist() == [max(scores[alert]) for alert in expected]
        members: list[list[int]] = [[] for _ in expected]
        for position, alert in zip(found.flagged.tolist(), found.alert_of.tolist(), strict=True):
            members[alert].append(position)
        assert members == expected
        assert Grouped.of(arrived, identity, scores, cooldown).count(threshold) == len(expected)
        assert sorted(Grouped.of(arrived, identity, scores, cooldown).openings(threshold)) == found.opening.tolist()


def test_the_threshold_lies_just_below_the_last_alert_that_the_budget_allows() -> None:
    rng = np.random.default_rng(2)
    for _ in range(2_000):
        arrived, identity, scores, cooldown = random_case(rng)
        allowed = float(rng.choice([0, 0.5, 1, 2, 3.5, 100]))
        found = threshold_for_budget(Grouped.of(arrived, identity, scores, cooldown), allowed)
        candidates = np.unique(scores[~np.isnan(scores)]).tolist()
        fitting = [c for c in candidates if len(one_by_one(arrived, identity, scores, c, cooldown)) <= allowed]
        higher = [c for c in candidates if fitting and c > fitting[0]]
        assert found == (np.nextafter(higher[0], -np.inf) if higher else fitting[0] if fitting else np.inf)
        assert len(one_by_one(arrived, identity, scores, found, cooldown)) <= allowed


@given(cases())
@settings(max_examples=200)
def test_more_alerts_never_follow_from_a_higher_threshold(case: Case) -> None:
    grouped = Grouped.of(*case)
    counts = [grouped.count(threshold) for threshold in (-np.inf, -1.0, 0.0, 0.3, 0.5, 0.9, 1.0, 2.0, np.inf)]
    assert counts == sorted(counts, reverse=True)


@given(cases(), st.floats(0, 10))
@settings(max_examples=200)
def test_above_keeps_what_higher_thresholds_need(case: Case, allowed: float) -> None:
    grouped = Grouped.of(*case)
    for threshold in (0.0, 0.5, 1.0):
        assert grouped.above(0.0).count(threshold) == grouped.count(threshold)
    assert threshold_for_budget(grouped, allowed) <= threshold_for_budget(grouped, allowed / 2)


@pytest.mark.parametrize("scores", [[], [np.nan] * 4, [3.0] * 4, [np.inf] * 4])
def test_scores_without_order_flag_nothing(scores: list[float]) -> None:
    n = len(scores)
    arrived, identity, values = np.arange(n), np.zeros(n, np.int32), np.array(scores)
    threshold = threshold_for_budget(Grouped.of(arrived, identity, values, 10), 1.0)
    assert len(alerts(arrived, identity, values, threshold, 10)) == 0


def test_a_flooding_identity_costs_one_alert_per_cooldown() -> None:
    n = 100_000
    arrived = np.arange(n)
    found = alerts(arrived, np.zeros(n, np.int32), np.ones(n), 0.0, 999)
    assert len(found) == 100
    assert set(found.events.tolist()) == {1_000}


def test_long_runs_of_short_cooldowns(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = np.sort(np.random.default_rng(3).integers(0, 9_000, 12_000))
    identity = (np.arange(12_000) % 2).astype(np.int32)
    expected = [alert[0] for alert in one_by_one(arrived, identity, np.ones(12_000), 0.0, 3)]

    def found() -> Alerts:
        return alerts(arrived, identity, np.ones(12_000), 0.0, 3)

    assert found().opening.tolist() == expected
    monkeypatch.setattr(module, "_ROUNDS", 5)
    assert found().opening.tolist() == expected


def test_many_identities_sort_like_few() -> None:
    rng = np.random.default_rng(4)
    arrived, identity = np.sort(rng.integers(0, 10_000, 5_000)), rng.integers(-1, 90_000, 5_000)
    shifted = np.unique(identity, return_inverse=True)[1]
    wide, narrow = (alerts(arrived, codes, np.ones(5_000), 0.0, 50) for codes in (identity, shifted))
    assert wide.opening.tolist() == narrow.opening.tolist()


def test_too_many_identities_for_the_window_are_refused() -> None:
    arrived = np.array([0, 2**62])
    with pytest.raises(ValueError, match="too many to group"):
        alerts(arrived, np.array([0, 1]), np.ones(2), 0.0, 1)


def test_no_loop_runs_over_events(lines_run: Any) -> None:
    rng = np.random.default_rng(5)
    n = 200_000
    arrived, identity = np.sort(rng.integers(0, 10**12, n)), rng.integers(0, 500, n).astype(np.int32)

    def search() -> None:
        grouped = Grouped.of(arrived, identity, rng.random(n), 3_600_000_000)
        assert grouped.count(threshold_for_budget(grouped, 14)) <= 14

    assert lines_run(search) < n / 50


def test_alerts_opened_batch_by_batch_are_those_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(1, 80))
        arrived, identity = np.sort(rng.integers(0, 300, n)), rng.integers(-1, 3, n).astype(np.int32)
        identity[identity == 2] = 5_000
        flagged, size = rng.random(n) < 0.6, int(rng.integers(1, 30))
        tracker = AlertTracker(20)
        found = []
        for at in range(0, n, size):
            cut = slice(at, at + size)
            found += [at + row for row in tracker.opened(arrived[cut], identity[cut], flagged[cut])]
        assert found == alerts(arrived, identity, flagged.astype(float), 0.5, 20).opening.tolist()
