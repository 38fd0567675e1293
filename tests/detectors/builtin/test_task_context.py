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
