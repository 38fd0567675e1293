"""What a detector is given, and what becomes of one that misbehaves."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scopedrift.detectors.base import Detector
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.evaluation.evaluate import evaluate, evaluate_safely
from scopedrift.experiments.evaluation.guard import DetectorError, checked_scores
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.simulator.log.events import HOUR, EventBatch


class Rogue(Detector):
    """Misbehaves as told."""

    name = "rogue"

    def __init__(self, score: Callable[[EventBatch], Any], fit: Callable[[], Any] = lambda: None) -> None:
        self._score, self._fit = score, fit

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self._fit()

    def score(self, batch: EventBatch) -> Any:
        return self._score(batch)


def broken() -> None:
    raise ZeroDivisionError("by\nzero")


def interrupted() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("returned", "complaint"),
    [
        (lambda batch: None, "returned NoneType, expected 100 floats"),
        (lambda batch: 1.0, "returned shape (), expected (100,)"),
        (lambda batch: np.zeros(99), "returned shape (99,), expected (100,)"),
        (lambda batch: np.zeros((100, 1)), "returned shape (100, 1)"),
        (lambda batch: ["1.0"] * len(batch), "returned dtype <U3, expected 100 floats"),
        (lambda batch: [None] * len(batch), "returned list, expected 100 floats"),
        (lambda batch: np.zeros(len(batch), complex), "returned dtype complex128"),
        (lambda batch: (x for x in range(100)), "returned generator, expected 100 floats"),
        (lambda batch: [[1.0], [1.0, 2.0]] * 50, "returned no array of scores"),
        (lambda batch: range(10**9), "returned shape (1000000000,), expected (100,)"),
        (lambda batch: interrupted(), "KeyboardInterrupt"),
        (lambda batch: broken(), "ZeroDivisionError: by zero"),
        (lambda batch: sys.exit(3), "SystemExit: 3"),
        (lambda batch: batch["bytes"].__setitem__(0, 7), "read-only"),
    ],
)
def test_bad_scores_are_answered_with_who_where_and_what(
    randomly: Callable[..., Any], returned: Callable[[EventBatch], Any], complaint: str
) -> None:
    with pytest.raises(DetectorError) as caught:
        evaluate(Rogue(returned), randomly(1), batch_size=100)
    message = str(caught.value)
    assert message.startswith("detector 'rogue' failed in score, batch 0 (events ")
    assert complaint in message and "\n" not in message
    assert str(pickle.loads(pickle.dumps(caught.value))) == message


class Needy(Rogue):
    needs = None


def test_what_no_table_can_hold_costs_nobody_else_a_result(randomly: Callable[..., Any]) -> None:
    def fails(batch: EventBatch) -> Any:
        raise ValueError("the file b\udcff")

    class Tells(Rogue):
        def explain(self, batch: EventBatch, row: int) -> str:
            return "odd name \udcff"

    world = randomly(1).with_terms(1000.0)
    by_bytes = lambda batch: batch["bytes"].astype(float)  # noqa: E731
    failed = evaluate_safely(Rogue(fails), world)
    assert "the file b\\udcff" in failed.reason
    told = evaluate_safely(Tells(by_bytes), world)
    assert {opening.reason for opening in told.openings} == {"odd name \\udcff"}
    needy = evaluate_safely(Needy(by_bytes), world)
    assert "failed in declaring its needs: TypeError" in needy.reason
    for evaluation in (failed, told, needy):
        tables(evaluation, world)


def test_the_failing_batch_is_named(randomly: Callable[..., Any]) -> None:
    world = randomly(1)
    calls = []

    def third(batch: EventBatch) -> Any:
        calls.append(len(batch))
        return broken() if len(calls) == 3 else np.zeros(len(batch))

    start = world.log.position(world.scenario.baseline_end_us)
    with pytest.raises(DetectorError, match=rf"score, batch 2 \(events {start + 20} to {start + 30}\)"):
        evaluate(Rogue(third), world, batch_size=10)


def test_a_failure_costs_one_evaluation(randomly: Callable[..., Any]) -> None:
    failed = evaluate_safely(Rogue(lambda batch: np.zeros(len(batch)), fit=broken), randomly(1))
    assert failed.status == "failed" and failed.reason == "detector 'rogue' failed in fit: ZeroDivisionError: by zero"
    assert not failed.metrics and not len(failed.scores)

    class Needy(Rogue):
        needs = frozenset({"future"})

    assert "unknown knowledge ['future']" in evaluate_safely(Needy(lambda b: np.zeros(len(b))), randomly(1)).reason

    class Curt(Rogue):
        def explain(self, batch: EventBatch, row: int) -> Any:
            return None

    curt = evaluate_safely(Curt(lambda b: b["bytes"]), randomly(1).with_terms(10.0))
    assert "failed in explain, event" in curt.reason and "expected one sentence" in curt.reason


def test_scores_may_be_lists_integers_truths_and_infinite(randomly: Callable[..., Any]) -> None:
    for returned in ([1.0, 2.0], [1, 2], np.array([True, False]), np.array([1, 2], np.float16)):
        assert checked_scores(returned, 2, "d", "score").dtype == np.float64
    extreme = evaluate(Rogue(lambda b: np.where(b["bytes"] == 3, np.inf, -np.inf)), randomly(1))
    assert extreme.threshold in (np.finfo(float).max, np.inf, -np.inf)
    assert extreme.metrics["abstained"] == 0


def test_a_detector_is_given_batches_and_knowledge_only_and_the_callers_copy_stays_unfitted(
    randomly: Callable[..., Any],
) -> None:
    seen: list[Any] = []

    class Spy(Detector):
        name = "spy"
        fitted = False

        def fit(self, *given: Any) -> None:
            self.fitted = True
            seen.extend(given)

        def score(self, *given: Any) -> Any:
            seen.extend(given)
            return np.zeros(len(given[0]))

    spy, world = Spy(), randomly(2)
    evaluate(spy, world, batch_size=50)
    assert not spy.fitted
    assert {type(each) for each in seen} == {EventBatch, Knowledge}
    batches = [each for each in seen if isinstance(each, EventBatch)]
    arrived = np.concatenate([batch["arrived"] for batch in batches])
    assert arrived.tolist() == world.log.arrived.tolist()
    assert {len(batch) for batch in batches[1:-1]} - {50} == {
        (world.log.position(world.scenario.calibration_end_us) - len(batches[0])) % 50
    }


def test_cold_starts_are_new_names_in_their_first_hour(small: Callable[..., Any], by_bytes: Detector) -> None:
    hours = [1.0, 50.0, 97.0, 97.5, 98.5, 99.0]
    who = [0, 1, 2, 2, 2, 1]
    world = small(hours, who, [0, 0, 9, 9, 9, 9]).with_terms(1.0, cooldown=HOUR // 4)
    found = evaluate(by_bytes, world, batch_size=2)
    assert found.alerts is not None and found.alerts.opening.tolist() == [0, 1, 2, 3]
    assert [opening.cold_start for opening in found.openings] == [True, True, False, False]
    assert found.metrics["false_positives_cold_start"] == 2
