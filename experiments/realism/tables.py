"""A log as the statistics read it: columns of events, and one row a task."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import MISSING, SECOND, Array, EventBatch


@dataclass(frozen=True)
class Tasks:
    """One row a task: when its first and last events happened (seconds since the log began), how many there are."""

    first: Array
    last: Array
    count: Array
    kind: Array
    workload: Array
    identity: Array

    def where(self, mask: Array) -> Tasks:
        """Some of them."""
        return Tasks(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))

    def length(self) -> Array:
        """How long each took, in seconds: n evenly paced calls span (n - 1) / n of it; one call says nothing (NaN)."""
        paced = np.where(self.count > 1, self.count / np.maximum(self.count - 1, 1), np.nan)
        return np.asarray((self.last - self.first) * paced)


class LogTables:
    """The events of a log, or of one of its streams, in the order in which they happened, with what they tell."""

    def __init__(self, log: EventLog, stream: str = "") -> None:
        self._log = log
        self._batch: EventBatch = log.batch(0, len(log))
        self._order: Array = np.argsort(self._batch["time"], kind="stable")
        if stream:
            self._order = self._order[self.matching("stream", stream)]
        self._streams: dict[str, LogTables] = {}
        time = self["time"]
        self.origin = int(time[0]) if len(time) else 0
        self.seconds: Array = (time - self.origin) / SECOND
        self.week_offset: float = (self.origin / SECOND - 4 * 86_400) % (7 * 86_400)
        """Seconds from a Monday 00:00 UTC (1970-01-05 was one) to the first event."""

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, column: str) -> Array:
        """The codes (or numbers) of a column; all missing where the log does not have it."""
        held = self._batch.columns.get(column)
        return np.full(len(self), MISSING, np.int32) if held is None else np.asarray(held[self._order])

    def names(self, column: str) -> list[str]:
        """The texts behind a column's codes."""
        return list(self._batch.names(column)) if column in self._batch.columns else []

    def of_stream(self, stream: str) -> LogTables:
        """The events of one stream alone."""
        if stream not in self._streams:
            self._streams[stream] = LogTables(self._log, stream)
        return self._streams[stream]

    def codes(self, column: str, wanted: Sequence[str]) -> list[int]:
        """The codes of texts, as far as the log has them."""
        names = self.names(column)
        return [names.index(text) for text in wanted if text in names]

    def code(self, column: str, text: str) -> int:
        """The code of a text, or -1."""
        return next(iter(self.codes(column, [text])), -1)

    def matching(self, column: str, *texts: str) -> Array:
        """Which events have one of these texts in a column."""
        return np.isin(self[column], self.codes(column, texts))

    def starting(self, column: str, prefix: str) -> Array:
        """Which events have a text that begins so in a column."""
        hit = np.array([*(name.startswith(prefix) for name in self.names(column)), False])
        return np.asarray(hit[self[column]])

    def containing(self, column: str, part: str) -> Array:
        """Which events have a text with this part in a column."""
        hit = np.array([*(part in name for name in self.names(column)), False])
        return np.asarray(hit[self[column]])

    @cached_property
    def _grouped(self) -> tuple[Array, Array]:
        """Events with a task, ordered by task and then time, and where each task begins."""
        with_task = np.flatnonzero(self["task"] >= 0)
        order = with_task[np.argsort(self["task"][with_task], kind="stable")]
        task = self["task"][order]
        starts = np.flatnonzero(np.r_[True, task[1:] != task[:-1]]) if len(task) else np.empty(0, np.int64)
        return order, starts

    @cached_property
    def tasks(self) -> Tasks:
        """All tasks."""
        order, starts = self._grouped
        ends = np.r_[starts[1:], len(order)] - 1 if len(starts) else starts
        first, last = order[starts], order[ends]
        return Tasks(
            first=self.seconds[first],
            last=self.seconds[last],
            count=ends - starts + 1,
            kind=self["task_kind"][first],
            workload=self["workload"][first],
            identity=self["identity"][first],
        )

    def of_kind(self, *kinds: str) -> Tasks:
        """The tasks of some kinds."""
        return self.tasks.where(np.isin(self.tasks.kind, self.codes("task_kind", kinds)))

    def task_of(self, mask: Array) -> Array:
        """For the tasks of the log (in the order of `tasks`): how many events of each are in a mask."""
        order, starts = self._grouped
        return np.add.reduceat(mask[order].astype(np.int64), starts) if len(starts) else np.empty(0, np.int64)

    def first_of(self, mask: Array) -> Array:
        """For the tasks of the log: when the first of its events in a mask happened (NaN: none)."""
        order, starts = self._grouped
        times = np.where(mask[order], self.seconds[order], np.inf)
        first = np.minimum.reduceat(times, starts) if len(starts) else np.empty(0)
        return np.where(np.isfinite(first), first, np.nan)

    def first_value(self, column: str) -> Array:
        """For the tasks of the log: the code of a column in its first event."""
        order, starts = self._grouped
        return self[column][order[starts]]

    def span_of(self, mask: Array) -> tuple[Array, Array]:
        """For the tasks of the log: the time between the first and last of its events in a mask, and their number."""
        order, starts = self._grouped
        chosen, seconds = mask[order], self.seconds[order]
        first = np.minimum.reduceat(np.where(chosen, seconds, np.inf), starts)
        last = np.maximum.reduceat(np.where(chosen, seconds, -np.inf), starts)
        return last - first, np.add.reduceat(chosen.astype(np.int64), starts)

    def kind_mask(self, *kinds: str) -> Array:
        """Which tasks of the log are of some kinds."""
        return np.isin(self.tasks.kind, self.codes("task_kind", kinds))

    @property
    def days(self) -> float:
        """How long the log is, in days."""
        return float(self.seconds[-1] / 86_400) if len(self) else 0.0


def per_group(group: Array, values: Array, reduce: Callable[[Array], float]) -> Array:
    """One number for each group; values that do not exist are left out."""
    known = np.isfinite(values)
    group, values = group[known], values[known]
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) != 0]) if len(group) else np.empty(0, np.int64)
    return np.array([reduce(part) for part in np.split(values[order], starts[1:])]) if len(starts) else np.empty(0)
