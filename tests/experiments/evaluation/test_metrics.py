"""Every metric against scikit-learn, scipy or its definition, on thousands of small random cases."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from scopedrift.experiments.evaluation import metrics
from scopedrift.experiments.evaluation.alerts import Grouped, alerts
from scopedrift.experiments.evaluation.windows import Windows
from scopedrift.reports.metrics import PREVALENCES
from scopedrift.simulator.log.events import HOUR
from scopedrift.simulator.log.truth import SCOPE_DRIFT


def test_counting_metrics() -> None:
    assert metrics.precision(3, 1) == 0.75
    assert np.isnan(metrics.precision(0, 0)) and metrics.precision(0, 4) == 0
    assert metrics.recall(1, 4) == 0.25 and np.isnan(metrics.recall(0, 0))
    p, r = metrics.precision(3, 1), metrics.recall(3, 5)
    assert metrics.f1(3, 1, 5) == pytest.approx(2 * p * r / (p + r))
    assert metrics.f1(0, 0, 5) == 0 and np.isnan(metrics.f1(0, 0, 0))


def test_precision_at_prevalence_is_bayes_rule_and_matches_axelsson() -> None:
    # Axelsson 2000: 2e-5 of the records bad, detection rate 0.7, false alarm rate 1e-5: 58 %
    assert metrics.precision_at_prevalence(0.7, 1e-5, 2e-5) == pytest.approx(0.58, abs=0.01)
    sweep = [metrics.precision_at_prevalence(0.5, 0.01, share) for share in PREVALENCES]
    assert sweep == sorted(sweep)
    assert np.isnan(metrics.precision_at_prevalence(0.0, 0.0, 0.1))


def test_average_precision_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for case in range(2_000):
        levels = [2, 5, 10**6][case % 3]
        positives = rng.integers(0, levels, rng.integers(1, 8)) / levels
        negatives = rng.integers(0, levels, rng.integers(0, 30)) / levels
        truth = np.repeat([1, 0], [len(positives), len(negatives)])
        expected = average_precision_score(truth, np.concatenate([positives, negatives]))
        assert metrics.average_precision(positives, negatives) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("shape", ["normal", "ties", "heavy tail", "infinite"])
def test_average_precision_of_many_is_exact_on_its_grid(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CELLS", 64)
    rng = np.random.default_rng(1)
    for _ in range(200):
        positives, negatives = rng.normal(1.0, 1.0, 30), rng.normal(0.0, 1.0, 400)
        if shape == "ties":
            positives, negatives = positives.round(1), negatives.round(1)
        if shape == "heavy tail":
            positives, negatives = np.exp(4 * positives), np.exp(4 * negatives)
        if shape == "infinite":
            negatives[:3] = np.inf
        truth = np.repeat([1, 0], [len(positives), len(negatives)])
        scores = np.nan_to_num(np.concatenate([positives, negatives]), posinf=1e300)
        expected = average_precision_score(truth, scores)
        assert metrics.average_precision(positives, negatives) == pytest.approx(expected, abs=1e-12)


def test_average_precision_without_scores() -> None:
    nan = float("nan")
    assert np.isnan(metrics.average_precision(np.empty(0), np.ones(3)))
    assert metrics.average_precision(np.array([nan, nan]), np.ones(3)) == 0
    assert metrics.average_precision(np.array([1.0, nan]), np.array([nan, 0.0])) == 0.5  # abstaining is not detecting
    assert metrics.average_precision(np.array([np.inf]), np.array([-np.inf, 5.0])) == 1


def test_partial_area_is_the_integral_of_recall() -> None:
    rng = np.random.default_rng(1)
    for _ in range(150):
        incidents = rng.integers(0, 10, rng.integers(1, 6)).astype(float)
        incidents[rng.random(len(incidents)) < 0.2] = np.nan
        slots = rng.integers(0, 10, rng.integers(0, 12)).astype(float)
        days, limit = float(rng.integers(1, 5)), float(rng.choice([0.5, 1, 3]))

        def recall_at(x: float, incidents: Any = incidents, slots: Any = slots, days: float = days) -> float:
            affordable = [s for s in [*slots, *incidents] if not np.isnan(s) and np.sum(slots >= s) <= x * days]
            return float(np.mean(incidents >= min(affordable))) if affordable else 0.0

        breaks = [k / days for k in range(1, len(slots) + 1) if k / days < limit]
        edges = [0.0, *breaks, limit]  # recall is level between them
        area = sum(recall_at((a + b) / 2) * (b - a) for a, b in pairwise(edges))
        assert metrics.partial_area(incidents, slots, days, limit) == pytest.approx(area / limit, abs=1e-6)
    assert np.isnan(metrics.partial_area(np.empty(0), np.ones(2), 1, 1))


def window(world: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Arrival, identity, scores, mask of incident events and incident scores of a world's test window."""
    test = Windows.of(world.scenario, world.log).test
    batch = world.log.batch(test.start, test.stop)
    scores = batch["bytes"].astype(float)
    index = world.truth.incident_of(test.start, test.stop)
    best = np.array([scores[index == i].max() for i in range(len(world.truth.incidents))])
    return batch["arrived"], batch["identity"], scores, world.truth.labels(test.start, test.stop) >= SCOPE_DRIFT, best


def test_slots_hold_the_highest_benign_score_per_identity_and_cooldown(randomly: Callable[..., Any]) -> None:
    for seed in range(40):
        arrived, identity, scores, bad, _ = window(randomly(seed))
        found = metrics.slot_scores(Grouped.of(arrived, identity, scores, HOUR), arrived, identity, bad)
        expected: dict[tuple[int, int], float] = {}
        for t, who, score, is_bad in zip(arrived, identity, scores, bad, strict=True):
            if not is_bad:
                key = (int(who), int((t - arrived[0]) // HOUR))
                expected[key] = max(expected.get(key, -np.inf), score)
        assert sorted(found.tolist()) == sorted(expected.values())


def test_operating_curve_points_are_what_the_alerts_say(randomly: Callable[..., Any]) -> None:
    for seed in range(25):
        arrived, identity, scores, bad, best = window(randomly(seed))
        grouped = Grouped.of(arrived, identity, scores, HOUR)
        curve = metrics.operating_curve(grouped, bad, best, 4.0, also=(40.0,), points=3)
        assert [p.threshold for p in curve] == sorted((p.threshold for p in curve), reverse=True)
        assert 40.0 in [p.threshold for p in curve]
        assert curve[0].recall == 0 and np.isnan(curve[0].precision)  # above the highest score: nothing
        recalls = [p.recall for p in curve]
        assert recalls == sorted(recalls)
        assert len(set(recalls)) == len(set(best.tolist())) + 1 - (best.min() == scores.min())  # every step is there
        for point in curve:
            raised = alerts(arrived, identity, scores, point.threshold, HOUR)
            false = int((~bad[raised.opening]).sum())
            assert point.false_positives_per_day == false / 4
            assert point.recall == np.mean(best > point.threshold)
            expected = metrics.precision(float((best > point.threshold).sum()), false)
            assert point.precision == pytest.approx(expected, nan_ok=True)


def test_recall_at_budgets_uses_calibration_alone(randomly: Callable[..., Any]) -> None:
    arrived, identity, scores, bad, best = window(randomly(1))
    grouped = Grouped.of(arrived, identity, scores, HOUR)
    found = metrics.recall_at_budgets(grouped, 4.0, grouped, bad, best, 4.0)
    assert list(found) == sorted(metrics.BUDGETS)
    for budget, point in found.items():
        assert grouped.count(point.threshold) <= budget * 4
    thresholds = [p.threshold for p in found.values()]
    assert thresholds == sorted(thresholds, reverse=True)
