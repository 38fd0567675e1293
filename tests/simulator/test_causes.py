"""Causes, not labels: entitlement, time to live and policy decide what succeeds; log and truth say the same."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.simulator.world.policy import UNGUARDED

OUTCOMES = ("success", "denied", "error")
WORLD = """
name: causes
horizon: 4d
windows: {baseline: 1d, calibration: 12h}
organisation: {projects: 3}
platform: {contention: false}
workloads: {training: {pipelines: 2}, inference: {services: 4}, serverless: {functions: 6, most_per_day: 250.0}}
identities: {excess_privilege: 0.99, sharing: 0.0}
incidents:
  - {attack: token-theft, count: 8, strength: 0.0}
  - {attack: rogue-job, count: 8, strength: 0.0}
  - {drift: adjacent-training-data, count: 8, strength: 0.0}
"""


@pytest.fixture(scope="module")
def logged(does):
    """`logged(simulation, template)`: how the calls of its stages ended, as the log has it."""

    def logged(simulation, template=None, stage=None):
        truth = simulation.truth
        wanted = [n for n, i in enumerate(truth.incidents) if template in (None, i.template)]
        rows = np.isin(truth.incident, wanted) & (truth.label >= 2) & does(simulation)
        if stage is not None:
            rows &= truth.stage == stage
        batch = simulation.log.batch(0, len(simulation.log))
        return batch.text("outcome")[truth.event[rows]].tolist()

    return logged


def stages(simulation, template):
    return [stage for i in simulation.truth.incidents if i.template == template for stage in i.stages]


def share(outcomes, which):
    return outcomes.count(which) / len(outcomes)


@pytest.fixture(scope="module")
def wide(run):
    return run(WORLD)


def test_a_wide_entitlement_lets_the_drift_through(wide, logged):
    drifts = [i for i in wide.truth.incidents if i.template == "adjacent-training-data"]
    assert {stage.outcome for i in drifts for stage in i.stages} >= {"success"}
    assert share(logged(wide, "adjacent-training-data"), "success") > 0.8
    assert any(i.impact_at > 0 for i in drifts)


def test_a_narrow_entitlement_refuses_it_in_the_log_and_in_the_truth(run, logged):
    narrow = run(WORLD, identities="{excess_privilege: 0.0, sharing: 0.0}")
    drifts = [i for i in narrow.truth.incidents if i.template == "adjacent-training-data"]
    assert drifts and {stage.outcome for i in drifts for stage in i.stages} == {"denied"}
    assert set(logged(narrow, "adjacent-training-data")) == {"denied"}
    assert all(i.impact_at == -1 and not i.in_entitlement for i in drifts)
    assert {i.end_reason for i in drifts} <= {"denied", "horizon"} and "denied" in {i.end_reason for i in drifts}


def test_the_more_excess_privilege_the_more_succeeds(run, wide, logged):
    succeeded = [
        sum(outcome == "success" for outcome in logged(each))
        for each in (run(WORLD, identities=f"{{excess_privilege: {e}, sharing: 0.0}}") for e in (0.0, 0.9))
    ]
    assert succeeded[0] < succeeded[1] < sum(outcome == "success" for outcome in logged(wide)) * 1.5


def test_a_credential_that_has_expired_opens_nothing(run, logged):
    """The chain that copies a credential pauses for minutes: with a life of one minute, it comes too late."""
    lifetime = "{{kind: jwt-svid, ttl: {ttl}}}, downstream: {{ttl: {ttl}}}, excess_privilege: 0.99, sharing: 0.0"
    brief, long = (run(WORLD, identities=f"{{credential: {lifetime.format(ttl=ttl)}}}") for ttl in ("1m", "7d"))
    last = [
        {s.outcome for s in stages(each, "token-theft") if s.technique == "exfiltrate-storage"}
        for each in (brief, long)
    ]
    assert "expired" in {stage.outcome for stage in stages(brief, "token-theft")} and last[0] <= {"expired"}
    assert "expired" not in last[1] and "success" in last[1]
    assert not logged(brief, "token-theft", stage=2), "what has ended cannot be presented"
    reasons = {i.end_reason for i in brief.truth.incidents if i.template == "token-theft"}
    assert reasons <= {"expired", "horizon"} and "expired" in reasons


def permitted(simulation):
    """Whose guarded calls of incidents were let through: identity, service, access, project."""
    batch = simulation.log.batch(0, len(simulation.log))
    caused = simulation.truth.incident_of(0, len(batch)) >= 0
    through = caused & (batch.text("outcome") == "success") & ~np.isin(batch.text("service"), list(UNGUARDED))
    return set(
        zip(*(batch.text(n)[through].tolist() for n in ("identity", "service", "access", "project")), strict=True)
    )


def test_a_policy_that_enforces_refuses_what_is_out_of_scope(run, wide, logged):
    enforced = run(WORLD, platform="{contention: false, policy: enforce}")
    for simulation in (wide, enforced):
        out = [s for i in simulation.truth.incidents for s in i.stages if not s.in_scope and s.outcome != "skipped"]
        assert len(out) > 10
        if simulation is wide:
            assert sum(stage.outcome == "success" for stage in out) > 5
    for identity, service, access, project in permitted(enforced):
        grants = enforced.deployment.policy[identity].grants
        assert any(grant.covers(service, access, project) for grant in grants)
    assert set(logged(enforced, "adjacent-training-data")) == {"denied"}


def test_a_policy_that_only_logs_refuses_nothing(run, wide):
    noted = run(WORLD, platform="{contention: false, policy: log}")
    outcomes = [[(i.id, [s.outcome for s in i.stages]) for i in s.truth.incidents] for s in (noted, wide)]
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("changed", [{}, {"identities": "{excess_privilege: 0.5}"}])
def test_a_refused_stage_has_only_denied_calls_and_a_successful_one_has_others(changed, run, does):
    simulation = run(WORLD, **changed)
    truth = simulation.truth
    batch = simulation.log.batch(0, len(simulation.log))
    outcome, done = batch.text("outcome"), does(simulation)
    checked = 0
    for number, incident in enumerate(truth.incidents):
        if incident.end_reason == "horizon":
            continue
        for place, stage in enumerate(incident.stages):
            mine = (truth.incident == number) & (truth.stage == place) & (truth.label >= 2)
            ended = outcome[truth.event[mine]].tolist()
            if stage.outcome == "denied":
                assert set(outcome[truth.event[mine & done]]) <= {"denied"}, (incident.id, stage)
            elif stage.outcome == "success":
                assert "success" in ended, (incident.id, stage)
                assert stage.in_entitlement or "denied" in ended, (incident.id, stage)
            elif stage.outcome == "skipped":
                assert ended == []
            checked += len(ended)
    assert checked > 100
