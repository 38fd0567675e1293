"""Detours: benign work outside what is declared, inside the entitlement or refused; declarations that lag."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from scopedrift.scenarios import loader
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.workloads.family import build_family
from scopedrift.simulator.world.entitlements import allows
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import UNGUARDED, Grant

WORLD = {
    "name": "detours",
    "horizon": "9d",
    "windows": {"baseline": "5d", "calibration": "2d"},
    "organisation": {"projects": 3},
    "identities": {"sharing": 0.0, "orphaned": 0.0},
    "errors": 0.0,
    "workloads": {
        "training": {"pipelines": 2, "runs_per_day": 2.0},
        "inference": {"services": 4, "requests_per_hour": 1.0},
        "serverless": {"functions": 8, "most_per_day": 30.0},
        "runners": {"tenants": 6},
        "evaluation": {"suites": 2},
        "housekeeping": {"services": 6},
        "agents": {"agents": 3, "sessions_per_day": 1.0, "detours": 0.0},
    },
}


@functools.cache
def simulated(novelty: float) -> Simulation:
    return simulate(loader.load_text(json.dumps({**WORLD, "novelty": novelty})), 5)


@pytest.fixture(scope="module")
def world() -> Simulation:
    return simulated(4.0)


def outside_tools(world: Simulation):
    """Events whose operation the declared purpose of their task does not list."""
    log, tools = world.log.frame(), world.deployment.task_tools
    named = log[log.task_kind.notna()]
    return named[[o not in tools[k] for o, k in zip(named.operation, named.task_kind, strict=True)]]


def outside_policy(world: Simulation):
    """Events that no grant of their identity's published scope covers."""
    log = world.log.frame()
    grants = {name: scope.grants for name, scope in world.deployment.policy.items()}
    wanted = zip(log.identity, log.service, log.access, log.project, strict=True)
    return log[[s not in UNGUARDED and Grant(s, a, p) not in grants[i] for i, s, a, p in wanted]]


def test_every_family_has_benign_work_outside_its_declared_tools_and_scope(world):
    families = {e.identity: e.families[0] for e in world.deployment.inventory.values()}
    by_tools = {families[identity] for identity in outside_tools(world).identity}
    by_policy = {families[identity] for identity in outside_policy(world).identity}
    assert {"training", "inference", "serverless", "runners", "housekeeping"} <= by_tools | by_policy
    assert len(by_tools & by_policy) >= 4


def test_it_is_rare_and_baseline_in_truth(world):
    outside = len(outside_tools(world)) / len(world.log)
    assert 0.0001 < outside < 0.05
    assert not world.truth.labels(0, len(world.log)).any()


def test_novelty_is_its_dial():
    counts = [len(outside_tools(simulated(novelty))) for novelty in (0.0, 1.0, 4.0)]
    assert counts[0] == 0 < counts[1] < counts[2]


def test_without_novelty_all_work_is_inside_the_declared_scope():
    world = simulated(0.0)
    beyond = outside_policy(world)
    # but for what an evaluation borrows from another project
    assert ((beyond.task_kind == "evaluation") & (beyond.service == "s3") & (beyond.access == "read")).all()


def test_what_permissions_do_not_allow_is_refused_and_the_rest_succeeds(world):
    rebuilt = SimulatedWorld(world.scenario, 5)
    for name, given in world.scenario.workloads.items():
        build_family(rebuilt, name, given)
    refused, granted = 0, 0
    beyond = outside_policy(world)
    for one in beyond[beyond.access != "auth"].itertuples():
        entitled = allows(
            rebuilt.entitlements.of(rebuilt.identities[one.identity]), one.service, one.access, one.project
        )
        assert (one.outcome == "denied") == (not entitled), one
        granted, refused = granted + entitled, refused + (not entitled)
    assert granted > 10
    assert refused > 0


def test_some_detours_become_habits_for_a_while(world):
    outside = outside_tools(world)
    days = outside.groupby(["workload", "operation"], observed=True).time.agg(lambda t: t.dt.floor("D").nunique())
    assert (days == 1).mean() > 0.4
    assert days.max() >= 3


def test_the_published_scope_of_some_identities_misses_a_grant_that_they_use():
    plain = {name: scope.grants for name, scope in simulated(0.0).deployment.policy.items()}
    stale = {name: scope.grants for name, scope in simulated(1.0).deployment.policy.items()}
    missing = {name: plain[name] - stale[name] for name in plain}
    assert all(stale[name] <= plain[name] for name in plain)
    assert 0 < np.mean([bool(each) for each in missing.values()]) < 0.3
    assert max(len(each) for each in missing.values()) == 1
