from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scopedrift.scenarios import load_text
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.events import registry_of
from scopedrift.simulator.world.policy import ANY, UNGUARDED, Grant

TEXT = """
name: decided
horizon: 4d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 3}
platform: {contention: false}
identities: {sharing: 0.2, orphaned: 0.2}
novelty: 0.3
turns: 0.0
load: 0.5
workloads: {training: {pipelines: 2}, inference: {services: 4}, serverless: {functions: 8}, runners: {}}
changes: [{kind: registry-migration, at: 60h, announced: ANNOUNCED}]
incidents: [{attack: rogue-job, count: 2, strength: 0.0}, {drift: adjacent-training-data, count: 2, strength: 0.0}]
"""
COLUMNS = (
    "identity",
    "service",
    "access",
    "project",
    "image",
    "outcome",
    "operation",
    "resource",
    "stream",
    "task_kind",
)

Run = Callable[..., Simulation]


@pytest.fixture(scope="module")
def run() -> Run:
    """`run(mode, announced=..., ...)`: the same world under each mode of the policy decision point."""
    known: dict[object, Simulation] = {}

    def run(mode: str, *, announced: float = 1.0, without: tuple[str, ...] = (), more: str = "") -> Simulation:
        case = (mode, announced, without, more)
        if case not in known:
            lines = [line for line in TEXT.strip().splitlines() if not line.startswith(without)]
            text = "\n".join([*lines, more]).replace("ANNOUNCED", str(announced))
            known[case] = simulate(load_text(text.replace("false}", f"false, policy: {mode}}}", 1)), 8)
        return known[case]

    return run


def table(simulation: Simulation) -> pd.DataFrame:
    batch = simulation.log.batch(0, len(simulation.log))
    texts = simulation.log.vocabulary.texts()
    columns = {name: np.array([*texts[name], None], object)[batch[name]] for name in COLUMNS}
    numbers = {name: np.asarray(batch[name]) for name in ("time", "arrived", "credential", "task", "bytes")}
    label = simulation.truth.labels(0, len(simulation.log))
    return pd.DataFrame({**columns, **numbers, "label": label})


def outside(simulation: Simulation, log: pd.DataFrame) -> pd.Series:
    """Which guarded requests the declared policy does not cover, changes aside."""
    policy = simulation.deployment.policy

    def uncovered(row: tuple[str, ...]) -> bool:
        identity, service, access, project, image = row
        scope = policy.get(identity)
        if service in UNGUARDED:
            return False
        if scope is None or Grant(service, access, project) not in scope.grants:
            return True
        return isinstance(image, str) and registry_of(image) not in scope.registries

    rows = list(zip(log.identity, log.service, log.access, log.project, log.image, strict=True))
    answer = {row: uncovered(row) for row in set(rows)}
    return pd.Series([answer[row] for row in rows], log.index)


def test_a_grant_covers_what_it_names_and_what_it_leaves_open() -> None:
    assert Grant("s3", "read", "a").covers("s3", "read", "a")
    assert not Grant("s3", "read", "a").covers("s3", "write", "a")
    assert not Grant("s3", "read", "a").covers("s3", "read", "b")
    assert Grant(ANY, "read", ANY).covers("glue", "read", "b")
    assert not Grant(ANY, "read", ANY).covers("glue", "admin", "b")


def test_logging_decisions_changes_nothing_else(run: Run) -> None:
    off, logged = table(run("off")), table(run("log"))
    assert not (off.service == "policy").any()
    rest = logged[logged.service != "policy"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, off)


def test_a_decision_record_says_who_asked_for_what(run: Run) -> None:
    simulation = run("log", announced=0.0)
    log = table(simulation)
    decisions = log[log.service == "policy"]
    asked = log[outside(simulation, log)]
    assert len(decisions) > 10
    assert set(decisions.outcome) == {"denied"}
    assert set(decisions.stream) == {"runtime"}
    assert set(decisions.identity) >= set(asked.identity)
    for identity, requests in asked.groupby("identity"):
        noted = decisions[decisions.identity == identity]
        assert set(noted.project) == set(requests.project)
        assert {resource for resource in requests.resource if resource in set(noted.resource)}
    assert {"attack", "scope_drift"} <= {
        ("baseline", "change", "scope_drift", "attack")[code] for code in decisions.label
    }


def test_nothing_outside_the_declared_scope_succeeds_when_it_is_enforced(run: Run) -> None:
    simulation = run("enforce", announced=0.0)
    log = table(simulation)
    refused = log[outside(simulation, log)]
    assert set(refused.outcome) == {"denied"}
    assert (refused.label == 0).sum() > 10  # benign detours
    before = table(run("off", announced=0.0))
    allowed = before[(before.label == 0) & outside(run("off", announced=0.0), before)]
    assert (allowed.outcome == "success").mean() > 0.4


def test_whoever_stays_within_what_is_declared_is_not_touched(run: Run) -> None:
    off = run("off", without=("incidents",))
    before, after = table(off), table(run("enforce", without=("incidents",)))
    kept = ~before.identity.isin(set(before.identity[outside(off, before)]))
    assert 0.1 < kept.mean() < 1
    assert len(before) == len(after)
    pd.testing.assert_frame_equal(before[kept], after[kept])


def test_a_fully_declared_world_is_the_same_under_any_mode(run: Run) -> None:
    plain = {
        "without": ("changes", "incidents", "identities", "novelty"),
        "more": "novelty: 0.0\nidentities: {orphaned: 0.0}",
    }
    assert run("enforce", **plain).log.digest == run("off", **plain).log.digest
    assert run("log", **plain).log.digest == run("off", **plain).log.digest


@pytest.mark.parametrize("mode", ["log", "enforce"])
def test_decisions_do_not_depend_on_how_the_log_was_cut(run: Run, mode: str) -> None:
    whole = run(mode)
    assert simulate(whole.scenario, whole.seed, window=2_000).log.digest == whole.log.digest


def test_an_announced_change_updates_the_policy_and_an_unannounced_one_is_refused(run: Run) -> None:
    for announced, outcomes in ((1.0, {"success", "error"}), (0.0, {"denied"})):
        simulation = run("enforce", announced=announced, without=("incidents", "novelty"), more="novelty: 0.0")
        log = table(simulation)
        changed = log[(log.label == 1) & ~log.service.isin(UNGUARDED) & log.image.notna()]
        assert len(changed) > 0
        assert set(changed.outcome) <= outcomes


def test_an_identity_that_no_policy_knows_may_do_nothing(run: Run) -> None:
    for mode, works in (("off", True), ("enforce", False)):
        simulation = run(mode)
        log = table(simulation)
        orphan = log[~log.identity.isin(simulation.deployment.policy)]
        assert orphan.identity.nunique() >= 2
        assert set(orphan.label) == {0}
        assert (orphan.outcome == "success").any() == works


def test_enforcement_stops_what_is_outside_the_scope_of_its_victim(run: Run) -> None:
    ends = {mode: [i.end_reason for i in run(mode).truth.incidents] for mode in ("off", "log", "enforce")}
    assert ends["off"] == ends["log"]
    assert ends["off"].count("completed") > ends["enforce"].count("completed") == 0


def test_what_the_truth_says_of_a_stage_is_what_the_log_shows(run: Run) -> None:
    for mode in ("off", "enforce"):
        simulation = run(mode)
        log, truth = table(simulation), simulation.truth
        bad = truth.label >= 2
        outcome = log.outcome.to_numpy()[truth.event[bad]]
        places = zip(truth.incident[bad].tolist(), truth.stage[bad].tolist(), outcome, strict=True)
        succeeded = {(incident, stage) for incident, stage, how in places if how == "success"}
        for number, incident in enumerate(truth.incidents):
            for at, stage in enumerate(incident.stages):
                if stage.outcome == "success" and incident.first_observable_at >= 0:
                    assert (number, at) in succeeded
