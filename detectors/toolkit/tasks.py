"""When each task began, kept until the task has been idle for days.

Times are microseconds.

>>> import numpy as np
>>> from scopedrift.detectors.toolkit.tasks import TaskStarts
>>> starts = TaskStarts()
>>> task, time = np.array([5, 6, 5]), np.array([30, 40, 20])  # the third event is late
>>> starts.follow(task, time, arrived=np.array([31, 41, 51]))
array([30, 40, 20])
"""

from __future__ import annotations

import numpy as np

from scopedrift.detectors.toolkit.columns import grouped
from scopedrift.detectors.toolkit.hashing import HashTable, grown, mix
from scopedrift.simulator.log.events import DAY, Array

IDLE = 3 * DAY
"""Microseconds of silence after which a task begins again."""
_FAR = 1 << 62


class TaskStarts:
    """The earliest event time of each task, as far as its events have arrived."""

    def __init__(self) -> None:
        self._table = HashTable()
        self._start = np.zeros(0, np.int64)
        self._arrived = np.zeros(0, np.int64)

    def follow(self, task: Array, time: Array, arrived: Array) -> Array:
        """For each event: the earliest event time of its task up to here (its own included).

        Events are in order of arrival; event times more than a week from arrival are ignored.
        """
        if not len(task):
            return np.zeros(0, np.int64)
        time = np.clip(time, arrived - 7 * DAY, arrived + DAY)
        rows = self._table.add(mix(task))
        self._start = grown(self._start, len(self._table), _FAR)
        self._arrived = grown(self._arrived, len(self._table), -_FAR)
        order, starts, lengths = grouped(rows)
        when, seen, heads = time[order], arrived[order], rows[order[starts]]
        last = np.empty_like(seen)
        last[1:], last[starts] = seen[:-1], self._arrived[heads]
        restarted = seen - last > IDLE
        runs = restarted.copy()  # where a running minimum starts: a new task in the batch, or one that was idle
        runs[starts] = True
        number = np.cumsum(runs)
        carried = np.where(restarted[starts], _FAR, self._start[heads])
        when[starts] = np.minimum(when[starts], carried)
        base = int(when.min())
        span = int(when.max()) - base + 1
        least = np.minimum.accumulate(when - base - number * span) + number * span + base  # later runs lie lower
        ends = starts + lengths - 1
        self._start[heads], self._arrived[heads] = least[ends], seen[ends]
        found = np.empty_like(least)
        found[order] = least
        return np.asarray(found)

    def forget(self, now: int) -> None:
        """Drops tasks that would begin again at any later arrival."""
        size = len(self._table)
        keep = self._arrived[:size] >= now - IDLE
        if np.count_nonzero(keep) < 0.5 * size:
            self._table.keep(keep)
            self._start, self._arrived = self._start[:size][keep], self._arrived[:size][keep]
