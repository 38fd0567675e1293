"""A small scenario with many incidents, simulated once; tests plant flaws into copies of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scopedrift.experiments.audit import doubles
from scopedrift.experiments.audit.subject import Subject
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.experiments.running.selection import resolve
from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.event_log import EventLog

SCENARIO = """
name: audited
horizon: 6d
windows: {baseline: 2d, calibration: 1d}
turns: 0  # nothing changes within a benign task, so that a change can be planted
novelty: 0  # nor is anything so rare that a double takes its only use
organisation: {projects: 4}
workloads:
  training: {pipelines: 2, runs_per_day: 2.0}
  inference: {services: 5}
  serverless: {functions: 10}
changes:
  - {kind: registry-migration, count: 2}
incidents:
  - {attack: token-theft, count: 6}
  - {attack: rogue-job, count: 5}
  - {drift: adjacent-training-data, count: 5}
"""
DETECTORS = ("first-seen", "rate")


def judged(worlds: list[Simulation], detectors: tuple[str, ...] = DETECTORS) -> Subject:
    chosen = resolve(detectors)
    cells = [tables(evaluate_safely(d, world, name=name), world) for world in worlds for name, d in chosen.items()]
    return Subject(worlds[0].scenario, worlds, chosen, combine(cells))


@pytest.fixture(scope="session")
def subject() -> Subject:
    scenario = load_text(SCENARIO)
    return judged([simulate(scenario, seed) for seed in range(2)])


@pytest.fixture(scope="session")
def world(subject: Subject) -> Simulation:
    found = subject.worlds[0]
    assert isinstance(found, Simulation)
    return found


@pytest.fixture(scope="session")
def clean(subject: Subject) -> Subject:
    """The same worlds with benign runs labelled in place of incidents: whatever tells these is a false alarm."""
    worlds = [doubles.clean(world, np.random.default_rng(world.seed)) for world in subject.worlds]
    return replace(subject, worlds=worlds)


@pytest.fixture(scope="session")
def edited() -> Callable[..., Subject]:
    """The same subject with changed columns: `edit(columns, positions of incident events)` for every world."""

    def made(subject: Subject, edit: Callable[[dict[str, Any], Any], None]) -> Subject:
        worlds = []
        for world in subject.worlds:
            columns = {n: np.array(c) for n, c in world.log.batch(0, len(world.log)).columns.items()}
            edit(columns, world.truth.event[world.truth.label >= 2])
            worlds.append(replace(world, log=EventLog.from_columns(columns, world.log.vocabulary)))  # type: ignore[type-var]
        return replace(subject, worlds=worlds)

    return made
