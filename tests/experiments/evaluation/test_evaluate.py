"""One detector on one world: what is promised of thresholds, references and the figures of a cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.base import Detector
from scopedrift.detectors.builtin.references import Always, Never, Oracle
from scopedrift.experiments.evaluation.alerts import alerts
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.reports.metrics import METRICS
from scopedrift.simulator.log.events import HOUR, EventBatch
from scopedrift.simulator.log.truth import SCOPE_DRIFT


def test_figures_of_a_cell(small: Callable[..., Any], an_incident: Callable[..., Any], by_bytes: Detector) -> None:
    #        base  cal        test: false alarm, first event, caught (2 h), duplicate, end
    hours = [1.0, 50.0, 60.0, 100.0, 110.0, 112.0, 114.0, 150.0]
    bytes_ = [0, 3, 5, 7, 2, 9, 8, -1]
    who = [0, 0, 1, 1, 0, 0, 0, 1]
    onset = int(small(hours, who, bytes_).log.arrived[4])
    one = an_incident(first_observable_at=onset, impact_at=onset + 4 * HOUR)
    world = small(hours, who, bytes_, attacks=[(4, 0, 0), (5, 0, 0), (6, 0, 0)], incidents=[one])
    found = evaluate(by_bytes, world.with_terms(0.5))
    assert found.threshold == np.nextafter(5, 0)  # one alert in two days: the event of 5 bytes
    expected = {
        "precision": 0.5,
        "recall": 1.0,
        "f1": 2 / 3,
        "incidents": 1,
        "false_positives": 1,
        "false_positives_per_day": 0.25,
        "false_positives_per_identity_day": 0.125,
        "time_to_detect_median_s": 7200.0,
        "time_to_detect_restricted_mean_s": 7200.0,
        "time_to_detect_median_events": 1,
        "time_to_detect_median_of_allowed": 0.5,
        "detected_before_impact": 1.0,
        "detected_by_1h": 0.0,
        "detected_by_1d": 1.0,
        "alerts": 3,
        "raw_alerts": 3,
        "duplicates": 1,
        "abstained": 1,
        "average_precision": (1 / 1 + 2 / 2 + 3 / 4) / 3,
        "average_precision_incidents": 1.0,
        "calibration_alerts_per_day": 0.5,
        "calibration_days": 2.0,
        "expected_per_day": 0.5,
        "recall_at_equal_alarms": 1.0,  # half a false alarm a day in four days is two, and there is one
        "events": 7,
        "identities": 2,
        "test_days": 4.0,
    }
    assert {name: found.metrics[name] for name in expected} == pytest.approx(expected)
    assert [opening.reason for opening in found.openings] == ["7 bytes", "9 bytes", "8 bytes"]
    assert found.openings[0].operation == "get" and found.openings[0].resource == "r"
    assert found.scores.tolist()[:-1] == [3, 5, 7, 2, 9, 8] and np.isnan(found.scores[-1])
    assert found.test_scores().tolist()[:2] == [7, 2]
    late = an_incident(first_observable_at=onset, impact_at=onset + HOUR)
    world = small(hours, who, bytes_, attacks=[(4, 0, 0), (5, 0, 0), (6, 0, 0)], incidents=[late])
    assert evaluate(by_bytes, world.with_terms(0.5)).metrics["detected_before_impact"] == 0
    assert found.knowledge == ()
    assert set(found.metrics) == set(METRICS), "every declared metric is computed, and no other"


def test_references(randomly: Callable[..., Any]) -> None:
    for seed in range(5):
        world = randomly(seed)
        never, always, oracle = (evaluate(d, world) for d in (Never(), Always(), Oracle()))
        for silent in (never, always):  # always ties all events, and a tie never overspends
            assert silent.metrics["recall"] == 0 and silent.metrics["false_positives"] == 0
            assert np.isnan(silent.metrics["precision"]) and np.isnan(silent.metrics["time_to_detect_median_s"])
            assert silent.metrics["time_to_detect_restricted_mean_s"] > 0
        assert oracle.metrics["recall"] == 1 and oracle.metrics["precision"] == 1
        assert oracle.metrics["average_precision"] == 1 and oracle.metrics["time_to_detect_median_s"] == 0


def test_a_name_opens_no_door_to_the_truth(randomly: Callable[..., Any]) -> None:
    class Impostor(Detector):
        name = "oracle"

        def score(self, batch: EventBatch) -> Any:
            return np.zeros(len(batch))

    assert evaluate(Impostor(), randomly(1)).metrics["recall"] == 0


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.3, 1.0, 5.0]))
@settings(max_examples=60)
def test_the_threshold_never_depends_on_the_test_window(
    small: Callable[..., Any], by_bytes: Detector, seed: int, budget: float
) -> None:
    rng = np.random.default_rng(seed)
    hours = np.sort(rng.uniform(0, 192, 120))
    who, bytes_ = rng.integers(0, 4, 120), rng.integers(-1, 30, 120)
    other = np.where(hours >= 96, rng.integers(0, 3_000, 120), bytes_)
    one, two = (evaluate(by_bytes, small(hours, who, b).with_terms(budget), batch_size=7) for b in (bytes_, other))
    assert one.threshold == two.threshold
    assert one.metrics["calibration_alerts_per_day"] <= budget


def test_batches_do_not_change_the_figures(randomly: Callable[..., Any], by_bytes: Detector) -> None:
    for seed in range(8):
        one, two = (evaluate(by_bytes, randomly(seed), batch_size=size) for size in (3, 10_000))
        assert np.array_equal(one.scores, two.scores, equal_nan=True) and one.openings == two.openings
        for timed in ("fit_seconds", "score_seconds", "measure_seconds"):
            del one.metrics[timed], two.metrics[timed]
        assert one.metrics == pytest.approx(two.metrics, nan_ok=True)
        assert one.curve == pytest.approx(two.curve) if not one.curve else len(one.curve) == len(two.curve)


def test_withheld_knowledge_is_neither_given_nor_reported(randomly: Callable[..., Any]) -> None:
    given_: list[Any] = []

    class Needy(Detector):
        name = "needy"
        needs = frozenset({"policy", "calendar"})

        def fit(self, history: EventBatch, knowledge: Any) -> None:
            given_.append(knowledge)

        def score(self, batch: EventBatch) -> Any:
            return np.zeros(len(batch))

    assert evaluate(Needy(), randomly(1), seed=77).knowledge == ("calendar", "policy")
    assert evaluate(Needy(), randomly(1), withhold=["policy"], name="blind").knowledge == ("calendar",)
    assert given_[0].policy is not None and given_[0].seed == 77
    assert given_[1].policy is None and given_[1].calendar is not None
    assert given_[1].seed != randomly(1).seed  # from which the world could be made again


def test_worlds_without_events_incidents_or_identities(small: Callable[..., Any], by_bytes: Detector) -> None:
    empty = evaluate(by_bytes, small([], [], []))
    assert empty.threshold == np.inf and empty.metrics["alerts"] == 0 and np.isnan(empty.metrics["recall"])
    lone = evaluate(by_bytes, small([1, 50, 60, 100, 150], [-1] * 5, [1, 2, 3, 4, 5]).with_terms(0.1))
    assert lone.metrics["identities"] == 0 and lone.metrics["false_positives"] == 2
    assert np.isnan(lone.metrics["false_positives_per_identity_day"]) and np.isnan(lone.metrics["recall"])
    assert lone.metrics["precision"] == 0
    silent = evaluate(by_bytes, small([1, 50, 100], [0] * 3, [-1] * 3))
    assert silent.metrics["abstained"] == silent.metrics["events"] == 2 and silent.metrics["alerts"] == 0


def test_nonsense_terms_are_refused(randomly: Callable[..., Any], by_bytes: Detector) -> None:
    for terms in ({"budget_per_day": -1.0}, {"budget_per_day": float("nan")}, {"batch_size": 0}):
        with pytest.raises(ValueError, match="expected budget_per_day"):
            evaluate(by_bytes, randomly(1), **terms)


def test_priming_does_not_blind_the_oracle() -> None:
    """An adversary who acts in the calibration window to be learned as normal is caught by who knows the truth."""
    from scopedrift.detectors.builtin.references import Oracle
    from scopedrift.scenarios.loader import load_text
    from scopedrift.simulator.engine import simulate

    world = simulate(
        load_text("""
name: primed
horizon: 8d
windows: {baseline: 2d, calibration: 2d}
organisation: {projects: 2}
strength: 1.0
workloads: {inference: {services: 4}, training: {pipelines: 2}}
incidents: [{attack: rogue-job, count: 6}, {drift: adjacent-training-data, count: 6}]
"""),
        3,
    )
    assert sum(incident.primed_at >= 0 for incident in world.truth.incidents) > 3
    found = evaluate(Oracle(), world).metrics
    assert found["recall"] == 1 and found["false_positives"] == 0


@dataclass
class Sandbag(Detector):
    """Another detector's scores, but none in the calibration window: silent there, loud afterwards."""

    until: int
    name = "sandbag"

    def score(self, batch: EventBatch) -> Any:
        return np.where(batch["arrived"] < self.until, -1.0, batch["bytes"].astype(float))


def test_silence_while_calibrating_gains_nothing_at_equal_alarms_and_is_remarked_on(
    randomly: Callable[..., Any], by_bytes: Detector
) -> None:
    parts = []
    for seed in range(6):
        world = randomly(seed, events=900, levels=5_000).with_terms(3.0)
        parts += [tables(evaluate(d, world), world) for d in (by_bytes, Sandbag(world.scenario.calibration_end_us))]
    summary = combine(parts)["summary"].set_index("detector")
    honest, cheat = summary.loc["by-bytes"], summary.loc["sandbag"]
    assert cheat["recall"] > honest["recall"], "it buys recall with false alarms"
    assert cheat["recall_at_equal_alarms"] == honest["recall_at_equal_alarms"]
    assert "no alert while calibrating" in cheat["remarks"] and "times its budget" in cheat["remarks"]
    assert "no alert while calibrating" not in honest["remarks"]


def test_recall_at_equal_alarms_is_the_best_that_a_threshold_within_the_budget_finds(
    randomly: Callable[..., Any], by_bytes: Detector
) -> None:
    for seed in range(10):
        world = randomly(seed).with_terms(1.5)
        found = evaluate(by_bytes, world)
        assert found.windows is not None and found.matching is not None
        test = found.windows.test
        best = 0.0
        for threshold in np.unique(found.test_scores()):
            raised = alerts(
                world.log.arrived[test.start : test.stop],
                world.log.batch(test.start, test.stop)["identity"],
                found.test_scores(),
                threshold,
                HOUR,
            )
            bad = world.truth.labels(test.start, test.stop)[raised.opening] >= SCOPE_DRIFT
            if np.count_nonzero(~bad) <= 1.5 * test.days:
                best = max(best, np.mean([d.score > threshold for d in found.matching.detections]))
        assert found.metrics["recall_at_equal_alarms"] == pytest.approx(best)


def test_scores_without_meaning_realise_the_budget(randomly: Callable[..., Any]) -> None:
    """The threshold has no bias: of exchangeable scores, as many alarms occur as the budget allows."""

    class Noise(Detector):
        name = "noise"

        def fit(self, history: EventBatch, knowledge: Any) -> None:
            self.rng = np.random.default_rng(knowledge.seed)

        def score(self, batch: EventBatch) -> Any:
            return self.rng.random(len(batch))

    world = randomly(0, events=4_000, attacks=0, people=400).with_terms(2.0, cooldown=1)
    rates = [evaluate(Noise(), world, seed=seed).metrics["realised_per_day"] for seed in range(300)]
    error = np.std(rates) / np.sqrt(len(rates))
    assert abs(np.mean(rates) - 2.0) < 3 * error, (np.mean(rates), error)


def test_the_detectors_seed_is_made_of_the_history_alone(randomly: Callable[..., Any]) -> None:
    seeds: list[int] = []

    class Asks(Detector):
        name = "asks"

        def fit(self, history: EventBatch, knowledge: Any) -> None:
            seeds.append(knowledge.seed)

        def score(self, batch: EventBatch) -> Any:
            return np.zeros(len(batch))

    one, same, other = randomly(1), replace(randomly(1), seed=987), randomly(2)
    for world in (one, same, other):
        evaluate(Asks(), world)
    assert seeds[0] == seeds[1], "the world's seed has no part in it"
    assert seeds[0] != seeds[2]
