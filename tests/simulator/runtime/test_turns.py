"""Turns: within benign tasks address, identity, principal, credential and image change, and some sleep for hours."""

from __future__ import annotations

import functools
import json

import numpy as np
import pandas as pd
import pytest

from scopedrift.scenarios import catalogue, loader
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.runtime.turns import Turns
from scopedrift.simulator.workloads.family import build_family
from scopedrift.simulator.world.organisation import SimulatedWorld

WORLD = {
    "name": "turns",
    "horizon": "10d",
    "windows": {"baseline": "5d", "calibration": "2d"},
    "organisation": {"projects": 3},
    "workloads": {
        "training": {"pipelines": 4},
        "evaluation": {"suites": 3},
        "inference": {"services": 4, "requests_per_hour": 2.0},
        "runners": {"tenants": 20, "task_context": 1.0},
        "serverless": {"functions": 8, "most_per_day": 60.0},
        "agents": {"agents": 6},
    },
}
RIDDEN = {"train", "prepare", "evaluation", "request", "invocation", "test", "build", "code", "analysis"}
"""Kinds of task that incidents ride on, with enough tasks in this world."""


@functools.cache
def benign() -> Simulation:
    return simulate(loader.load_text(json.dumps(WORLD)), 7)


@pytest.fixture(scope="module")
def tasks() -> pd.DataFrame:
    log = benign().log.frame()
    return log[log.task.notna() & log.task_kind.notna()].sort_values("time")


def changing(tasks: pd.DataFrame, column: str) -> pd.Series:
    """Of each kind of task: the share of its tasks in which a column has several values."""
    named = tasks[tasks[column].notna()]
    several = named.groupby("task")[column].agg(lambda values: len(set(values)) > 1)
    return several.groupby(tasks.groupby("task").task_kind.first()).mean()


def test_address_and_identity_change_within_tasks_of_every_kind_that_incidents_ride_on(tasks):
    for column, least in (("source", 0.05), ("identity", 0.004)):
        shares = changing(tasks, column)
        assert (shares[sorted(RIDDEN)] >= least).all(), (column, shares.to_dict())


def test_work_is_handed_over_to_others_and_to_nobody_whom_records_name(tasks):
    for kind in ("code", "test"):
        groups = tasks[tasks.task_kind == kind].groupby("task").on_behalf_of
        assert (groups.nunique() > 1).any()
    handed = tasks.groupby("task").on_behalf_of.agg(lambda values: values.isna().any() and values.notna().any())
    assert handed.any()


def test_an_image_changes_within_a_task_that_starts_again_on_another_node(tasks):
    images = tasks[tasks.image.notna()].groupby("task").image.agg(lambda values: len(set(values)))
    assert (images > 1).any()


def test_a_few_tasks_run_the_next_version_of_their_image_from_the_start(tasks):
    tested = tasks[tasks.image.notna() & (tasks.task_kind == "test")]
    images = tested.groupby("task", observed=True).image.first().astype(str)
    later = ~images.str.endswith(".0")
    assert 0.002 < later.mean() < 0.1


def test_some_tasks_sleep_for_hours_and_go_on_with_many_events(tasks):
    gaps = tasks.groupby("task").time.diff().dt.total_seconds() / 3600
    longest = gaps.groupby(tasks.task_kind).max()
    assert (longest[["train", "invocation", "request", "code"]] > 2).all()
    requests = tasks[tasks.task_kind == "request"].groupby("task").size()
    assert requests.max() > 10 * requests.median()


def test_a_role_is_declared_for_all_that_its_project_does():
    known = benign().deployment
    role = next(entry for name, entry in known.inventory.items() if name.endswith("-operators"))
    assert len(role.workloads) > 1
    for name, entry in known.inventory.items():
        if entry.project == role.project and set(entry.workloads) <= set(role.workloads):
            assert known.policy[name].registries <= known.policy[role.identity].registries


def test_whether_a_task_takes_a_turn_depends_on_its_number_alone():
    scenario = loader.load_text(json.dumps(WORLD))
    found = []
    for _ in range(2):
        world = SimulatedWorld(scenario, 7)
        build = list(build_family(world, "training", scenario.workloads["training"]))
        assert build
        workload = next(iter(world.workloads.values()))
        turns, actor = Turns(world), next(iter(workload.actors.values()))
        found.append([turns.of(workload, actor, number) for number in range(4000)])
    assert found[0] == found[1]
    shares = catalogue.families()["training"].turns.shares()
    kinds = [turn.kind for turn in found[0] if turn is not None]
    for kind, share in shares.items():
        assert abs(kinds.count(kind) / 4000 - share) < 4 * np.sqrt(share / 4000)
