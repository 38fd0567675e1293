"""Growth of behaviour: new resources keep coming, old ones go, at a falling rate for each identity."""

from __future__ import annotations

import functools
import json

import numpy as np

from scopedrift.scenarios import loader
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.runtime.growth import start_growth
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.workloads.family import build_family
from scopedrift.simulator.world.organisation import SimulatedWorld

WORLD = {
    "name": "growth",
    "horizon": "14d",
    "windows": {"baseline": "7d", "calibration": "3d"},
    "organisation": {"projects": 3},
    "identities": {"sharing": 0.0, "orphaned": 0.0},
    "workloads": {
        "training": {"pipelines": 6, "runs_per_day": 4.0},
        "serverless": {"functions": 10, "most_per_day": 50.0},
    },
}


@functools.cache
def events(novelty: float):
    return simulate(loader.load_text(json.dumps({**WORLD, "novelty": novelty})), 2).log.frame()


def first_uses(log):
    """The first event of each (identity, resource), in order of time."""
    log = log[log.resource.notna()].sort_values("time", kind="stable")
    return log[~log.duplicated(["identity", "resource"])]


def test_new_parts_of_datasets_come_and_are_read():
    log = events(1.0)
    parts = log[log.resource.str.contains(r"-data/.*/part-", na=False)]
    first = parts.groupby("resource").time.min().sort_values()
    start = log.time.min()
    new = first[first > start + np.timedelta64(6, "D")]
    assert len(new) > 20
    born = first[first.index.str.contains("part-5")]
    assert len(born) > 10


def test_old_parts_go_and_the_users_of_a_dataset_follow_it():
    scenario = loader.load_text(json.dumps({**WORLD, "novelty": 1.0}))
    world = SimulatedWorld(scenario, 2)
    for name, given in scenario.workloads.items():
        build_family(world, name, given)
    platform = Platform(world, Recorder(world, Delivery(scenario, 2, world.operations)))
    before = {project.name: [set(world.pools.items(d)) for d in project.datasets] for project in world.projects}
    start_growth(platform)
    platform.env.run(until=scenario.end_us)
    grown = 0
    for project in world.projects:
        after = [set(world.pools.items(d)) for d in project.datasets]
        assert [len(each) for each in after] == [len(each) for each in before[project.name]]
        grown += sum(new != old for new, old in zip(after, before[project.name], strict=True))
    assert grown > 5
    for workload in world.workloads.values():
        if workload.family == "training":
            for actor in workload.actors.values():
                assert world.actors[actor].pools["dataset"] in workload.project.datasets


def test_identities_touch_new_resources_at_a_falling_rate_that_does_not_reach_zero():
    log = events(1.0)
    days = (first_uses(log).time - log.time.min()).dt.days
    daily = days.value_counts().reindex(range(14), fill_value=0)
    assert daily[:2].mean() > 3 * daily[4:8].mean() > 0
    assert (daily[8:] > 0).mean() > 0.5
    assert daily[10:].mean() < daily[2:6].mean()


def test_without_novelty_nothing_new_comes():
    assert not events(0.0).resource.str.contains("part-5", na=False).any()


def test_after_an_outage_workloads_start_again_together():
    given = {
        **WORLD,
        "errors": 4.0,
        "novelty": 0.0,
        "workloads": {"inference": {"services": 30, "requests_per_hour": 0.5}},
    }
    log = simulate(loader.load_text(json.dumps(given)), 2).log.frame()
    starts = log[log.operation == "GetInstanceIdentity"]
    after = starts[starts.time > log.time.min() + np.timedelta64(1, "h")]
    together = after.groupby(after.time.dt.floor("10min")).workload.nunique()
    assert together.max() >= 3
    assert together.max() > 4 * together.sum() / (14 * 144)
