"""One-liners: a table of rules, each a detector; what they find where nothing, and where something, is given away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scopedrift.detectors.conformance.candidate import Candidate
from scopedrift.detectors.conformance.checks import is_causal, is_independent_of_batch_cuts
from scopedrift.detectors.knowledge import KINDS, Knowledge
from scopedrift.experiments.audit import Subject, observed, triviality
from scopedrift.experiments.audit.one_liners import ATTACKS, RULES, OneLiner
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.simulator.engine import Simulation
from scopedrift.simulator.log.event_log import EventLog

Edited = Callable[..., Subject]


@pytest.fixture
def edited(edited: Edited, monkeypatch: pytest.MonkeyPatch) -> Edited:
    """Without the doubles of incidents, which one-liners do not look at."""
    monkeypatch.setattr(observed, "_samples", lambda batch, found: ())
    return edited


def test_the_table_is_a_library() -> None:
    assert len(RULES) >= 30
    assert sum(not rule.behavioural for rule in RULES.values()) >= 15
    assert not any(RULES[name].behavioural for name in ATTACKS)


@pytest.mark.parametrize("name", RULES)
def test_every_rule_is_a_detector(world: Simulation, name: str) -> None:
    batch = world.log.batch(0, 6_000)
    log = EventLog.from_columns({n: np.array(c) for n, c in batch.columns.items()}, world.log.vocabulary)
    candidate = Candidate(lambda: OneLiner(name), log, Knowledge.of(world.deployment, KINDS))
    assert not is_causal(candidate)
    assert not is_independent_of_batch_cuts(candidate)


@pytest.mark.parametrize("name", [*ATTACKS, "rare resource", "outside the task's tools"])
def test_the_audit_and_an_evaluation_count_alike(subject: Subject, world: Simulation, name: str) -> None:
    found = evaluate(OneLiner(name), world).metrics
    assert subject.observed[0].outcomes[name] == (found["incidents"], found["detected"], found["false_positives"])


def ranked(subject: Subject, *, best: float = 1.0, random: float = 0.0, alarms: int = 9) -> Subject:
    """The subject with given shares of incidents detected, at so many false alarms, by a detector and by `random`."""
    rows = []
    for world, outcomes in zip(subject.worlds, (each.outcomes for each in subject.observed), strict=True):
        incidents = outcomes["denied"][0]
        for name, reference, share in (("good", "", best), ("random", "reference", random)):
            counts = {"incidents": incidents, "detected": share * incidents, "false_positives": alarms}
            rows.append({"detector": name, "reference": reference, "status": "ok", "seed": world.seed, **counts})
    return replace(subject, results={"cells": pd.DataFrame(rows)})


def test_rules_that_look_at_no_behaviour_are_at_chance_where_nothing_leaks(clean: Subject) -> None:
    row = triviality.no_one_liner_solves_it(ranked(clean))
    assert row.verdict == "pass", row.seen
    assert "looking at no behaviour" in row.seen and "best detector: good" in row.seen


def _moved(columns: dict[str, Any], bad: Any) -> None:
    columns["identity"][bad[::2]] = (columns["identity"][bad[::2]] + 1) % (columns["identity"].max() + 1)


def test_an_incident_that_changes_its_tasks_identity_is_found_by_a_rule(clean: Subject, edited: Edited) -> None:
    row = triviality.no_one_liner_solves_it(ranked(edited(clean, _moved), alarms=90))
    assert row.verdict == "fail"
    assert "'task changes identity" in row.seen and "beats chance" in row.seen


def test_a_detector_that_loses_to_a_one_liner_is_told(clean: Subject) -> None:
    row = triviality.no_one_liner_solves_it(ranked(clean, best=0.0))
    assert row.verdict == "fail" and "beats good" in row.seen


def test_a_field_that_gives_incidents_away_solves_the_scenario(clean: Subject, edited: Edited) -> None:
    def plant(columns: dict[str, Any], bad: Any) -> None:
        columns["bytes"][:] = 10
        columns["bytes"][: bad[0]] = 20
        columns["bytes"][bad] = 10**15

    row = triviality.no_one_liner_solves_it(ranked(edited(clean, plant)))
    assert row.verdict == "fail" and "solved by 'many bytes'" in row.seen
