"""When an incident starts a task of its own: at the times at which tasks begin, and without waiting for ever."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import simpy

from scopedrift.simulator.expansion.rows import Holder
from scopedrift.simulator.injection.boarding import LOOK, REST, SOON, TURNS, Boarding
from scopedrift.simulator.injection.foothold import WorldFoothold
from scopedrift.simulator.injection.plan import IncidentPlan
from scopedrift.simulator.log.events import HOUR, MINUTE
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.world.traces import TaskTrace, TaskTraces
from scopedrift.simulator.world.workload import Workload

STAGE = 40 * HOUR
NEVER = 1_000 * HOUR


class Stand:
    """A platform with one workload, whose tasks begin at given times."""

    def __init__(self, begin: Sequence[int] = (), strength: float = 0.2, started: int = 0, seed: int = 0) -> None:
        self.env, self.traces = simpy.Environment(), TaskTraces()
        world = SimpleNamespace(seed=1, of_family=lambda family: [self])
        platform = _Platform(self.env, world)
        plan = SimpleNamespace(name="it", spec=SimpleNamespace(strength=strength), stage_length=STAGE)
        self.family = "training"
        self.boarding = Boarding(cast(Platform, platform), cast(IncidentPlan, plan), np.random.default_rng(seed))
        self.boarding._started = started
        for at in begin:
            self.env.process(self._begin(at))

    def _begin(self, at: int) -> Generator[simpy.Event, object, None]:
        yield self.env.timeout(at)
        self.traces.add(TaskTrace("train", cast(Holder, None), False, False, begun=at, until=at + HOUR, events=3))

    def waited(self, last: int = NEVER) -> int:
        """How long it waits for a task that begins."""
        hold = cast(WorldFoothold, SimpleNamespace(workload=self, kinds=("train",)))
        self.env.run(self.env.process(self.boarding._others(hold, last)))
        return int(self.env.now)

    def found(self, last: int) -> list[TaskTrace]:
        """What it finds alive, sooner or later."""
        search = self.boarding._moment(
            lambda: self.traces.live(int(self.env.now)), cast(Workload, self), ["train"], last
        )
        return cast(list[TaskTrace], self.env.run(self.env.process(search)))


class _Platform:
    def __init__(self, env: simpy.Environment, world: SimpleNamespace) -> None:
        self.env, self.world = env, world

    @property
    def now(self) -> int:
        return int(self.env.now)

    def wait(self, duration: int) -> simpy.Event:
        return self.env.timeout(duration)


@pytest.mark.parametrize("started", [0, 1])
def test_it_starts_together_with_one_of_the_next_tasks_of_its_kind(started: int) -> None:
    every = [MINUTE * number for number in range(1, 600)]
    waits = {Stand(every, started=started, seed=seed).waited() for seed in range(60)}
    assert waits == {MINUTE * number for number in range(1, TURNS + 1)}


def test_where_few_begin_it_takes_the_first_after_half_of_its_time() -> None:
    waits = {Stand([REST // 4, REST * 3 // 4], seed=seed).waited() for seed in range(60)}
    assert waits == {REST // 4, REST * 3 // 4}


def test_the_first_one_starts_after_a_rest_even_if_no_other_does() -> None:
    assert Stand().waited() == REST


@pytest.mark.parametrize(("strength", "share"), [(0.0, SOON[0]), (1.0, SOON[1])])
def test_later_ones_wait_the_longer_the_more_patient_it_is(strength: float, share: float) -> None:
    assert Stand(strength=strength, started=3).waited() == pytest.approx(share * STAGE, abs=1)


def test_it_never_waits_beyond_the_time_that_it_has() -> None:
    assert Stand(started=1).waited(last=HOUR) == HOUR


def test_a_task_that_lives_now_is_found_now() -> None:
    stand = Stand([0])
    stand.env.run(until=1)
    assert [task.begun for task in stand.found(NEVER)] == [0]
    assert stand.env.now == 1


def test_one_that_begins_later_is_found_at_any_moment_of_its_life() -> None:
    ages = []
    for seed in range(40):
        stand = Stand([3 * HOUR], seed=seed)
        stand.traces.add(TaskTrace("train", cast(Holder, None), False, False, begun=-HOUR, until=0, events=3))
        if stand.found(NEVER // 10):
            ages.append(stand.env.now - 3 * HOUR)
    assert len(ages) > 20
    assert min(ages) < 10 * MINUTE and max(ages) > 40 * MINUTE


def test_what_never_comes_is_not_found() -> None:
    stand = Stand()
    assert stand.found(HOUR) == []
    assert HOUR <= stand.env.now <= HOUR + LOOK[1]
