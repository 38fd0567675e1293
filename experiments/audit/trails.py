"""What the stream has shown so far of each task, session, credential or workload: its *trail*.

For every event a trail says how old its group is, how long the group was silent, how many events it had, and which
columns differ from, or lack, what the group had before.  All of it is causal and independent of how the stream was
cut into batches, so that a rule on a trail is a detector.  Units: microseconds; counts are events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scopedrift.detectors.toolkit.columns import column
from scopedrift.detectors.toolkit.hashing import HashTable, grown, mix
from scopedrift.simulator.log.events import HOUR, MISSING, STREAMS, Array, EventBatch

BREAK: Final = HOUR
"""A session of an identity at one address ends when it is silent for longer (assumed)."""
NEVER: Final = 1 << 62
WITHIN: Final = len(STREAMS) + 1
"""Streams of records, and records of none."""


@dataclass(frozen=True)
class Group:
    """What events are grouped by."""

    name: str
    columns: tuple[str, ...]
    ends_after: int = NEVER
    stream: str = ""
    """Only events of this stream are in a group; empty: all."""


TASK: Final = Group("task", ("task",))
CREDENTIAL: Final = Group("credential", ("credential",))
WORKLOAD: Final = Group("workload", ("workload",))
SESSION: Final = Group("session", ("identity", "source"), BREAK)
ISSUANCE: Final = Group("issuance", ("credential", "operation"), stream="issuance")
"""A credential that is issued, by the kind of issuance: an issued credential may be issued again."""


@dataclass(frozen=True)
class Steps:
    """How each event of a batch continues its group; events that are in none have zeros."""

    age: Array
    """Time since the group's first event."""
    silence: Array
    """Time since the group's last event."""
    fullness: Array
    """How many events the group had before."""
    changed: dict[str, Array]
    """By column: whether its value differs from the last one that the group had in this stream of records."""
    lost: dict[str, Array]
    """By column: whether it is missing where the group had one in this stream of records."""

    def slice(self, start: int, stop: int) -> Steps:
        """The steps of the events from `start` to `stop`."""
        changed, lost = ({n: v[start:stop] for n, v in flags.items()} for flags in (self.changed, self.lost))
        age, silence, fullness = (values[start:stop] for values in (self.age, self.silence, self.fullness))
        return Steps(age, silence, fullness, changed, lost)


@dataclass
class Trail:
    """Follows the groups of one kind through a stream, and the values of some columns within them."""

    group: Group
    followed: tuple[str, ...] = ()
    _table: HashTable = field(default_factory=HashTable)
    _first: Array = field(default_factory=lambda: np.empty(0, np.int64))
    _last: Array = field(default_factory=lambda: np.empty(0, np.int64))
    _count: Array = field(default_factory=lambda: np.empty(0, np.int64))
    _values: dict[str, Array] = field(default_factory=dict)
    """By followed column: the last value, other than missing, of each group in each stream of records."""

    def follow(self, batch: EventBatch) -> Steps:
        """The steps of the next events."""
        rows = np.flatnonzero(self._inside(batch))
        keys = mix(*(batch[name][rows] for name in self.group.columns))
        slot = self._table.add(keys)
        lengths = self._aged(slot, batch["time"][rows])
        age, silence, fullness = (_spread(values, rows, len(batch)) for values in lengths)
        return Steps(age, silence, fullness, *self._compared(batch, slot, rows))

    def _inside(self, batch: EventBatch) -> Array:
        inside = np.ones(len(batch), bool)
        for name in self.group.columns:
            values = column(batch, name)
            inside &= values >= 0 if values is not None else False
        if self.group.stream:
            streams = column(batch, "stream")
            inside &= streams == batch.names("stream").find(self.group.stream) if streams is not None else False
        return inside

    def _aged(self, slot: Array, times: Array) -> tuple[Array, ...]:
        """Age, silence and fullness of the events' groups."""
        size = len(self._table)
        self._first, self._last, self._count = (grown(a, size) for a in (self._first, self._last, self._count))
        order, starts, ends = _runs(slot)
        slot, time = slot[order], times[order]
        before = np.roll(time, 1)
        before[starts] = np.where(self._count[slot[starts]] > 0, self._last[slot[starts]], time[starts])
        silence = np.maximum(time - before, 0)
        broken = silence > self.group.ends_after
        begins = np.flatnonzero(starts | broken)
        span = np.diff(begins, append=len(slot))
        carried = ~broken[begins] & starts[begins] & (self._count[slot[begins]] > 0)
        first = np.repeat(np.where(carried, self._first[slot[begins]], time[begins]), span)
        had = np.where(carried, self._count[slot[begins]], 0)
        fullness = np.arange(len(slot)) - np.repeat(begins - had, span)
        at = slot[ends]
        self._first[at], self._last[at], self._count[at] = first[ends], time[ends], fullness[ends] + 1
        return tuple(_back(values, order) for values in (np.maximum(time - first, 0), silence, fullness))

    def _compared(self, batch: EventBatch, slot: Array, rows: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Which followed columns change, and which are lost, within a group's records of one stream."""
        changed: dict[str, Array] = {}
        lost: dict[str, Array] = {}
        if not self.followed:
            return changed, lost
        stream = column(batch, "stream")
        slot = slot.astype(np.int64) * WITHIN + (0 if stream is None else (stream[rows] + 1) % WITHIN)
        order, starts, ends = _runs(slot)
        slot, place = slot[order], np.arange(len(order))
        begin = np.maximum.accumulate(np.where(starts, place, 0))
        for name in self.followed:
            values = column(batch, name)
            if values is None or name in self.group.columns:
                continue
            held = grown(self._values.get(name, np.empty(0, np.int64)), len(self._table) * WITHIN, MISSING)
            now = values[rows[order]].astype(np.int64)
            latest = np.maximum.accumulate(np.where(now >= 0, place, -1))
            known = np.where(latest >= begin, now[latest], held[slot])
            last = np.roll(known, 1)
            last[starts] = held[slot[starts]]
            held[slot[ends]] = known[ends]
            self._values[name] = held
            changed[name] = _spread(_back((now >= 0) & (last >= 0) & (now != last), order), rows, len(batch))
            lost[name] = _spread(_back((now < 0) & (last >= 0), order), rows, len(batch))
        return changed, lost


def _runs(slot: Array) -> tuple[Array, Array, Array]:
    """The order that brings groups together, which places of it begin a group, and the places that end one."""
    small = len(slot) > 0 and int(slot.max()) < 1 << 16  # 16-bit numbers sort by radix, several times as fast
    order = np.argsort(slot.astype(np.uint16) if small else slot, kind="stable")
    starts = np.diff(slot[order], prepend=-1) != 0
    return order, starts, np.flatnonzero(np.roll(starts, -1))


def _back(values: Array, order: Array) -> Array:
    """Sorted values in the order that they had."""
    found = np.empty_like(values)
    found[order] = values
    return found


def _spread(values: Array, rows: Array, size: int) -> Array:
    """Values of some rows as a column of all of them, zero elsewhere."""
    whole = np.zeros(size, values.dtype)
    whole[rows] = values
    return whole
