"""The policy decision point maps a stage to what is recorded: the stage, and what the policy says of it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from scopedrift.scenarios import load_text
from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.expansion.numbers import DECISIONS, TASK_STAGES
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.expansion.rows import DENIED, Holder, StageRow
from scopedrift.simulator.runtime.decisions import DecisionPoint
from scopedrift.simulator.workloads.family import build_family
from scopedrift.simulator.world.declarations import declared
from scopedrift.simulator.world.organisation import SimulatedWorld

SCENARIO = """
name: decided
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
novelty: 0.0
workloads: {training: {pipelines: 1}}
"""


@pytest.fixture(scope="module")
def world():
    scenario = load_text(SCENARIO)
    world = SimulatedWorld(scenario, 1)
    build_family(world, "training", scenario.workloads["training"])
    return world


def point(world, mode):
    decisions = DecisionPoint(world, Recorder(world, Delivery(world.scenario, 1, world.operations)), mode)
    decisions.load(declared(world))
    return decisions


def stage(world, operation):
    """A stage of one operation by the workload that trains."""
    actor = world.workloads["pipeline-0000-train"].actors["train"]
    activity = world.activities.single(world.operations.by_name[operation])
    return StageRow(Holder(actor, 3, session=5), 7, activity.code, world.scenario.start_us, 60_000_000, 9)


@pytest.mark.parametrize("mode", ["log", "enforce"])
def test_what_is_declared_passes_as_it_is(world, mode):
    row = stage(world, "storage.read")
    assert point(world, mode).decide(row, row.start) == [row]


def test_log_lets_everything_pass_and_notes_what_it_would_deny(world):
    row = stage(world, "iam.create-key")
    passed, *notes = point(world, "log").decide(row, row.start)
    assert passed == row and notes
    for note in notes:
        assert (note.events, note.outcome) == (1, DENIED)
        assert replace(note.holder, actor=row.holder.actor) == row.holder
        assert DECISIONS.first <= note.stage < DECISIONS.end and not TASK_STAGES.first <= note.stage < TASK_STAGES.end


def test_enforce_refuses_the_operations_that_are_not_declared(world):
    row = stage(world, "iam.create-key")
    (refused,) = point(world, "enforce").decide(row, row.start)
    assert refused.refused > 0 and replace(refused, refused=0) == row


def test_a_stage_without_events_leaves_no_note(world):
    row = replace(stage(world, "iam.create-key"), events=0)
    assert point(world, "log").decide(row, row.start) == []
