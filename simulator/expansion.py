"""From stage rows to columns: every event of every stage at once, window by window, in order of arrival.

SimPy processes append *stage rows* (integers) to a `Recorder`.  At each window border the recorder expands
the rows into events: the value of event *i* of a stage is a hash of (workload, task index, stage index, *i*),
so it depends neither on the window's size nor on anything else that happens.  Events that arrive after the
border wait for the next window; what a window holds is bounded, however long the run is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.simulator.activities import Operations
from scopedrift.simulator.events import CODED, MISSING, Array
from scopedrift.simulator.randomness import TABLE, hash64
from scopedrift.simulator.telemetry.delivery import Delivery

if TYPE_CHECKING:
    from scopedrift.simulator.world import World

ROW: Final = (
    "activity", "actor", "start", "duration", "count", "job", "stage",
    "session", "anchor", "epoch", "outcome", "truth", "behalf", "data",
)  # fmt: skip
"""The fields of a stage row: see `Recorder.emit`."""

NORMAL, DENIED, OUTAGE = 0, 1, 2
"""How a stage's calls end: at the usual rates, all denied, or failing eight times as often."""
OUTAGE_FACTOR: Final = 8
REFUSALS: Final = 4
"""Added to the outcome of a stage for each number of the set of operations that a policy refuses it."""

Window = tuple[dict[str, Array], Array]
"""The columns of a window (world codes) and the truth code of each event."""


@dataclass
class _Pending:
    """Events that have been expanded and wait for their arrival, by reference to their stage row."""

    row: Array
    index: Array
    picked: Array
    operation: Array
    time: Array
    arrived: Array
    tie: Array


class Recorder:
    """Collects stage rows while SimPy runs, and expands them."""

    def __init__(self, world: World, operations: Operations, delivery: Delivery) -> None:
        self._world = world
        self._operations = operations
        self._delivery = delivery
        self._denied, self._failed = operations.thresholds(world.scenario.errors)
        self._refusals: dict[tuple[int, ...], int] = {(): 0}
        self._flat: list[int] = []
        self.count = 0
        """Events in the rows collected since the last window."""
        self._rows = np.empty((0, len(ROW)), np.int64)
        self._pending: _Pending | None = None
        self._tables = world.activities.tables()

    def prepare(self) -> None:
        """Compile the activities; call once the world and its injections are complete."""
        self._tables = self._world.activities.tables()

    def refuse(self, operations: tuple[int, ...]) -> int:
        """What to add to a stage's outcome so that its calls of these operations are denied."""
        return REFUSALS * self._refusals.setdefault(operations, len(self._refusals))

    def emit(
        self,
        activity: int,
        actor: int,
        start: int,
        duration: int,
        count: int,
        job: int,
        stage: int,
        session: int = 0,
        anchor: int = 0,
        epoch: int = -1,
        outcome: int = NORMAL,
        truth: int = 0,
        behalf: int = MISSING,
        data: int = MISSING,
    ) -> None:
        """Add one stage: `count` events of `activity` by `actor` within `duration` microseconds from `start`.

        `job` numbers the tasks of a workload (-1: outside any task) and `stage` the stages of a task: together
        they key its draws.  `session` names the credential session and `anchor` when it was issued; `epoch`
        fixes a stolen credential that is not renewed (-1: renewed at half-life).  `outcome` is one of `NORMAL`,
        `DENIED`, `OUTAGE`; `truth` the code of the injection that caused it (0: none); `behalf` the identity on
        whose behalf it acts; `data` a pool that replaces the actor's in the slot `dataset`.
        """
        if count <= 0:
            return
        self._flat += (
            activity, actor, start, duration, count, job, stage,
            session, anchor, epoch, outcome, truth, behalf, data,
        )  # fmt: skip
        self.count += count

    def flush(self, watermark: int | None) -> Window | None:
        """Expand what was collected; return the events that arrived before `watermark`, in order of arrival.

        No stage may start before a watermark that was flushed earlier.  `None` flushes everything.
        """
        new = np.array(self._flat, np.int64).reshape(-1, len(ROW))
        self._flat.clear()
        self.count = 0
        old = len(self._rows)
        rows = np.concatenate([self._rows, new]) if old else new
        events = self._expand(new, old)
        if self._pending is not None:
            before = self._pending
            events = _Pending(*(np.concatenate([getattr(before, f), getattr(events, f)]) for f in _FIELDS))
        if not len(events.row):
            self._rows, self._pending = rows[:0], None
            return None
        ready = np.arange(len(events.row))
        if watermark is None:
            self._rows, self._pending = rows[:0], None
        else:
            waiting = np.flatnonzero(events.arrived >= watermark)
            ready = np.flatnonzero(events.arrived < watermark)
            kept, back = np.unique(events.row[waiting], return_inverse=True)
            self._rows = rows[kept]
            self._pending = _Pending(back, *(getattr(events, f)[waiting] for f in _FIELDS[1:]))
        if not len(ready):
            return None
        order = ready[arrival_order(events.arrived[ready], events.tie[ready])]
        return self._columns(rows, _Pending(*(getattr(events, f)[order] for f in _FIELDS)))

    def _expand(self, rows: Array, offset: int) -> _Pending:
        """When each event of new rows happens, arrives, and which operation it is."""
        tables = self._tables
        count = rows[:, 4]
        row = np.repeat(np.arange(len(rows), dtype=np.int32), count)
        starts = np.cumsum(count) - count
        index = np.arange(len(row), dtype=np.int64) - starts[row]
        keys = self._keys(rows)[row]
        first = hash64(keys, index * 2)
        # time within the stage
        unit = (first >> np.uint64(32)) * 2.0**-32
        duration, mode = rows[:, 3], tables.spread[rows[:, 0]]
        if (mode == 0).any():
            even = (mode == 0)[row]
            unit = np.where(even, (index + unit) * (1.0 / np.maximum(count, 1))[row], unit)
        if (mode == 2).any():  # a start-up flow: in sequence, most of it at once
            front = (mode == 2)[row]
            placed = (index + unit) * (1.0 / np.maximum(count, 1))[row]
            unit = np.where(front, placed * placed, unit)
        time = rows[:, 2][row] + (unit * duration[row]).astype(np.int64)
        # operation; a failed call outside a sequence or chain is tried again: event i + 1 repeats event i
        tie = hash64(keys, index * 2 + 1)
        bits = (first & np.uint64(TABLE - 1)).astype(np.int16)
        length = tables.steps[rows[:, 0]]
        if length.any():
            at = length[row]
            bits = np.where(at > 0, index % np.maximum(at, 1), bits).astype(np.int16)
        activity = rows[:, 0][row]
        parts = tables.parts[rows[:, 0]]
        if (parts > 1).any() or tables.stay[rows[:, 0]].any():
            part = index % parts[row]
            moves = ((tie >> np.uint64(10)) & np.uint64(0xFFFF)).astype(np.int64) >= tables.stay[activity]
            begins = (part == 0) & (moves | (index == 0))
            bits = bits[np.maximum.accumulate(np.where(begins, np.arange(len(row)), 0))]
            activity = activity + part
        operation = tables.operation[activity, bits]
        bad = self._fails(operation, first, rows[:, 10][row])[0]
        again = np.zeros(len(row), bool)
        again[1:] = bad[:-1] & (index[1:] > 0) & ((length == 0) & (parts == 1))[row[1:]]
        moved = np.flatnonzero(again)
        operation[moved] = operation[moved - 1]
        picked = index - again - np.where(parts[row] > 1, index % parts[row], 0)  # a chain is about one thing
        faults = self._delivery.faults(keys, index * 2)
        arrived = time + self._delivery.delay(operation, faults)
        events = _Pending(row + np.int32(offset), index, picked, operation, time, arrived, tie)
        kept = self._delivery.kept(operation, faults)
        twice = np.flatnonzero(kept & self._delivery.duplicated(operation, faults))
        if len(twice):
            late = self._delivery.delay(operation[twice], faults[twice] ^ tie[twice])
            events = _Pending(*(np.concatenate([getattr(events, f), getattr(events, f)[twice]]) for f in _FIELDS))
            events.arrived[len(row) :] = time[twice] + late
            events.tie[len(row) :] += np.uint64(1)
            kept = np.concatenate([kept, np.ones(len(twice), bool)])
        if not kept.all():
            events = _Pending(*(getattr(events, f)[kept] for f in _FIELDS))
        return events

    def _keys(self, rows: Array) -> Array:
        actors = self._world.actors.arrays()
        task = hash64(actors["key"][rows[:, 1]], rows[:, 5] + 1)
        return hash64(task, rows[:, 6])

    def _fails(self, operation: Array, first: Array, outcome: Array) -> tuple[Array, Array]:
        """Whether each call is denied or fails, and whether it is denied."""
        draw = ((first >> np.uint64(10)) & np.uint64(0xFFFF)).astype(np.int64)
        how = outcome % REFUSALS
        factor = np.where(how == OUTAGE, OUTAGE_FACTOR, 1)
        denied = (draw < self._denied[operation]) | (how == DENIED)
        if len(self._refusals) > 1:
            refused = np.zeros((len(self._refusals), len(self._denied)), bool)
            for operations, number in self._refusals.items():
                refused[number, list(operations)] = True
            denied |= refused[outcome // REFUSALS, operation]
        return denied | (draw < self._failed[operation] * factor), denied

    def _columns(self, rows: Array, events: _Pending) -> Window:
        """Every column of events that are in order of arrival."""
        actors = self._world.actors.arrays()
        operations = self._operations
        items, pool_start, pool_length = self._world.pools.arrays()
        row, operation = events.row, events.operation
        actor_of = rows[:, 1]
        keys = self._keys(rows)[row]
        first = hash64(keys, events.index * 2)
        second = hash64(keys, events.picked * 2 + 1)
        # which resource
        slot = operations.slot[operation]
        actor = actor_of[row]
        pool = actors["pools"][actor, slot]
        own = rows[:, 13][row]
        if (own >= 0).any():
            pool = np.where((own >= 0) & (slot == self._world.dataset_slot), own, pool)
        unit = (second >> np.uint64(32)) * 2.0**-32
        skew = operations.pick[operation]
        draw = np.where(skew >= 2, unit * unit, unit)
        draw = np.where(skew >= 3, draw * unit, draw)
        length = pool_length[pool]
        at = np.where(skew == 0, events.picked % np.maximum(length, 1), (draw * length).astype(np.int64))
        resource = np.where(pool >= 0, items[np.minimum(pool_start[pool] + at, len(items) - 1)], MISSING)
        projects = self._world.resource_projects()
        project = np.where(resource >= 0, projects[resource], MISSING)
        project = np.where(project >= 0, project, actors["project"][actor_of].astype(np.int32)[row])
        # how it ended
        bad, denied = self._fails(operation, first, rows[:, 10][row])
        outcome = np.where(denied, 1, np.where(bad, 2, 0)).astype(np.int32)
        sizes = operations.sizes[operation, (second & np.uint64(TABLE - 1)).astype(np.int64)]
        # task, credential, source
        job = rows[:, 5]
        task_key = actors["task_key"][actor_of]
        jobs = job[row]
        grouped = self._tables.per_task[rows[:, 0]]
        if grouped.any():
            size = grouped[row]
            jobs = np.where(size > 0, jobs + events.index // np.maximum(size, 1), jobs)
        task_id = (hash64(task_key[row], jobs) >> np.uint64(1)).astype(np.int64)
        sources = actors["sources"][actor_of][row]
        place = (task_id & 0xFFFF) % np.maximum(pool_length[sources], 1)
        source = np.where(sources >= 0, items[np.minimum(pool_start[sources] + place, len(items) - 1)], MISSING)
        recorded = (jobs >= 0) & self._delivery.context(operation, task_id)
        half_life = actors["half_life"][actor_of]
        made_at = actors["key_made_at"][actor_of]  # a standing key belongs to no session
        begun = np.where(made_at >= 0, made_at, rows[:, 8])
        age = np.maximum(events.time - begun[row], 0) // np.maximum(half_life, 1)[row]
        fixed = rows[:, 9][row]
        epoch = np.where(fixed >= 0, fixed, np.where(half_life[row] > 0, age, 0))
        session = hash64(actors["credential_key"][actor_of], np.where(made_at >= 0, 0, rows[:, 7]))
        credential = (hash64(session[row], epoch) >> np.uint64(1)).astype(np.int64)

        def per_row(name: str) -> Array:
            return np.asarray(actors[name][actor_of].astype(np.int32)[row])

        columns: dict[str, Array] = {
            "time": events.time + self._delivery.skew(operation, source),
            "arrived": events.arrived,
            "stream": operations.stream[operation],
            "identity": per_row("identity"),
            "credential": credential,
            "credential_kind": per_row("credential_kind"),
            "workload": per_row("workload"),
            "task": np.where(recorded, task_id, MISSING),
            "task_kind": np.where(recorded, per_row("task_kind"), np.int32(MISSING)),
            "on_behalf_of": rows[:, 12].astype(np.int32)[row],
            "service": operations.service[operation],
            "operation": operations.operation[operation],
            "access": operations.access[operation],
            "resource": resource.astype(np.int32),
            "project": project.astype(np.int32),
            "image": np.where(self._delivery.image[operation], per_row("image"), np.int32(MISSING)),
            "source": source.astype(np.int32),
            "outcome": outcome,
            "bytes": np.where(outcome == 0, sizes, MISSING),
        }
        truth = np.maximum(rows[:, 11][row], actors["changed"][actor, slot])
        return columns, truth


_FIELDS: Final = ("row", "index", "picked", "operation", "time", "arrived", "tie")


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

    def __init__(self, world: World, add: Callable[[str, str], int]) -> None:
        self._world = world
        self._add = add
        self._codes = {column: np.full(1, MISSING, np.int32) for column in CODED}

    def translate(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """The same columns with arrival codes."""
        return {n: self._column(n, c) if n in CODED else c for n, c in columns.items()}

    def _column(self, name: str, codes: Array) -> Array:
        names = self._world.names[name]
        known = self._codes[name]
        if len(known) < len(names) + 1:  # the last entry stands for "missing" (code -1)
            grown = np.full(len(names) + 1, -2, np.int32)
            grown[: len(known) - 1] = known[:-1]
            grown[-1] = MISSING
            known = self._codes[name] = grown
        mapped = known[codes]
        new = np.flatnonzero(mapped == -2)
        if len(new):
            values, at = np.unique(codes[new], return_index=True)
            for value in values[np.argsort(at)].tolist():
                known[value] = self._add(name, names[value])
            mapped = known[codes]
        return np.asarray(mapped)
