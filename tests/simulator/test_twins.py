"""Keyed randomness: what is injected changes nothing else, event for event and in order, where nobody contends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scopedrift.scenarios import catalogue, load_text
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.events import COLUMNS
from scopedrift.simulator.log.truth import BENIGN_CHANGE


def events(simulation, keep=None):
    """The events of a log as full records of text and numbers, in order; `keep` masks positions."""
    batch = simulation.log.batch(0, len(simulation.log))
    where = slice(None) if keep is None else keep
    return list(zip(*(batch.text(name)[where].tolist() for name in COLUMNS), strict=True))


def uninjected(simulation, without=None):
    """Which events no incident caused (or not the incident `without`)."""
    causes = simulation.truth.incident_of(0, len(simulation.log))
    if without is None:
        return causes < 0
    number = next((n for n, i in enumerate(simulation.truth.incidents) if i.id == without), -2)
    return causes != number


def differences(left, right):
    """What one list of records has and the other has not, said shortly."""
    if left == right:
        return ""
    at = next((n for n, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    return f"{len(left)} and {len(right)} events; at {at}: {left[at : at + 1]} and {right[at : at + 1]}"


def test_without_incidents_the_background_is_the_same_event_for_event(small, run):
    quiet = run(incidents="[]")
    assert not quiet.truth.incidents and len(small.truth.incidents) == 6
    assert len(small.log) > len(quiet.log)
    assert differences(events(small, uninjected(small)), events(quiet)) == ""


def test_the_truth_of_the_changes_is_the_same_without_incidents(small, run):
    quiet = run(incidents="[]")
    assert quiet.truth.changes == small.truth.changes
    marked = [s.truth.change_of(0, len(s.log)) for s in (small, quiet)]
    assert np.array_equal(marked[0][uninjected(small)], marked[1]) and (marked[1] >= 0).any()


@pytest.mark.parametrize("left_out", ["token-theft-1", "rogue-job-2", "adjacent-training-data-1"])
def test_the_twin_without_one_incident_keeps_every_other_event(left_out, small, run):
    twin = run(without=left_out)
    assert {i.id for i in small.truth.incidents} - {i.id for i in twin.truth.incidents} == {left_out}
    assert differences(events(small, uninjected(small, left_out)), events(twin)) == ""
    assert {i.id: i for i in small.truth.incidents if i.id != left_out} == {i.id: i for i in twin.truth.incidents}
    assert twin.truth.changes == small.truth.changes and twin.deployment == small.deployment


def test_an_incident_more_changes_no_other(small, run):
    more = run(
        incidents="[{attack: token-theft, count: 3, strength: 0.0}, {attack: rogue-job, count: 2, strength: 0.0},"
        " {drift: adjacent-training-data, count: 2, strength: 0.0}]"
    )
    assert differences(events(more, uninjected(more, "token-theft-3")), events(small)) == ""


def test_a_change_concerns_nobody_but_those_that_it_names(small, run):
    still = run(changes="[]")
    concerned = {identity for change in small.truth.changes for identity in change.identities}
    assert concerned and (small.truth.label == BENIGN_CHANGE).any()

    def others(simulation):
        names = simulation.log.batch(0, len(simulation.log)).text("identity")
        by_nobody = uninjected(simulation)
        return events(simulation, by_nobody & np.array([name not in concerned for name in names]))

    assert len(others(still)) > 1000
    assert differences(others(small), others(still)) == ""


def test_a_family_more_changes_no_other_family(small, run):
    """Its names come from the world's own, so only what it does is new."""
    fewer = run(workloads="{training: {pipelines: 2}, inference: {services: 3}}", incidents="[]", changes="[]")
    both = run(incidents="[]", changes="[]")
    workloads = both.log.batch(0, len(both.log)).text("workload")
    kept = np.array([name is not None and not name.startswith("function") for name in workloads])
    theirs = fewer.log.batch(0, len(fewer.log)).text("workload")
    known = np.array([name is not None and not name.startswith("function") for name in theirs])
    assert kept.sum() > 1000 and differences(events(both, kept), events(fewer, known)) == ""


def test_where_workloads_contend_they_wait_for_each_other(small, run):
    """Or the tests above would show nothing: there is one GPU."""
    contended = run(platform="{contention: true, gpus: 1}", incidents="[]")
    free = run(incidents="[]")
    assert differences(events(contended), events(free)) != ""


# --- over scenarios

TEMPLATES = [("attack", name) for name in sorted(catalogue.chains())]
TEMPLATES += [("drift", name) for name in sorted(catalogue.drifts())]
SCENARIOS = st.fixed_dictionaries(
    {
        "families": st.sets(st.sampled_from(sorted(catalogue.families())), max_size=3),
        "count": st.integers(4, 16),
        "sharing": st.sampled_from([0.0, 0.5, 1.0]),
        "kind": st.sampled_from(["x509-svid", "jwt-svid", "oauth", "static-key"]),
        "incidents": st.lists(
            st.tuples(st.sampled_from(TEMPLATES), st.integers(1, 2), st.sampled_from([0.0, 0.5, 1.0])),
            min_size=1,
            max_size=3,
            unique_by=lambda incident: incident[0],
        ),
        "loss": st.sampled_from([0.0, 0.1]),
        "skew": st.sampled_from(["0s", "2s"]),
        "policy": st.sampled_from(["off", "log", "enforce"]),
    }
)
TEXT = """
name: random
horizon: 36h
windows: {{baseline: 12h, calibration: 12h}}
organisation: {{projects: 3}}
platform: {{contention: false, gpus: 1, policy: {policy}}}
load: 0.3
identities: {{count: {count}, sharing: {sharing}, credential: {{kind: {kind}}}}}
workloads: {{{families}}}
telemetry: {{cloud_audit: {{delay: 5m, loss: {loss}, skew: {skew}, duplication: {loss}}}}}
incidents: [{incidents}]
"""


@settings(max_examples=6, suppress_health_check=[HealthCheck.data_too_large])
@given(drawn=SCENARIOS, seed=st.integers(0, 10_000))
def test_in_any_scenario_the_background_and_the_other_incidents_stay(drawn, seed):
    def scenario(incidents):
        listed = ", ".join(
            f"{{{kind}: {name}, count: {count}, strength: {strength}}}" for (kind, name), count, strength in incidents
        )
        families = ", ".join(f"{name}: {{}}" for name in sorted({"inference", *drawn["families"]}))
        return load_text(TEXT.format(**{**drawn, "incidents": listed, "families": families}))

    whole = simulate(scenario(drawn["incidents"]), seed)
    quiet = simulate(scenario([]), seed)
    assert differences(events(whole, uninjected(whole)), events(quiet)) == ""
    left_out = f"{drawn['incidents'][0][0][1]}-1"
    twin = simulate(scenario(drawn["incidents"]), seed, without=left_out)
    assert differences(events(whole, uninjected(whole, left_out)), events(twin)) == ""
    assert {i.id: i for i in whole.truth.incidents if i.id != left_out} == {i.id: i for i in twin.truth.incidents}
