"""Which alerts are false, why, and when an incident counts as detected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.experiments.evaluation import metrics
from scopedrift.experiments.evaluation.alerts import alerts
from scopedrift.experiments.evaluation.matching import Matching, match
from scopedrift.experiments.evaluation.windows import Windows
from scopedrift.simulator.log.events import DAY, HOUR
from scopedrift.simulator.log.truth import StageTruth

D = 24.0  # hours


def matched(world: Any, threshold: float, scores: Any = None) -> Matching:
    test = Windows.of(world.scenario, world.log).test
    columns = world.log.batch(test.start, test.stop)
    values = columns["bytes"].astype(float) if scores is None else scores
    given_ = (columns["arrived"], columns["identity"], values, threshold)
    return match(
        alerts(*given_, HOUR),
        world.truth,
        test,
        arrived=given_[0],
        identity=given_[1],
        scores=values,
    )


def first_event(world: Any, position: int) -> int:
    return int(world.log.arrived[position])


def test_an_alert_before_onset_is_false_even_if_it_swallows_the_incident(
    small: Callable[..., Any], an_incident: Callable[..., Any]
) -> None:
    hours = [5 * D, 5 * D + 0.5, 5 * D + 0.6]
    start = first_event(small(hours, [0, 0, 0], [9, 9, 9]), 1)
    one = an_incident(first_observable_at=start)
    world = small(hours, [0, 0, 0], [9, 9, 9], attacks=[(1, 0, 0), (2, 0, 0)], incidents=[one])
    found = matched(world, 5)
    assert found.false_alarm.tolist() == [True]
    assert found.cause == ("before incident",)
    assert found.detected == 1 and found.detections[0].delay_us == 0
    assert found.detections[0].alerts == 0 and found.duplicates == 0


def test_duplicates_are_true_alerts_beyond_the_first(
    small: Callable[..., Any], an_incident: Callable[..., Any]
) -> None:
    hours = [5 * D, 5 * D + 2, 5 * D + 4]
    start = first_event(small(hours, [0] * 3, [9] * 3), 0)
    world = small(
        hours,
        [0] * 3,
        [9] * 3,
        attacks=[(i, 0, 0) for i in range(3)],
        incidents=[an_incident(first_observable_at=start)],
    )
    found = matched(world, 5)
    assert not found.false_alarm.any() and found.cause == ("", "", "")
    assert found.duplicates == 2 and found.detections[0].alerts == 3 and found.detections[0].flagged == 3


def test_causes(small: Callable[..., Any], an_incident: Callable[..., Any]) -> None:
    hours = [4 * D + 1, 5 * D - 3, 5 * D - 0.5, 5 * D + 2, 5 * D + 5, 5 * D + 5.5, 5 * D + 10, 6 * D]
    who = [1, 0, 0, 0, 0, 0, 0, -1]
    attacks = [(4, 0, 0)]
    world = small(hours, who, [9] * 8)
    onset = world.log.arrived[3] - 1
    one = an_incident(first_observable_at=int(onset))
    attacks = [(2, 0, 0), (4, 0, 0)]
    world = small(
        hours, who, [9, 9, 1, 9, 1, 9, 9, 9], attacks=attacks, changes=[(0, 0)], kinds=["migration"], incidents=[one]
    )
    found = matched(world, 5)
    assert found.cause == ("migration", "baseline", "during incident", "after incident", "baseline", "baseline")
    assert found.change.tolist() == [0, -1, -1, -1, -1, -1]
    assert found.detected == 0 and found.false_alarm.all()


def test_which_incidents_count(small: Callable[..., Any], an_incident: Callable[..., Any]) -> None:
    hours = [3.9 * D, 4.1 * D, 5 * D]
    world = small(hours, [0] * 3, [9] * 3)
    times = [int(t) for t in world.log.arrived]
    four = [
        an_incident(id="early", first_observable_at=times[0]),
        an_incident(id="counted", first_observable_at=times[2]),
        an_incident(id="silent", first_observable_at=-1),
        an_incident(id="lost", first_observable_at=times[2]),
    ]
    world = small(hours, [0] * 3, [9] * 3, attacks=[(0, 0, 0), (1, 0, 0), (2, 1, 0)], incidents=four)
    found = matched(world, 5)
    assert [d.incident.id for d in found.detections] == ["counted"]
    assert (found.warm_up, found.unobserved) == (1, 2)
    assert not found.false_alarm.any()  # an event of the early incident opens no false alarm


def test_stages_delay_and_follow_up(small: Callable[..., Any], an_incident: Callable[..., Any]) -> None:
    hours = [5 * D, 5 * D + 1, 5 * D + 2, 5 * D + 3]
    world = small(hours, [0] * 4, [1, 1, 9, 9])
    t = [int(x) for x in world.log.arrived]
    stages = (
        StageTruth("enter", "T1", t[0], t[1], "success", True, True),
        StageTruth("skip", "T2", t[1], t[1], "skipped", True, True),
        StageTruth("take", "T3", t[2], t[3], "success", False, False),
    )
    one = an_incident(first_observable_at=t[0], impact_at=t[3], ended_at=t[3], stages=stages)
    attacks = [(0, 0, 0), (1, 0, 0), (2, 0, 2), (3, 0, 2)]
    caught = matched(small(hours, [0] * 4, [1, 1, 9, 9], attacks=attacks, incidents=[one]), 5).detections[0]
    assert caught.delay_us == 2 * HOUR and caught.delay_events == 2 and caught.before_impact
    assert caught.stages_passed == 1 and caught.score == 9
    assert [(s.stage, s.events, s.flagged, s.flagged_at) for s in caught.stages] == [(0, 2, 0, -1), (2, 2, 2, t[2])]
    late = matched(small(hours, [0] * 4, [1, 1, 1, 9], attacks=attacks, incidents=[one]), 5).detections[0]
    assert late.detected and not late.before_impact and late.stages_passed == 2
    missed = matched(small(hours, [0] * 4, [1] * 4, attacks=attacks, incidents=[one]), 5).detections[0]
    assert not missed.detected and not missed.before_impact and missed.delay_us == -1
    assert missed.follow_up_us == 4 * DAY and missed.stages_passed == 2
    running = an_incident(first_observable_at=t[0], end_reason="horizon", ended_at=t[3])
    missed = matched(small(hours, [0] * 4, [1] * 4, attacks=attacks, incidents=[running]), 5).detections[0]
    assert missed.follow_up_us == 3 * DAY


def test_clocks_that_run_ahead_give_no_negative_delay(
    small: Callable[..., Any], an_incident: Callable[..., Any]
) -> None:
    world = small([5 * D], [0], [9])
    one = an_incident(first_observable_at=int(world.log.arrived[0]) + 5)
    assert matched(small([5 * D], [0], [9], attacks=[(0, 0, 0)], incidents=[one]), 5).detections[0].delay_us == 0


def test_verdicts_equal_a_reimplementation_event_by_event(randomly: Callable[..., Any]) -> None:
    for seed in range(60):
        world = randomly(seed)
        test = Windows.of(world.scenario, world.log).test
        batch = world.log.batch(test.start, test.stop)
        truth = {
            int(e): (int(la), int(i))
            for e, la, i in zip(world.truth.event, world.truth.label, world.truth.incident, strict=True)
        }
        for threshold in (0, 20, 40, 48, 100):
            found, open_until, false, seen = matched(world, threshold), {}, 0, {}
            for row in range(len(batch)):
                if batch["bytes"][row] <= threshold:
                    continue
                who, at = int(batch["identity"][row]), int(batch["arrived"][row])
                label, index = truth.get(test.start + row, (0, -1))
                if label >= 2:
                    seen.setdefault(index, at)
                if at > open_until.get(who, -1):
                    open_until[who] = at + HOUR
                    false += label < 2
            assert int(found.false_alarm.sum()) == false
            assert {d.index: d.detected_at for d in found.detections if d.detected} == seen


@given(st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=150)
def test_flooding_never_raises_precision(randomly: Callable[..., Any], seed: int, share: float) -> None:
    """More alarms about ordinary events, on identities without an incident, only cost."""
    rng = np.random.default_rng(seed)
    world = randomly(seed % 500)
    test = Windows.of(world.scenario, world.log).test
    batch = world.log.batch(test.start, test.stop)
    index = world.truth.incident_of(test.start, test.stop)
    scores = batch["bytes"].astype(float)
    before = matched(world, 40, scores)
    elsewhere = ~np.isin(batch["identity"], np.unique(batch["identity"][index >= 0]))
    flooded = np.where(elsewhere & (rng.random(len(scores)) < share), 99.0, scores)
    after = matched(world, 40, flooded)
    assert after.detected == before.detected
    assert after.false_alarm.sum() >= before.false_alarm.sum()
    assert precision(after) <= precision(before) or np.isnan(precision(before))


@given(st.integers(0, 10_000), st.integers(2, 50))
@settings(max_examples=60)
def test_a_flood_of_true_alerts_gains_nothing(
    small: Callable[..., Any], an_incident: Callable[..., Any], seed: int, flood: int
) -> None:
    rng = np.random.default_rng(seed)
    noise = np.sort(rng.uniform(4 * D, 8 * D, int(rng.integers(0, 6))))

    def world(times: int) -> Any:
        """An incident with an alert every two hours, `times` times; noise by another identity."""
        hours = np.concatenate([noise, 4 * D + 1.5 * np.arange(times)])
        who = np.concatenate([np.ones(len(noise), int), np.zeros(times, int)])
        order = np.argsort(hours, kind="stable")
        attacks = [(int(p), 0, 0) for p in np.flatnonzero(who[order] == 0)]
        one = an_incident(first_observable_at=small([4 * D], [0], [9]).log.arrived[0])
        return small(hours[order], who[order], [9] * len(order), attacks=attacks, incidents=[one])

    once, many = matched(world(1), 5), matched(world(flood), 5)
    assert many.duplicates == flood - 1
    assert precision(many) == precision(once)


def precision(found: Matching) -> float:
    return metrics.precision(found.detected, int(found.false_alarm.sum()))
