"""Rides: injected events happen in tasks, sessions and credentials that are alive, with all columns that these have."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.events import MINUTE, SECOND, Array

WORLD = """
name: rides
horizon: 12d
windows: {{baseline: 4d, calibration: 2d}}
organisation: {{projects: 4, tenants: 4}}
load: 0.3
errors: 0.0
platform: {{contention: false}}
identities: {{credential: {{kind: x509-svid}}}}
workloads: {{training: {{pipelines: 4}}, inference: {{services: 4}}, serverless: {{functions: 8}},
  runners: {{tenants: 8, task_context: 1.0}}, agents: {{agents: 6, delegated: 1.0}}, evaluation: {{suites: 3}}}}
telemetry: {{cloud_audit: {{delay: 0s}}, runtime: {{delay: 0s}}, issuance: {{delay: 0s}}}}
incidents: [{incidents}]
"""
ISSUED = "FetchX509SVID"


@pytest.fixture(scope="module")
def world() -> Simulation:
    """Every attack chain and drift five times, with nothing lost on the way."""
    listed = [f"{{attack: {name}, count: 5, strength: 0.2}}" for name in catalogue.chains()]
    listed += [f"{{drift: {name}, count: 5, strength: 0.2}}" for name in catalogue.drifts()]
    return simulate(load_text(WORLD.format(incidents=", ".join(listed))), 3)


@pytest.fixture(scope="module")
def columns(world: Simulation) -> dict[str, Array]:
    batch = world.log.batch(0, len(world.log))
    injected = world.truth.incident_of(0, len(world.log)) >= 0
    return {**batch.columns, "called": batch.text("operation").astype(str), "injected": injected}


def of_tasks(columns: dict[str, Array], value: str, chosen: Array) -> dict[int, set[int]]:
    """The values of a column in each task, of the chosen events."""
    found: dict[int, set[int]] = {}
    for task, each in zip(columns["task"][chosen].tolist(), columns[value][chosen].tolist(), strict=True):
        found.setdefault(task, set()).add(each)
    return found


@pytest.mark.parametrize("column", ["on_behalf_of", "task_kind", "workload"])
def test_in_a_task_of_others_an_injected_event_has_what_the_task_has(columns: dict[str, Array], column: str) -> None:
    tasks = columns["task"] >= 0
    theirs = of_tasks(columns, column, tasks & ~columns["injected"])
    mine = of_tasks(columns, column, tasks & columns["injected"])
    joined = theirs.keys() & mine.keys()
    assert len(joined) > 20
    assert all(mine[task] <= theirs[task] for task in joined)


def test_where_benign_tasks_act_on_behalf_of_somebody_those_of_incidents_do(columns: dict[str, Array]) -> None:
    kinds, injected, behalf = columns["task_kind"], columns["injected"], columns["on_behalf_of"]
    mostly = [
        kind
        for kind in np.unique(kinds[injected & (kinds >= 0)])
        if (behalf[(kinds == kind) & ~injected] >= 0).mean() > 0.95
    ]
    assert len(mostly) >= 3, "kinds of runners and agents"
    assert (behalf[injected & np.isin(kinds, mostly)] >= 0).mean() > 0.95


def test_nobody_obtains_a_credential_again_that_it_has(columns: dict[str, Array]) -> None:
    issued = columns["called"] == ISSUED
    order = np.lexsort((columns["time"][issued], columns["credential"][issued]))
    credential, time = columns["credential"][issued][order], columns["time"][issued][order]
    again = np.flatnonzero(credential[1:] == credential[:-1])
    assert (time[again + 1] - time[again] < 15 * SECOND).all()


def test_every_credential_was_issued_before_an_incident_used_it(columns: dict[str, Array]) -> None:
    issued = columns["called"] == ISSUED
    first: dict[int, int] = {}
    for credential, time in zip(columns["credential"][issued].tolist(), columns["time"][issued].tolist(), strict=True):
        first[credential] = min(time, first.get(credential, time))
    held = columns["credential_kind"] == columns["credential_kind"][issued][0]
    used = np.flatnonzero(columns["injected"] & held & ~np.isin(columns["called"], [ISSUED, "GetInstanceIdentity"]))
    assert len(used) > 1000
    assert all(first.get(int(columns["credential"][at]), 1 << 62) <= columns["time"][at] for at in used)


def test_a_task_with_injected_events_is_as_old_as_others_of_its_kind(columns: dict[str, Array]) -> None:
    """The rule "older than twice the oldest of its kind" finds nobody."""
    tasks, kinds, time = columns["task"], columns["task_kind"], columns["time"]
    known = (tasks >= 0) & (kinds >= 0)
    number = np.unique(tasks[known], return_inverse=True)[1]
    began = np.full(number.max() + 1, 1 << 62)
    np.minimum.at(began, number, time[known])
    age, mine = time[known] - began[number], columns["injected"][known]
    oldest = np.zeros(kinds.max() + 1, np.int64)
    np.maximum.at(oldest, kinds[known][~mine], age[~mine])
    assert mine.sum() > 1000
    assert (age[mine] <= 2 * np.maximum(oldest[kinds[known][mine]], MINUTE)).all()
