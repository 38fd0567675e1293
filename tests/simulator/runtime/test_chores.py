"""Chores: every call that an incident may make is somebody's ordinary work, in every world."""

from __future__ import annotations

import pytest

from scopedrift.scenarios import catalogue, library, load
from scopedrift.simulator.engine import simulate


def provided(families: set[str]) -> set[str]:
    """The operations that benign life has in a world with some families."""
    platform, found = catalogue.platform(), set()
    for name in families:
        family = catalogue.families()[name]
        found.update(operation for spec in family.activities.values() for operation in spec.operations)
        found.update(step for flow in family.flows.values() for step in flow)
    for credential in platform.credentials.values():
        found.update(credential.steps)
    found.update(platform.credential_life.role.shares, platform.credential_life.exchange.shares)
    for kind in platform.detours.kinds.values():
        found.update(kind.calls)
    for calls in platform.chores.kinds.values():
        found.update(calls)
    return found


def called(scenario) -> set[str]:
    """The operations of the incidents that a scenario can hold."""
    entries = [spec.entry for spec in scenario.incidents]
    return {
        operation
        for entry in entries
        for stage in entry.every_stage()
        for operation in stage.technique.activity.operations
    }


@pytest.mark.parametrize("name", library())
def test_every_call_of_an_incident_of_the_library_is_benign_work_too(name):
    scenario = load(name)
    assert called(scenario) <= provided(set(scenario.workloads))


def test_every_call_of_every_incident_is_benign_work_where_its_victims_live():
    for entry in (*catalogue.chains().values(), *catalogue.drifts().values()):
        calls = {call for stage in entry.every_stage() for call in stage.technique.activity.operations}
        for family in set(entry.victims.families) & catalogue.families().keys():
            assert calls <= provided({family, "housekeeping"}), (entry.name, family)


def test_every_chore_is_done_in_a_small_world():
    log = simulate(load("quickstart"), 3, without=None)
    operations = catalogue.operations()
    chores = {operations[call].operation for calls in catalogue.platform().chores.kinds.values() for call in calls}
    injected = set(log.truth.event.tolist())
    frame = log.log.frame()
    benign = frame[~frame.index.isin(injected)]
    assert chores <= set(benign.operation)
