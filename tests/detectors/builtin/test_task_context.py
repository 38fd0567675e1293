"""What the purpose of a task does not need is flagged."""

from __future__ import annotations

import numpy as np

from scopedrift.detectors import Knowledge
from scopedrift.detectors.builtin.task_context import TaskContext

TOOLS = Knowledge(task_tools={"summarise": frozenset({"Read", "Post"})})
TASK = {"identity": "a", "task_kind": "summarise", "access": "read", "outcome": "success"}


def test_needed_unneeded_habitual_denied_and_unknown(build, judge) -> None:
    log = build(
        [
            {"at": 0, **TASK, "operation": "List"},
            {"at": 10, **TASK, "operation": "Read"},
            {"at": 11, **TASK, "operation": "Delete", "access": "delete"},
            {"at": 12, **TASK, "operation": "Delete", "access": "delete", "outcome": "denied"},
            {"at": 13, **TASK, "operation": "List"},
            {"at": 14, **TASK, "operation": "List", "identity": "b"},
            {"at": 15, **TASK, "operation": "Delete", "task_kind": None},
            {"at": 16, **TASK, "operation": "Delete", "task_kind": "never declared"},
        ]
    )
    detector = TaskContext()
    scores, batch = judge(detector, log, TOOLS, fit=5)
    needed, unneeded, denied, own_habit, habit_of_the_kind, no_purpose, undeclared = scores
    assert needed == 0.0
    assert 0 < own_habit < habit_of_the_kind < denied < unneeded
    assert np.isnan(no_purpose) and np.isnan(undeclared)
    assert detector.explain(batch, 1) == ("Delete (success) is not what a summarise task is for: it needs Post, Read")


def test_yesterday_is_a_habit_and_today_is_not_yet(build, judge) -> None:
    log = build(
        [{"at": at, **TASK, "operation": what} for at, what in ((0, "Read"), (30, "List"), (31, "List"), (50, "List"))]
    )
    first, again, tomorrow = judge(TaskContext(), log, TOOLS, fit=25)[0]
    assert first == again > tomorrow > 0


def test_what_nobody_does_counts_more_than_what_many_do(build, judge) -> None:
    many = [{"at": n / 10, "identity": f"i{n}", "operation": "List", "task_kind": "other"} for n in range(9)]
    log = build([*many, {"at": 30, **TASK, "operation": "List"}, {"at": 31, **TASK, "operation": "Erase"}])
    common, rare = judge(TaskContext(), log, TOOLS, fit=25)[0]
    assert rare > 1.5 * common
    common, rare = judge(TaskContext(rare=0.0), log, TOOLS, fit=25)[0]
    assert rare == common


def test_a_refused_try_makes_no_habit(build, judge) -> None:
    def last(outcome: str) -> float:
        early = {"at": 30, **TASK, "operation": "List", "outcome": outcome}
        log = build([{"at": 0, **TASK}, early, {"at": 55, **TASK, "operation": "List"}])
        return float(judge(TaskContext(rare=0.0), log, TOOLS, fit=25)[0][-1])

    assert last("denied") > last("success") > 0
