"""From stage rows to columns: every event of every stage at once, window by window, in order of arrival.

SimPy processes append *stage rows* (integers) to a `Recorder`.  At each window border the recorder expands
the rows into events: the value of event *i* of a stage is a hash of (workload, task index, stage index, *i*),
so it depends neither on the window's size nor on anything else that happens.  Events that arrive after the
border wait for the next window; what a window holds is bounded, however long the run is.

Speed: what is the same for a whole stage is computed once a row; events are worked on in blocks that fit the
processor's cache; rare cases (retries, walks, grouped tasks, renewals) are repaired by position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from struct import Struct
from typing import Final

import numpy as np
from msgspec.structs import astuple

from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.expansion.rows import BLOCK, DENIED, OUTAGE, Holder, Rows, StageRow
from scopedrift.simulator.expansion.tables import DATASET, Tables
from scopedrift.simulator.log.events import CODED, COLUMNS, DTYPES, MISSING, SECOND, Array
from scopedrift.simulator.randomness import TABLE, hash64

ROW: Final = (*Holder.__struct_fields__, *StageRow.__struct_fields__[1:])
_PACK: Final = Struct(f"{len(ROW)}q").pack
"""A row as bytes: half the time and a fifth of the memory of a list of numbers."""

OUTAGE_FACTOR: Final = 8

CLUMP_GAP: Final = SECOND // 5
"""Between the tasks of a clump on average, at random (assumed: a caller's next request a fifth of a second later)."""
_CLUMPS: Final = np.uint64(0xC1E9)
_PLACES: Final = np.uint64(0x91AC)
Window = tuple[dict[str, Array], Array]
"""The columns of a window (world codes) and the truth code of each event."""


@dataclass
class _Pending:
    """Events that have been expanded and wait for their arrival, by reference to their stage row."""

    row: Array
    index: Array
    picked: Array
    """The index whose draws choose the resource: that of the call which a retry repeats."""
    operation: Array
    outcome: Array
    time: Array
    arrived: Array
    tie: Array
    second: Array
    """The hash that chooses resource and size."""

    @classmethod
    def joined(cls, parts: Sequence[_Pending]) -> _Pending:
        """Several, one after the other."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(np.concatenate([getattr(part, f) for part in parts]) for f in _FIELDS))

    def at(self, positions: Array) -> _Pending:
        """Those at some positions."""
        return _Pending(*(getattr(self, f).take(positions) for f in _FIELDS))


class Recorder:
    """Collects stage rows while SimPy runs, and expands them."""

    def __init__(self, tables: Tables, delivery: Delivery, errors: float = 1.0) -> None:
        """Rows point into `tables`; `errors` multiplies the rates at which calls fail."""
        self._world = tables
        self._operations = tables.operations
        self._delivery = delivery
        self._denied, self._failed = tables.operations.thresholds(errors)
        self._refusals: dict[tuple[int, ...], int] = {(): 0}
        self._packed = bytearray()
        self.count = 0
        """Events in the rows collected since the last window."""
        self._rows: Rows = {name: np.empty(0, np.int64) for name in ROW}
        self._pending: _Pending | None = None
        self._tables = tables.activities.tables()

    def prepare(self) -> None:
        """Compile the activities; call once the world and its injections are complete."""
        self._tables = self._world.activities.tables()

    def refuse(self, operations: tuple[int, ...]) -> int:
        """The number of a set of operations (codes, ascending), for `StageRow.refused`."""
        return self._refusals.setdefault(operations, len(self._refusals))

    def add(self, row: StageRow) -> None:
        """Take one stage."""
        if row.events > 0:
            self._packed += _PACK(*astuple(row.holder), *astuple(row)[1:])
            self.count += row.events

    def flush(self, watermark: int | None) -> Window | None:
        """Expand what was collected; return the events that arrived before `watermark`, in order of arrival.

        No stage may start before a watermark that was flushed earlier.  `None` flushes everything.
        """
        self.prepare()  # incidents compose activities as they go
        table = np.frombuffer(bytes(self._packed), np.int64).reshape(-1, len(ROW))
        self._packed.clear()
        self.count = 0
        new = {name: np.ascontiguousarray(table[:, i]) for i, name in enumerate(ROW)}
        old = len(self._rows["events"])
        rows = {name: np.concatenate([self._rows[name], new[name]]) for name in ROW} if old else new
        parts = [] if self._pending is None else [self._pending]
        parts += self._expanded(new, old)
        self._rows, self._pending = {name: field[:0] for name, field in rows.items()}, None
        if not any(len(part.row) for part in parts):
            return None
        events = _Pending.joined(parts)
        del parts
        order = arrival_order(events.arrived, events.tie)
        if watermark is not None:  # what arrives later stands at the end of the order
            ready = int(np.count_nonzero(events.arrived < watermark))
            waiting, order = events.at(order[ready:]), order[:ready]
            kept, back = np.unique(waiting.row, return_inverse=True)
            self._rows = {name: field[kept] for name, field in rows.items()}
            self._pending = replace(waiting, row=back.astype(np.int32))
        if not len(order):
            return None
        return self._window(rows, events, order)

    def _expanded(self, rows: Rows, offset: int) -> list[_Pending]:
        """All events of new rows, block by block."""
        ends = np.cumsum(rows["events"])
        parts, first = [], 0
        while first < len(ends):
            done = ends[first - 1] if first else 0
            last = max(int(np.searchsorted(ends, done + BLOCK, side="right")), first + 1)
            parts.append(self._expand({name: field[first:last] for name, field in rows.items()}, offset + first))
            first = last
        return parts

    def _expand(self, rows: Rows, offset: int) -> _Pending:
        """When each event of new rows happens, arrives, and which operation it is."""
        tables, delivery = self._tables, self._delivery
        count, code = rows["events"], rows["activity"]
        row = np.repeat(np.arange(len(count)), count)
        index = np.arange(len(row)) - (np.cumsum(count) - count).take(row)
        keys = self._keys(rows).take(row)
        even, odd = index * 2, index * 2 + 1
        first, tie = hash64(keys, even), hash64(keys, odd)
        # time within the stage
        unit = (first >> np.uint64(32)).view(np.int64) * 2.0**-32
        mode = tables.spread[code]
        if (mode != 1).any():  # paced, or a start-up flow: in sequence, most of it at once
            modes = mode.take(row)
            placed = (index + unit) * (1.0 / np.maximum(count, 1)).take(row)
            unit = np.where(modes == 0, placed, np.where(modes == 2, placed * placed, unit))
        time = rows["start"].take(row) + (unit * rows["duration"].take(row)).astype(np.int64)
        if rows["span"].any():
            own = np.flatnonzero((rows["span"] > 0).take(row))
            time[own] = self._paced(rows, row[own], index[own], keys[own], unit[own])
        # operation; a failed call outside a sequence or chain is tried again: event i + 1 repeats event i
        bits = (first & np.uint64(TABLE - 1)).view(np.int64)
        length, parts, stay = tables.steps[code], tables.parts[code], tables.stay[code]
        if length.any():
            listed = np.flatnonzero((length > 0).take(row))
            bits[listed] = index[listed] % length.take(row[listed])
        activity, picked = code.take(row), index
        if (parts > 1).any() or stay.any():
            part = index % parts.take(row)
            moves = ((tie >> np.uint64(10)) & np.uint64(0xFFFF)).view(np.int64) >= stay.take(row)
            begins = (part == 0) & (moves | (index == 0))
            bits = bits[np.maximum.accumulate(np.where(begins, np.arange(len(row)), 0))]
            activity = activity + part
            picked = index - part  # a chain is about one thing
        operation = tables.operation.ravel().take(activity * TABLE + bits).astype(np.int64)
        draw = ((first >> np.uint64(10)) & np.uint64(0xFFFF)).view(np.int64)
        outcome = self._outcomes(rows, row, operation, draw)
        retried = (outcome[:-1] > 0) & (index[1:] > 0) & ((length == 0) & (parts == 1)).take(row[1:])
        again = np.flatnonzero(retried) + 1
        operation[again] = operation[again - 1]
        outcome[again] = self._outcomes(rows, row[again], operation[again], draw[again])
        picked = picked.copy()
        picked[again] -= 1
        second = tie.copy()
        other = np.flatnonzero(picked != index)
        second[other] = hash64(keys[other], picked[other] * 2 + 1)
        # delivery
        faults = delivery.faults(keys, even)
        arrived = time + delivery.delay(operation, faults)
        events = _Pending(
            (row + offset).astype(np.int32), index.astype(np.int32), picked.astype(np.int32),
            operation.astype(np.int16), outcome, time, arrived, tie, second,
        )  # fmt: skip
        kept = delivery.kept(operation, faults)
        twice = np.flatnonzero(kept & delivery.duplicated(operation, faults))
        if not kept.all():
            events = events.at(np.flatnonzero(kept))
        if len(twice):
            late = delivery.delay(operation[twice], faults[twice] ^ tie[twice])
            copies = [getattr(events, f)[np.cumsum(kept)[twice] - 1] for f in _FIELDS]
            copy = replace(_Pending(*copies), arrived=time[twice] + late, tie=tie[twice] + np.uint64(1))
            events = _Pending.joined([events, copy])
        return events

    def _paced(self, rows: Rows, row: Array, index: Array, keys: Array, unit: Array) -> Array:
        """When the events of stages with many tasks happen: in their task's span, which begins with its clump."""
        size = np.maximum(self._tables.per_task[rows["activity"]], 1)[row]
        task, part = np.divmod(index, size)
        clump, place = np.divmod(task, rows["clump"][row])
        begins = (hash64(keys ^ _CLUMPS, clump) >> np.uint64(32)) * 2.0**-32 * rows["duration"][row]
        begins += (hash64(keys ^ _PLACES, task) >> np.uint64(32)) * 2.0**-31 * place * CLUMP_GAP
        return np.asarray(rows["start"][row] + (begins + (part + unit) / size * rows["span"][row]).astype(np.int64))

    def _keys(self, rows: Rows) -> Array:
        actors = self._world.actors.arrays()
        task = hash64(actors["key"][rows["actor"]], rows["job"] + 1)
        return hash64(task, rows["stage"])

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

    def _window(self, rows: Rows, events: _Pending, order: Array) -> Window:
        """Every column of the events at the positions `order`, block by block."""
        stages = self._stages(rows)
        columns = {name: np.empty(len(order), DTYPES[name]) for name in COLUMNS}
        truth = np.empty(len(order), np.int64)
        for first in range(0, len(order), BLOCK):
            block = slice(first, first + BLOCK)
            made, truth[block] = self._columns(stages, events, order[block])
            for name, column in made.items():
                columns[name][block] = column
        return columns, truth

    def _stages(self, rows: Rows) -> Rows:
        """What all events of a stage have in common, by row."""
        actor = rows["actor"]
        actors = {name: field[actor] for name, field in self._world.actors.arrays().items() if field.ndim == 1}
        standing = actors["key_made_at"] >= 0  # a standing key belongs to no session
        session = hash64(actors["credential_key"], np.where(standing, 0, rows["session"]))
        fixed = np.maximum(rows["epoch"], 0)
        renewed = (rows["epoch"] < 0) & (actors["half_life"] > 0)
        task = (hash64(actors["task_key"], rows["job"]) >> np.uint64(1)).view(np.int64)
        return {
            **{name: actors[name].astype(np.int32) for name in _PER_ACTOR},
            "behalf": rows["behalf"].astype(np.int32),
            "actor": actor,
            "own": rows["data"],
            "truth": rows["truth"],
            "job": rows["job"],
            "grouped": self._tables.per_task[rows["activity"]],
            "task_key": actors["task_key"],
            "task": task,
            "sources": actors["sources"],
            "source": self._source(actors["sources"], task),
            "begun": np.where(standing, actors["key_made_at"], rows["anchor"]),
            "half_life": np.where(renewed, actors["half_life"], np.iinfo(np.int64).max),
            "session": session,
            "credential": (hash64(session, fixed) >> np.uint64(1)).view(np.int64),
        }

    def _source(self, sources: Array, task: Array) -> Array:
        """The address that a task calls from."""
        items, start, length = self._world.pools.arrays()
        place = (task & 0xFFFF) % np.maximum(length[sources], 1)
        return np.where(sources >= 0, items[np.minimum(start[sources] + place, len(items) - 1)], np.int32(MISSING))

    def _columns(self, stages: Rows, events: _Pending, at: Array) -> Window:
        """Every column of the events at some positions."""
        actors, operations = self._world.actors.arrays(), self._operations
        items, pool_start, pool_length = self._world.pools.arrays()
        row, operation = events.row.take(at).astype(np.int64), events.operation.take(at).astype(np.int64)
        second, outcome, time = events.second.take(at), events.outcome.take(at), events.time.take(at)
        # which resource
        slot = operations.slot.take(operation)
        cell = stages["actor"].take(row) * actors["pools"].shape[1] + slot
        pool = actors["pools"].ravel().take(cell)
        if (stages["own"] >= 0).any():
            own = stages["own"].take(row)
            pool = np.where((own >= 0) & (slot == self._operations.slots.find(DATASET)), own, pool)
        unit = (second >> np.uint64(32)).view(np.int64) * 2.0**-32
        skew = operations.pick.take(operation)
        draw = np.where(skew >= 2, unit * unit, unit)
        draw = np.where(skew >= 3, draw * unit, draw)
        length = pool_length.take(pool)
        place = (draw * length).astype(np.int64)
        walked = np.flatnonzero(skew == 0)
        place[walked] = events.picked[at[walked]] % np.maximum(length[walked], 1)
        resource = items.take(np.minimum(pool_start.take(pool) + place, len(items) - 1))
        np.putmask(resource, pool < 0, MISSING)
        project = self._world.resource_projects().take(resource)
        project = np.where((resource >= 0) & (project >= 0), project, stages["project"].take(row))
        size = operations.sizes.ravel().take(operation * TABLE + (second & np.uint64(TABLE - 1)).view(np.int64))
        np.putmask(size, outcome > 0, MISSING)
        # task and source
        task, source, job = stages["task"].take(row), stages["source"].take(row), stages["job"].take(row)
        group = stages["grouped"].take(row)
        several = np.flatnonzero(group > 0)
        if len(several):
            its = row[several]
            job[several] += events.index[at[several]] // group[several]
            task[several] = (hash64(stages["task_key"].take(its), job[several]) >> np.uint64(1)).view(np.int64)
            source[several] = self._source(stages["sources"].take(its), task[several])
        recorded = (job >= 0) & self._delivery.context(operation, task)
        # credential
        credential, half_life = stages["credential"].take(row), stages["half_life"].take(row)
        age = time - stages["begun"].take(row)
        renewed = np.flatnonzero(age >= half_life)
        epoch = age[renewed] // half_life[renewed]
        session = stages["session"].take(row[renewed])
        credential[renewed] = (hash64(session, epoch) >> np.uint64(1)).view(np.int64)
        columns: dict[str, Array] = {
            "time": time + self._delivery.skew(operation, source),
            "arrived": events.arrived.take(at),
            "stream": operations.stream.take(operation),
            "identity": stages["identity"].take(row),
            "credential": credential,
            "credential_kind": stages["credential_kind"].take(row),
            "workload": stages["workload"].take(row),
            "task": np.where(recorded, task, MISSING),
            "task_kind": np.where(recorded, stages["task_kind"].take(row), np.int32(MISSING)),
            "on_behalf_of": stages["behalf"].take(row),
            "service": operations.service.take(operation),
            "operation": operations.operation.take(operation),
            "access": self._delivery.access.take(operation),
            "resource": resource,
            "project": project,
            "image": np.where(self._delivery.image.take(operation), stages["image"].take(row), np.int32(MISSING)),
            "source": source,
            "outcome": outcome,
            "bytes": size,
        }
        return columns, np.maximum(stages["truth"].take(row), actors["changed"].ravel().take(cell))


_FIELDS: Final = ("row", "index", "picked", "operation", "outcome", "time", "arrived", "tie", "second")
_PER_ACTOR: Final = ("identity", "credential_kind", "workload", "task_kind", "project", "image")


def arrival_order(arrived: Array, tie: Array) -> Array:
    """The order by (arrived, tie): one sort of a packed key, and a repair of the rare equal neighbours."""
    base = int(arrived.min())
    spare = 63 - max(int(arrived.max()) - base, 1).bit_length()
    packed = ((arrived - base) << spare) | (tie >> np.uint64(64 - spare)).astype(np.int64)
    order = np.argsort(packed)
    ordered = packed[order]
    if (ordered[1:] == ordered[:-1]).any():
        return np.lexsort((tie, arrived))
    return order


class ArrivalCodes:
    """Renumbers the world's codes in order of first arrival, so that a code betrays nothing."""

    def __init__(self, tables: Tables, add: Callable[[str, str], int]) -> None:
        self._world = tables
        self._add = add
        self._codes = {column: np.full(1, MISSING, np.int32) for column in CODED}

    def translate(self, columns: Mapping[str, Array]) -> None:
        """Replaces the codes of a window by arrival codes, in place."""
        for name in CODED:
            known = self._known(name)
            for first in range(0, len(columns[name]), BLOCK):
                block = columns[name][first : first + BLOCK]
                mapped = known.take(block)
                if mapped.min() < MISSING:
                    self._add_new(name, known, block[mapped < MISSING])
                    mapped = known.take(block)
                block[:] = mapped

    def _known(self, name: str) -> Array:
        """The arrival code of each of a column's codes, -2 for those not seen yet; the last entry is for -1."""
        known, names = self._codes[name], self._world.names[name]
        if len(known) < len(names) + 1:
            grown = np.full(len(names) + 1, -2, np.int32)
            grown[: len(known) - 1] = known[:-1]
            grown[-1] = MISSING
            known = self._codes[name] = grown
        return known

    def _add_new(self, name: str, known: Array, new: Array) -> None:
        """Number codes by their first place in `new`."""
        codes, first = np.unique(new, return_index=True)
        for code in codes[np.argsort(first)].tolist():
            known[code] = self._add(name, self._world.names[name][code])
