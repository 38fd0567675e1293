"""What tasks leave behind: how much a workload has done, and who hears that the next one begins."""

from __future__ import annotations

from typing import cast

import pytest

from scopedrift.simulator.expansion.rows import Holder
from scopedrift.simulator.log.events import HOUR, SECOND
from scopedrift.simulator.world.traces import REMEMBERED, TaskTrace, TaskTraces


def trace(kind: str, begun: int, events: int = 1) -> TaskTrace:
    return TaskTrace(kind, cast(Holder, None), False, False, begun=begun, until=begun + HOUR, events=events)


def test_a_watcher_hears_of_the_next_task_of_its_kinds_once() -> None:
    traces, heard = TaskTraces(), list[str]()
    traces.watch(["train", "deploy"], lambda: heard.append("watcher"))
    traces.add(trace("prepare", 0))
    assert not heard
    traces.add(trace("deploy", 1))
    traces.add(trace("train", 2))
    assert heard == ["watcher"]


def test_a_watcher_may_watch_again_from_what_it_hears() -> None:
    traces, heard = TaskTraces(), list[int]()

    def again() -> None:
        heard.append(len(heard))
        traces.watch(["train"], again)

    traces.watch(["train"], again)
    for begun in range(3):
        traces.add(trace("train", begun))
    assert heard == [0, 1, 2]


def test_all_events_of_a_kind_count_however_long_ago_and_none_twice() -> None:
    traces = TaskTraces()
    assert traces.events("train") == 0
    tasks = [trace("train", 2 * HOUR * number, events=number) for number in range(4 * REMEMBERED)]
    for task in tasks:
        traces.add(task)
        traces.add(trace("deploy", task.begun, events=3))
    total = sum(task.events for task in tasks)
    assert traces.events("train") == total
    assert len(list(traces.known(["train"]))) < len(tasks)
    late = next(task for task in reversed(tasks) if task.over)
    late.events += 5
    traces.extend(late, 10_000 * HOUR)
    assert traces.events("train") == total + 5
    assert traces.events("deploy") == 3 * len(tasks)


def test_the_gap_between_events_is_their_geometric_mean_with_pauses_in_it() -> None:
    task = trace("train", 0, events=0)
    task.note(4, 4 * SECOND)
    assert task.gap == SECOND
    task.note(4, 4 * SECOND, pause=1_000 * SECOND)
    assert task.gap == pytest.approx(SECOND * 1_001 ** (1 / 8))
    task.note(0, HOUR, pause=HOUR)
    assert (task.events, task.gap) == (8, pytest.approx(SECOND * 1_001 ** (1 / 8)))
