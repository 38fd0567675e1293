"""agentnorm as it is installed, on tasks as far as they have come."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from agentnorm import Monitor, Run, ToolCall

from scopedrift.detectors.adapters.agentnorm import Agentnorm
from scopedrift.detectors.conformance.runner import assert_conforms
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.knowledge import Knowledge

THEN = datetime(1970, 1, 1, tzinfo=UTC)
STEPS = ["ListObjects", "GetObject", "PutObject"]


def task(number: int, at: float, steps: list[str] = STEPS, **more) -> list[dict]:
    own = {"task": number, "task_kind": "triage", "workload": "w", "identity": "a", "project": "red", "bytes": 100}
    return [{"at": at + n / 100, **own, "operation": step, **more} for n, step in enumerate(steps)]


@pytest.fixture
def usual() -> list[dict]:
    return [event for number in range(60) for event in task(number, number / 2)]


@pytest.mark.parametrize(
    ("odd", "what"),
    [
        (task(100, 40, [*STEPS, "DeleteTrail"]), "novel_tool=1.00"),
        (task(100, 40, bytes=10**9), "volume="),
        (task(100, 40, STEPS * 10), "rate="),
        (task(100, 40, STEPS[::-1]), "sequence="),
    ],
)
def test_a_task_unlike_the_others_is_beyond_the_thresholds_and_a_usual_one_is_not(
    build, judge, usual, odd, what
) -> None:
    detector = Agentnorm()
    scores, batch = judge(detector, build([*usual, *task(99, 35), *odd]), fit=30)
    assert (scores[:3] <= 0).all()
    worst = int(np.argmax(scores))
    assert scores[worst] > 0 and worst >= 3
    assert what in detector.explain(batch, worst)
    assert detector.explain(batch, 0) == "agentnorm finds no anomaly in the task so far"


def test_another_project_is_out_of_scope_once_it_is_known_to_be_others(build, judge, usual) -> None:
    theirs = [{**e, "identity": "b", "project": "blue", "task": e["task"] + 1000, "at": e["at"] + 0.1} for e in usual]
    detector = Agentnorm()
    scores, batch = judge(detector, build([*usual, *theirs, *task(99, 35), *task(100, 40, project="blue")]), fit=31)
    assert scores[-3:].min() > 0 >= scores[:3].max()
    assert "scope=3.00" in detector.explain(batch, len(batch) - 1)


def test_events_without_a_task_are_not_judged_and_a_task_begins_anew_after_a_day(build, judge, usual) -> None:
    long = task(100, 40, STEPS[:2]) + task(100, 65, STEPS[2:])
    scores, _ = judge(Agentnorm(), build([*usual, *task(-1, 36), *long]), fit=30)
    assert np.isnan(scores[:3]).all() and not np.isnan(scores[3:]).any()
    alone, _ = judge(Agentnorm(), build([*usual, *task(101, 65, STEPS[2:])]), fit=30)
    assert scores[-1] == alone[-1]


def test_the_scores_are_agentnorms_own() -> None:
    log = sample_log(1600)
    history, stream = log.batch(0, 800), log.batch(800, 1600)
    homes: dict = {}
    calls: dict = {}

    def followed(batch):
        for event in batch:
            if event.task is None:
                yield None
                continue
            home = (
                homes.setdefault(event.identity, event.project) if event.identity and event.project else event.project
            )
            first, known = calls.setdefault(event.task, ((event.workload, event.task_kind or "", home or ""), []))
            size = max(event.bytes or 0, 0)
            call = ToolCall(event.operation, len(known) + 1, result_size=size, scope=event.project or "")
            known.append(call)
            yield Run(*first, calls=list(known))

    runs = [run for run in followed(history) if run]
    monitor = Monitor.fit(runs)
    detector = Agentnorm(calls=256)
    detector.fit(history, Knowledge())
    assert detector._monitor.thresholds == monitor.thresholds
    scores = detector.score(stream)
    for row, run in enumerate(followed(stream)):
        if run is None:
            assert np.isnan(scores[row])
        else:
            assert (scores[row] > 0) == monitor.score(run).flagged


@pytest.mark.slow
def test_it_keeps_the_contract() -> None:
    assert_conforms("agentnorm")
