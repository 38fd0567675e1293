"""Trails tell what a task, session, credential or workload showed so far, however the stream is cut."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.experiments.audit.trails import BREAK, CREDENTIAL, ISSUANCE, SESSION, TASK, WORKLOAD, Group, Trail
from scopedrift.experiments.audit.traits import OLD, TraitTracker
from scopedrift.simulator.engine import Simulation
from scopedrift.simulator.log.events import DAY, Array, EventBatch, Vocabulary

FOLLOWED = ("on_behalf_of", "source")


def batch(**columns: list[int]) -> EventBatch:
    held: dict[str, Array] = {name: np.array(values, np.int64) for name, values in columns.items()}
    return EventBatch(held, Vocabulary({"stream": ["cloud_audit", "issuance"]}))


def test_a_group_ages_falls_silent_and_fills() -> None:
    steps = Trail(TASK).follow(batch(time=[10, 20, 25, 60], task=[7, 8, 7, 7]))
    assert steps.age.tolist() == [0, 0, 15, 50]
    assert steps.silence.tolist() == [0, 0, 15, 35]
    assert steps.fullness.tolist() == [0, 0, 1, 2]


def test_events_in_no_group_have_no_steps() -> None:
    steps = Trail(TASK).follow(batch(time=[10, 20], task=[-1, -1]))
    assert not steps.age.any() and not steps.fullness.any()


def test_a_session_ends_when_it_is_silent() -> None:
    steps = Trail(SESSION).follow(batch(time=[0, 5, 5 + BREAK + 1], identity=[1, 1, 1], source=[2, 2, 2]))
    assert steps.age.tolist() == [0, 5, 0]
    assert steps.fullness.tolist() == [0, 1, 0]


def test_what_changes_and_what_is_lost_within_a_group() -> None:
    steps = Trail(TASK, FOLLOWED).follow(
        batch(
            time=[0, 1, 2, 3], task=[7, 7, 7, 7], stream=[0, 0, 0, 1], source=[4, 5, 5, 9], on_behalf_of=[1, 1, -1, -1]
        )
    )
    assert steps.changed["source"].tolist() == [False, True, False, False]
    assert steps.lost["on_behalf_of"].tolist() == [False, False, True, False]  # another stream may lack it


def test_only_issuance_issues() -> None:
    steps = Trail(ISSUANCE).follow(
        batch(time=[0, 50, 90], credential=[3, 3, 3], operation=[1, 1, 1], stream=[1, 0, 1]),
    )
    assert steps.fullness.tolist() == [0, 0, 1]


@pytest.mark.parametrize("group", [TASK, CREDENTIAL, WORKLOAD, SESSION, ISSUANCE], ids=lambda group: group.name)
@pytest.mark.parametrize("size", [1_000, 7_777])
def test_steps_do_not_depend_on_how_the_stream_is_cut(world: Simulation, group: Group, size: int) -> None:
    whole = Trail(group, FOLLOWED).follow(world.log.batch(0, 30_000))
    trail = Trail(group, FOLLOWED)
    parts = [trail.follow(part) for part in world.log.batches(size, 0, 30_000)]
    for name in ("age", "silence", "fullness"):
        assert np.array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    for column in whole.changed:
        assert np.array_equal(np.concatenate([part.changed[column] for part in parts]), whole.changed[column])
        assert np.array_equal(np.concatenate([part.lost[column] for part in parts]), whole.lost[column])


def test_traits_count_ages_up_to_a_week_and_silences_in_full() -> None:
    columns = TraitTracker({WORKLOAD: ()}).traits(batch(time=[0, DAY, 20 * DAY], workload=[1, 1, 1])).columns
    assert columns["workload: age"][1].tolist() == [0, DAY, OLD]
    assert columns["workload: silence"][1].tolist() == [0, DAY, 19 * DAY]
