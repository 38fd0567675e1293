"""The earliest event time of each task, against a dictionary."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.toolkit.tasks import IDLE, TaskStarts
from scopedrift.simulator.log.events import DAY, HOUR

EVENT = st.tuples(st.integers(0, 4), st.integers(0, 100), st.integers(0, 48))  # task, hours since the last, hours late


def by_hand(events: list[tuple[int, int, int]]) -> list[int]:
    """Task, time and arrival of each event, one after the other."""
    start, seen, found = dict[int, int](), dict[int, int](), []
    for task, time, arrived in events:
        if task not in seen or arrived - seen[task] > IDLE:
            start[task] = time
        start[task] = min(start[task], time)
        seen[task] = arrived
        found.append(start[task])
    return found


@given(st.lists(EVENT, max_size=60), st.integers(1, 60))
@settings(max_examples=80)
def test_it_is_a_running_minimum_that_begins_anew_after_idleness(given_: list[tuple[int, int, int]], cut: int) -> None:
    now, events = 1000 * DAY, []
    for task, gap, late in given_:
        now += gap * HOUR
        events.append((task, now - late * HOUR, now))
    columns = [np.array(column, np.int64) for column in zip(*events, strict=True)] or [np.zeros(0, np.int64)] * 3
    starts = TaskStarts()
    found: list[int] = []
    for begin in range(0, len(events), cut):
        part = [column[begin : begin + cut] for column in columns]
        found += starts.follow(*part).tolist()
        starts.forget(int(part[2][-1]))  # forgetting what would begin anew changes nothing
    assert found == by_hand(events)


def test_times_far_from_arrival_are_not_believed() -> None:
    arrived = np.array([100 * DAY])
    assert TaskStarts().follow(np.array([1]), np.array([0]), arrived).tolist() == [93 * DAY]
