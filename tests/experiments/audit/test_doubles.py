"""Doubles are benign, and alike in everything that the rows on rides do not ask about."""

from __future__ import annotations

import numpy as np

from scopedrift.experiments.audit.doubles import cases
from scopedrift.experiments.audit.subject import Subject
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.log.truth import SCOPE_DRIFT


def _issues(log: EventLog, rows: Array) -> set[str]:
    """The calls among these events that issue a credential."""
    batch = log.batch(0, len(log))
    issuing = rows[batch["stream"][rows] == log.vocabulary["stream"].find("issuance")]
    return {log.vocabulary["operation"][code] for code in np.unique(batch["operation"][issuing]).tolist()}


def test_doubles_are_benign_events_of_the_same_kinds_of_task(subject: Subject) -> None:
    for world in subject.worlds:
        kind = world.log.batch(0, len(world.log))["task_kind"]
        labels = world.truth.labels(0, len(world.log))
        for case in cases(world, np.random.default_rng(0)):
            for double in case.doubles:
                assert labels[double].max() < SCOPE_DRIFT
                assert set(kind[double].tolist()) <= set(kind[case.own].tolist())


def test_calls_that_issue_are_matched_with_the_same_calls(subject: Subject) -> None:
    """An exchange uses a credential that is there; a fetch is the first event of a new one."""
    seen = set()
    for world in subject.worlds:
        for case in cases(world, np.random.default_rng(0)):
            own = _issues(world.log, case.own)
            for double in case.doubles:
                assert _issues(world.log, double) == own
            seen |= own
    assert seen, "no incident issues anything"
