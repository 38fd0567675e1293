"""Whom an incident hits among workloads that share an identity, and what its tasks are like."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.expansion.rows import Holder
from scopedrift.simulator.injection.boarding import APART, Boarding
from scopedrift.simulator.injection.foothold import WorldFoothold
from scopedrift.simulator.injection.plan import IncidentPlan
from scopedrift.simulator.injection.rides import HABIT, model_of
from scopedrift.simulator.injection.world_backend import WorldBackend, mates_of, parts
from scopedrift.simulator.log.events import HOUR, SECOND
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.traces import TaskTrace, TaskTraces
from scopedrift.simulator.world.workload import Workload

SHARED = load_text(
    """
name: shared
horizon: 4d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
identities: {sharing: 1.0}
load: 0.2
workloads: {training: {pipelines: 12}, inference: {services: 12}, serverless: {functions: 12}}
incidents: [{attack: token-theft, count: 6}]
"""
)


def workload(family: str = "inference", identity: object = "shared", **events: int) -> Workload:
    """A workload whose tasks of each kind have had so many events."""
    traces = TaskTraces()
    for kind, count in events.items():
        traces.add(task(kind, count))
    made = SimpleNamespace(family=family, identity=identity, actors=dict.fromkeys(events), traces=traces)
    return cast(Workload, made)


def task(kind: str, events: int, shares: bool = False) -> TaskTrace:
    holder = cast(Holder, SimpleNamespace(job=1, session=1, anchor=0, behalf=-1, actor=None))
    trace = TaskTrace(kind, holder, shares, False, begun=0, until=HOUR)
    trace.note(events, events * 10 * SECOND)
    return trace


def test_the_victim_is_of_the_family_that_was_chosen_whoever_else_shares_its_identity() -> None:
    chosen, mate = workload(request=10), workload(request=20)
    others = [workload("training", train=1_000), workload(identity="another", request=1_000)]
    assert mates_of(chosen, [*others, chosen, mate]) == [chosen, mate]


def test_families_that_share_an_identity_are_not_taken_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[Workload]] = []
    among = WorldBackend._busy
    monkeypatch.setattr(WorldBackend, "_busy", lambda self, mates: asked.append(list(mates)) or among(self, mates))
    simulate(SHARED, 0)
    assert any(len(mates) > 1 for mates in asked)
    assert all(len({(each.family, id(each.identity)) for each in mates}) == 1 for mates in asked)


def test_who_does_most_of_one_kind_of_task_has_no_more_than_its_part_of_the_others() -> None:
    busy, quiet = workload(request=9_000, service=50), workload(request=1_000, service=50)
    assert parts([busy, quiet], ["service"]).tolist() == [0.5, 0.5]
    assert parts([busy, quiet], ["request"]) == pytest.approx([0.9, 0.1])
    assert parts([busy, quiet], ["request", "service"]) == pytest.approx([1.4, 0.6])


def test_who_never_did_such_a_task_has_no_part_in_it() -> None:
    assert parts([workload(batch=5), workload(request=5)], ["request"]).tolist() == [0.0, 1.0]


@pytest.mark.parametrize(("own", "like_peers"), [(HABIT - 1, True), (HABIT, False)])
def test_a_task_is_like_those_of_its_workload_once_there_are_enough(own: int, like_peers: bool) -> None:
    mine, peer = workload(), workload(invocation=10_000)
    for _ in range(own):
        mine.traces.add(task("invocation", 10))
    world = cast(SimulatedWorld, SimpleNamespace(of_family=lambda family: [peer]))
    models = [model_of(world, mine, ["invocation"], np.random.default_rng(seed)) for seed in range(20)]
    assert any(model is not None and model.size == 10_000 for model in models) == like_peers


@pytest.mark.parametrize(("shares", "apart"), [(False, APART[1]), (True, APART[0])])
def test_in_a_task_that_mostly_waits_calls_are_as_dense_as_in_a_task_of_its_own(shares: bool, apart: float) -> None:
    victim = workload()
    live = task("service", 40, shares)
    victim.traces.add(live)
    world = SimpleNamespace(seed=1, of_family=lambda family: [victim])
    platform = cast(Platform, SimpleNamespace(world=world, now=0))
    boarding = Boarding(platform, cast(IncidentPlan, SimpleNamespace(name="it")), np.random.default_rng(0))
    hold = SimpleNamespace(workload=victim, expires=-1, acting=lambda world, actor, key: actor)
    assert boarding._join(cast(WorldFoothold, hold), live).gap == round(apart * live.gap)
