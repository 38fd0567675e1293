"""From stage rows to occurrences: when each event happens and arrives, which operation it is, and how it ends.

The value of event *i* of a stage is a hash of (actor, task number, stage number, *i*), so it depends neither on where
the log is cut into windows nor on anything else that happens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np

from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.expansion.rows import BLOCK, DENIED, OUTAGE, Rows
from scopedrift.simulator.expansion.tables import Tables
from scopedrift.simulator.log.events import SECOND, Array
from scopedrift.simulator.randomness import TABLE, hash64

OUTAGE_FACTOR: Final = 8
"""How many times as often calls fail in an outage (assumed)."""
CLUMP_GAP: Final = SECOND // 5
"""Between the tasks of a clump on average, at random (assumed: a caller's next request a fifth of a second later)."""
ROUND: Final = 32
"""A stage goes through its calls in order once for so many events (assumed)."""
UNORDERED: Final = 0.25
"""Share of the calls of such a stage that are made at any time (assumed)."""
_MOMENT: Final = np.uint64(63 << 26)
"""The bits of a draw that decide it."""
_UNORDERED: Final = np.uint64(round(UNORDERED * 64) << 26)
_CLUMPS: Final = np.uint64(0xC1E9)
_PLACES: Final = np.uint64(0x91AC)


@dataclass
class Occurrences:
    """Events by what is drawn for each, with the stage row that they belong to."""

    row: Array
    index: Array
    """Which event of its stage."""
    picked: Array
    """The index whose draws choose the resource: that of the call which a retry repeats."""
    operation: Array
    outcome: Array
    """Index into `OUTCOMES`."""
    time: Array
    arrived: Array
    tie: Array
    """The hash that orders events that arrive at the same time."""
    second: Array
    """The hash that chooses resource and size."""

    @classmethod
    def joined(cls, parts: Sequence[Occurrences]) -> Occurrences:
        """Several, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, f) for part in parts]) for f in _FIELDS))

    def at(self, positions: Array) -> Occurrences:
        """Those at some positions."""
        return Occurrences(*(getattr(self, f).take(positions) for f in _FIELDS))


_FIELDS: Final = tuple(field.name for field in fields(Occurrences))


class Expander:
    """Expands stage rows."""

    def __init__(self, tables: Tables, delivery: Delivery, errors: float) -> None:
        """Rows point into `tables`; `errors` multiplies the rates at which calls fail."""
        self._tables = tables
        self._activities = tables.activities.arrays()
        self._delivery = delivery
        self._denied, self._failed = tables.operations.thresholds(errors)
        self._refusals: dict[tuple[int, ...], int] = {(): 0}

    def refuse(self, operations: tuple[int, ...]) -> int:
        """The number of a set of operations (codes, ascending), for `StageRow.refused`."""
        return self._refusals.setdefault(operations, len(self._refusals))

    def expand(self, rows: Rows, offset: int) -> list[Occurrences]:
        """All events of some rows, block by block; `offset` is the number of the first row."""
        self._activities = self._tables.activities.arrays()  # incidents compose activities as they go
        ends = np.cumsum(rows["events"])
        parts, first = [], 0
        while first < len(ends):
            done = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, done + BLOCK, side="right")), first + 1)
            parts.append(self._block({name: field[first:last] for name, field in rows.items()}, offset + first))
            first = last
        return parts

    def _block(self, rows: Rows, offset: int) -> Occurrences:
        """All events of a few rows."""
        count = rows["events"]
        row = np.repeat(np.arange(len(count)), count)
        index = np.arange(len(row)) - (np.cumsum(count) - count).take(row)
        tasks, keys = (each.take(row) for each in self._keys(rows))
        first, tie = hash64(keys, index * 2), hash64(keys, index * 2 + 1)
        time, place = self._times(rows, row, index, tasks, first)
        operation, outcome, picked = self._calls(rows, row, index, first, tie, place)
        second = tie.copy()
        other = np.flatnonzero(picked != index)
        second[other] = hash64(keys[other], picked[other] * 2 + 1)
        faults = self._delivery.faults(keys, index * 2)
        events = Occurrences(
            row=(row + offset).astype(np.int32),
            index=index.astype(np.int32),
            picked=picked.astype(np.int32),
            operation=operation.astype(np.int16),
            outcome=outcome,
            time=time,
            arrived=time + self._delivery.delay(operation, faults),
            tie=tie,
            second=second,
        )
        return self._delivered(events, operation, faults)

    def _times(self, rows: Rows, row: Array, index: Array, tasks: Array, first: Array) -> tuple[Array, Array]:
        """When each event happens, and which part of its stage (or of its task, in a stage of many) is over by then."""
        unit = (first >> np.uint64(32)).view(np.int64) * 2.0**-32
        mode = self._activities.spread[rows["activity"]]
        if (mode != 1).any():  # paced, or a start-up flow: in sequence, most of it at once
            modes = mode.take(row)
            placed = (index + unit) * (1.0 / np.maximum(rows["events"], 1)).take(row)
            unit = np.where(modes == 0, placed, np.where(modes == 2, placed * placed, unit))
        time = rows["start"].take(row) + (unit * rows["duration"].take(row)).astype(np.int64)
        if rows["span"].any():
            own = np.flatnonzero((rows["span"] > 0).take(row))
            time[own], unit[own] = self._paced(rows, row[own], index[own], tasks[own], unit[own])
        return time, unit

    def _calls(
        self, rows: Rows, row: Array, index: Array, first: Array, tie: Array, place: Array
    ) -> tuple[Array, Array, Array]:
        """Of each event: its operation, how it ends, and the index whose draws choose the resource.

        Where a stage goes through its calls in order, `place` chooses most of them.  A failed call outside a sequence
        or chain is tried again: event i + 1 repeats event i.
        """
        code, tables = rows["activity"], self._activities
        bits = (first & np.uint64(TABLE - 1)).view(np.int64)
        length, parts, stay = tables.steps[code], tables.parts[code], tables.stay[code]
        if (ordered := tables.ordered[code]).any():
            rounds = np.where(rows["span"] > 0, 1, 1 + rows["events"] // ROUND) * float(TABLE)
            due = (place * rounds.take(row)).astype(np.int64) & (TABLE - 1)
            np.copyto(bits, due, where=ordered.take(row) & (first & _MOMENT >= _UNORDERED))
        if length.any():
            listed = np.flatnonzero((length > 0).take(row))
            bits[listed] = index[listed] % length.take(row[listed])
        activity, picked = code.take(row), index.copy()
        if (parts > 1).any() or stay.any():
            part = index % parts.take(row)
            moves = ((tie >> np.uint64(10)) & np.uint64(0xFFFF)).view(np.int64) >= stay.take(row)
            begins = (part == 0) & (moves | (index == 0))
            bits = bits[np.maximum.accumulate(np.where(begins, np.arange(len(row)), 0))]
            activity += part
            picked -= part  # a chain is about one thing
        operation = tables.operation.ravel().take(activity * TABLE + bits).astype(np.int64)
        draw = ((first >> np.uint64(10)) & np.uint64(0xFFFF)).view(np.int64)
        outcome = self._outcomes(rows, row, operation, draw)
        retried = (outcome[:-1] > 0) & (index[1:] > 0) & ((length == 0) & (parts == 1)).take(row[1:])
        again = np.flatnonzero(retried) + 1
        operation[again] = operation[again - 1]
        outcome[again] = self._outcomes(rows, row[again], operation[again], draw[again])
        picked[again] -= 1
        return operation, outcome, picked

    def _delivered(self, events: Occurrences, operation: Array, faults: Array) -> Occurrences:
        """Without those that are lost, and with copies of those that are delivered twice."""
        kept = self._delivery.kept(operation, faults)
        twice = np.flatnonzero(kept & self._delivery.duplicated(operation, faults))
        if not len(twice):
            return events if kept.all() else events.at(np.flatnonzero(kept))
        copy = events.at(twice)
        late = self._delivery.delay(operation[twice], faults[twice] ^ copy.tie)
        copy = replace(copy, arrived=copy.time + late, tie=copy.tie + np.uint64(1))
        return Occurrences.joined([events.at(np.flatnonzero(kept)), copy])

    def _paced(self, rows: Rows, row: Array, index: Array, tasks: Array, unit: Array) -> tuple[Array, Array]:
        """When the events of stages with many tasks happen: in their task's span, which begins with its clump.

        Beside it, which part of their task is over by then.
        """
        size = np.maximum(self._activities.per_task[rows["activity"]], 1)[row]
        task, part = np.divmod(index, size)
        clump, place = np.divmod(task, rows["clump"][row])
        begins = (hash64(tasks ^ _CLUMPS, clump) >> np.uint64(32)) * 2.0**-32 * rows["duration"][row]
        begins += (hash64(tasks ^ _PLACES, task) >> np.uint64(32)) * 2.0**-31 * place * CLUMP_GAP
        over = (part + unit) / size
        return rows["start"][row] + (begins + over * rows["span"][row]).astype(np.int64), over

    def _keys(self, rows: Rows) -> tuple[Array, Array]:
        """The keys of each row's task, and of its stage."""
        actors = self._tables.actors.arrays()
        task = hash64(actors["key"][rows["actor"]], rows["job"] + 1)
        return task, hash64(task, rows["stage"])

    def _outcomes(self, rows: Rows, row: Array, operation: Array, draw: Array) -> Array:
        """How calls end, as an index into `OUTCOMES`; `draw` has 16 bits."""
        how, refusal = rows["outcome"], rows["refused"]
        denied = draw < self._denied.take(operation)
        if (how == DENIED).any():
            denied |= (how == DENIED).take(row)
        if refusal.any():
            refused = np.zeros((len(self._refusals), len(self._denied)), bool)
            for operations, number in self._refusals.items():
                refused[number, list(operations)] = True
            denied |= refused[refusal.take(row), operation]
        limit = self._failed.take(operation)
        if (how == OUTAGE).any():
            limit = limit * np.where(how == OUTAGE, OUTAGE_FACTOR, 1).take(row)
        return np.where(denied, np.int8(1), (draw < limit) * np.int8(2))
