"""An operation that does not follow the one before it in such tasks is flagged."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.detectors.builtin.sequence import Sequence

FLOW = ("Start", "Read", "Write", "Stop")


def runs(first: int, count: int, flow: tuple[str, ...] = FLOW, who: str = "spiffe://acme/sa/etl-1") -> list[dict]:
    return [
        {"at": 2 * task + n / 10, "identity": who, "task": task, "operation": operation}
        for task in range(first, first + count)
        for n, operation in enumerate(flow)
    ]


def test_a_step_out_of_order_is_surprising(build, judge) -> None:
    log = build([*runs(0, 50), *runs(50, 1), *runs(51, 1, ("Start", "Write", "Read", "Stop"))])
    detector = Sequence()
    scores, batch = judge(detector, log, fit=99.9)
    usual, odd = scores[:4], scores[4:]
    assert usual.max() < 1.0
    assert odd[0] < 1.0 < odd[1:].min() and odd[1:].min() > 2 * usual.max()
    assert detector.explain(batch, 5) == "spiffe://acme/sa/etl-1 hardly ever does Write after Start"
    assert detector.explain(batch, 4).endswith("hardly ever does Start as the first step of a task")


def test_tasks_that_run_side_by_side_do_not_mix(build, judge) -> None:
    woven = [{**event, "at": 200 + n / 100} for n, event in enumerate(zip_tasks(runs(90, 1), runs(91, 1)))]
    scores, _ = judge(Sequence(), build([*runs(0, 50), *woven]), fit=150)
    assert scores.max() < 1.0


def zip_tasks(*tasks: list[dict]) -> list[dict]:
    return [event for step in zip(*tasks, strict=True) for event in step]


def test_peers_have_shown_what_a_newcomer_does(build, judge) -> None:
    strange = ("Start", "Mint", "Mint", "Stop")
    newcomer = "spiffe://acme/sa/etl-9"
    log = build([*runs(0, 50), *runs(50, 1, who=newcomer), *runs(51, 1, strange, who=newcomer)])
    scores, _ = judge(Sequence(), log, fit=99.9)
    assert scores[:4].max() < 1.5 < scores[5]


def test_it_abstains_without_an_operation(build, judge) -> None:
    scores, _ = judge(Sequence(), build([*runs(0, 5), {"at": 99, "identity": "x"}]), fit=50)
    assert np.isnan(scores).all()
    assert pytest.approx(1.0) == float(np.isnan(judge(Sequence(), build([{"at": 0}, {"at": 2}]), fit=1)[0]).mean())
