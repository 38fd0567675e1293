"""From occurrences to the columns of a log: resource, project, task, credential, source, outcome and bytes.

What is the same for a whole stage is computed once a row.  Events are worked on in blocks that fit the processor's
cache; rare cases (walks, grouped tasks, renewals) are repaired by position.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.expansion.occurrences import Occurrences
from scopedrift.simulator.expansion.rows import BLOCK, Rows
from scopedrift.simulator.expansion.tables import DATASET, Tables
from scopedrift.simulator.log.events import COLUMNS, DTYPES, MISSING, STREAMS, Array
from scopedrift.simulator.randomness import TABLE, hash64

Window = tuple[dict[str, Array], Array]
"""The columns of a window (codes of the tables) and the truth code of each event."""
_CLOUD: Final = STREAMS.index("cloud_audit")
_EXIT_BITS: Final = 10
"""Of the hash that chooses resource and size, the bits from here on choose by which address a call is made."""
_CHOICES: Final = 4096
_IN_USE: Final = 3
"""Addresses of a network's proxies at a time (assumed)."""
_PER_ACTOR: Final = ("identity", "credential_kind", "workload", "task_kind", "project", "image")


class ColumnBuilder:
    """Makes the columns of events whose order is known."""

    def __init__(self, tables: Tables, delivery: Delivery) -> None:
        self._tables = tables
        self._delivery = delivery

    def window(self, rows: Rows, events: Occurrences, order: Array) -> Window:
        """Every column of the events at the positions `order`, block by block."""
        stages = self._stages(rows)
        columns = {name: np.empty(len(order), DTYPES[name]) for name in COLUMNS}
        truth = np.empty(len(order), np.int64)
        for first in range(0, len(order), BLOCK):
            block = slice(first, first + BLOCK)
            made, truth[block] = self._block(stages, events, order[block])
            for name, column in made.items():
                columns[name][block] = column
        return columns, truth

    def _stages(self, rows: Rows) -> Rows:
        """What all events of a stage have in common, by row."""
        actor = rows["actor"]
        actors = {name: field[actor] for name, field in self._tables.actors.arrays().items() if field.ndim == 1}
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
            "grouped": self._tables.activities.arrays().per_task[rows["activity"]],
            "task_key": actors["task_key"],
            "task": task,
            "sources": actors["sources"],
            "source": self._source(actors["sources"], task),
            "proxies": self._tables.other_addresses()[1].take(actors["sources"], mode="clip"),
            "begun": np.where(standing, actors["key_made_at"], rows["anchor"]),
            "half_life": np.where(renewed, actors["half_life"], np.iinfo(np.int64).max),
            "session": session,
            "credential": (hash64(session, fixed) >> np.uint64(1)).view(np.int64),
        }

    def _source(self, sources: Array, task: Array) -> Array:
        """The address that a task calls from."""
        items, start, length = self._tables.pools.arrays()
        place = (task & 0xFFFF) % np.maximum(length[sources], 1)
        return np.where(sources >= 0, items[np.minimum(start[sources] + place, len(items) - 1)], np.int32(MISSING))

    def _leave(self, stages: Rows, row: Array, operation: Array, time: Array, bits: Array, source: Array) -> None:
        """Let some calls be made by another address of their host, or of its network's proxies: in place."""
        exits = self._tables.exits
        draw = (bits >> np.uint64(_EXIT_BITS)).view(np.int64) & (_CHOICES - 1)
        over, out = (round(share * _CHOICES) for share in (exits.other_protocol, exits.proxies))
        some = np.flatnonzero(draw < over + out)
        twins, _ = self._tables.other_addresses()
        other = some[draw[some] < over]
        twin = twins.take(source[other])
        source[other] = np.where(twin >= 0, twin, source[other])
        other = some[draw[some] >= over]
        other = other[
            (self._tables.operations.stream[operation[other]] == _CLOUD) & (stages["proxies"][row[other]] >= 0)
        ]
        items, start, length = self._tables.pools.arrays()
        pool = stages["proxies"][row[other]]
        place = time[other] // exits.rotation + draw[other] % _IN_USE
        source[other] = items[start[pool] + place % length[pool]]

    def _block(self, stages: Rows, events: Occurrences, at: Array) -> Window:
        """Every column of the events at some positions."""
        actors, operations = self._tables.actors.arrays(), self._tables.operations
        row, operation = events.row.take(at).astype(np.int64), events.operation.take(at).astype(np.int64)
        outcome, time = events.outcome.take(at), events.time.take(at)
        slot = operations.slot.take(operation)
        cell = stages["actor"].take(row) * actors["pools"].shape[1] + slot
        pool = actors["pools"].ravel().take(cell)
        if (stages["own"] >= 0).any():
            own = stages["own"].take(row)
            pool = np.where((own >= 0) & (slot == operations.slots.find(DATASET)), own, pool)
        resource = self._resources(pool, operation, events, at)
        project = self._tables.resource_projects().take(resource)
        project = np.where((resource >= 0) & (project >= 0), project, stages["project"].take(row))
        sized = (events.second.take(at) & np.uint64(TABLE - 1)).view(np.int64)
        size = operations.sizes.ravel().take(operation * TABLE + sized)
        np.putmask(size, outcome > 0, MISSING)
        task, source, job = self._tasks(stages, row, events.index, at)
        self._leave(stages, row, operation, time, events.second.take(at), source)
        recorded = (job >= 0) & self._delivery.context(operation, task)
        columns: dict[str, Array] = {
            "time": time + self._delivery.skew(operation, source),
            "arrived": events.arrived.take(at),
            "stream": operations.stream.take(operation),
            "identity": stages["identity"].take(row),
            "credential": self._credentials(stages, row, time),
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

    def _resources(self, pool: Array, operation: Array, events: Occurrences, at: Array) -> Array:
        """The resource of each event: one of its pool, by the operation's skew or in turn."""
        items, pool_start, pool_length = self._tables.pools.arrays()
        unit = (events.second.take(at) >> np.uint64(32)).view(np.int64) * 2.0**-32
        skew = self._tables.operations.pick.take(operation)
        draw = np.where(skew >= 2, unit * unit, unit)
        draw = np.where(skew >= 3, draw * unit, draw)
        length = pool_length.take(pool)
        place = (draw * length).astype(np.int64)
        walked = np.flatnonzero(skew == 0)
        place[walked] = events.picked[at[walked]] % np.maximum(length[walked], 1)
        resource = items.take(np.minimum(pool_start.take(pool) + place, len(items) - 1))
        np.putmask(resource, pool < 0, MISSING)
        return resource

    def _tasks(self, stages: Rows, row: Array, index: Array, at: Array) -> tuple[Array, Array, Array]:
        """Of each event: the id of its task, the address that it calls from, and the task's number."""
        task, source, job = stages["task"].take(row), stages["source"].take(row), stages["job"].take(row)
        group = stages["grouped"].take(row)
        several = np.flatnonzero(group > 0)
        if len(several):
            its = row[several]
            job[several] += index[at[several]] // group[several]
            task[several] = (hash64(stages["task_key"].take(its), job[several]) >> np.uint64(1)).view(np.int64)
            source[several] = self._source(stages["sources"].take(its), task[several])
        return task, source, job

    def _credentials(self, stages: Rows, row: Array, time: Array) -> Array:
        """The credential of each event: that of its session, or a later one where it has been renewed."""
        credential, half_life = stages["credential"].take(row), stages["half_life"].take(row)
        age = time - stages["begun"].take(row)
        renewed = np.flatnonzero(age >= half_life)
        epoch = age[renewed] // half_life[renewed]
        session = stages["session"].take(row[renewed])
        credential[renewed] = (hash64(session, epoch) >> np.uint64(1)).view(np.int64)
        return credential
