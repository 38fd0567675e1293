"""Doubles of incidents: runs of benign events of the same identity, in the same kind of task, of the same lengths.

Where an incident starts a task of its own, so do its doubles: every task is young once.  Events that issue a credential
are matched with events of the same call, and all others with others: a call that issues a new credential is its first
event, and one that exchanges a credential comes in its midst.

An incident that rides on benign life as it should cannot be told from its doubles by anything that is not behaviour.
Under that hypothesis incident and doubles are exchangeable, so that a test which draws one of them at random has
exactly the stated rate of false alarms, however many events, identities and worlds it sees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import MISSING, Array, EventBatch
from scopedrift.simulator.log.truth import SCOPE_DRIFT, Truth

DOUBLES: Final = 19
"""Doubles of each incident: the incident is the most extreme of its set by chance once in twenty."""
PARTS, LONGEST = 24, 60
"""Runs of an incident that are matched at most, and events of each."""
ENOUGH_EVENTS: Final = 40
"""Benign events of an identity and kind of task from which runs are drawn; with fewer, others' are taken."""


@dataclass(frozen=True)
class Case:
    """An incident and its doubles, as positions in the log."""

    incident: int
    own: Array
    doubles: tuple[Array, ...]

    @property
    def sets(self) -> tuple[Array, ...]:
        """The incident's own events first, then those of its doubles."""
        return (self.own, *self.doubles)


def cases(world: LabelledWorld, rng: np.random.Generator, count: int = DOUBLES) -> list[Case]:
    """Every incident of the test window that has doubles."""
    test = Windows.of(world.scenario, world.log).test
    batch = world.log.batch(test.start, test.stop)
    owner = world.truth.incident_of(test.start, test.stop)
    before = world.log.batch(0, test.start)
    old = np.unique(before["task"]) if "task" in before.columns else np.empty(0, np.int64)
    pools = _Pools.of(batch, world.truth.labels(test.start, test.stop) < SCOPE_DRIFT, old)
    found = []
    for incident in np.unique(owner[owner >= 0]).tolist():
        own, doubles = pools.matched(np.flatnonzero(owner == incident), rng, count)
        if len(own):
            found.append(Case(incident, test.start + own, tuple(test.start + rows for rows in doubles)))
    return found


@dataclass(frozen=True)
class _Pools:
    """Benign events by identity, kind of task and call that issues, those of one task one after the other."""

    rows: Array
    begins: Array
    """Places in `rows` of the first events of tasks, of those that issue and of the others."""
    sizes: Array
    """How many events the tasks that begin there have, summed up to each; 0 comes first."""
    keys: Array
    kinds: dict[int, Array]
    """By kind of task and call that issues: the keys of the identities that have enough of it."""
    key: Array
    """Of every event: its identity, kind of task, and the call if it issues."""
    task: Array
    time: Array
    first: Array
    """Whether an event is the first of its task, of those that issue or of the others."""

    @classmethod
    def of(cls, batch: EventBatch, benign: Array, old: Array) -> _Pools:
        """Those of a batch; `old` are tasks that began before."""
        none = np.full(len(batch), MISSING, np.int64)
        names = ("identity", "task_kind", "stream", "task")
        identity, kind, stream, task = (batch.columns.get(name, none).astype(np.int64) for name in names)
        issues = stream == batch.names("stream").find("issuance") if "stream" in batch.columns else none > 0
        issued = np.where(issues, batch.columns.get("operation", none).astype(np.int64) + 1, 0)
        key = (identity + 1) * _KINDS + (kind + 1) * _OPERATIONS + issued
        rows = np.flatnonzero(benign)
        rows = rows[np.lexsort((batch["time"][rows], task[rows], key[rows]))]
        first = (task >= 0) & _firsts(task * 2 + issues, batch["time"]) & ~np.isin(task, old)
        begins = np.flatnonzero(first[rows])
        ends = np.append(np.flatnonzero(np.diff(task[rows]) | np.diff(key[rows])) + 1, len(rows))
        sizes = np.append(0, np.cumsum(ends[np.searchsorted(ends, begins, side="right")] - begins))
        present, counts = np.unique(key[rows], return_counts=True)
        present = present[counts >= ENOUGH_EVENTS]
        kinds = {each: present[present % _KINDS == each] for each in np.unique(present % _KINDS).tolist()}
        return cls(rows, begins, sizes, key[rows], kinds, key, task, batch["time"], first)

    def matched(self, own: Array, rng: np.random.Generator, count: int) -> tuple[Array, list[Array]]:
        """The incident's events that can be matched, and as many of each double."""
        key = self.key[own]
        _, part = np.unique(np.stack([key, self.task[own]]), axis=1, return_inverse=True)
        part = part.reshape(-1)
        parts = rng.permutation(int(part.max(initial=-1)) + 1)[:PARTS]
        kept: list[Array] = []
        doubles: list[list[Array]] = [[] for _ in range(count)]
        for number in parts.tolist():
            mine = own[part == number]
            mine = mine[np.argsort(self.time[mine], kind="stable")]
            mine = mine[np.linspace(0, len(mine) - 1, min(len(mine), LONGEST)).astype(np.int64)]
            which, starts = int(key[part == number][0]), bool(self.first[mine[0]])
            runs = [self._run(which, len(mine), starts, rng) for _ in range(count)]
            if all(len(run) for run in runs):
                kept.append(mine)
                for double, run in zip(doubles, runs, strict=True):
                    double.append(run)
        if not kept:
            return own[:0], []
        return np.concatenate(kept), [np.concatenate(double) for double in doubles]

    def _run(self, key: int, length: int, starts: bool, rng: np.random.Generator) -> Array:
        """Consecutive benign events of the identity and kind, or else of another identity in this kind of task."""
        candidates = self.kinds.get(key % _KINDS, np.empty(0, np.int64))
        if not len(candidates):
            return candidates
        if key not in candidates:
            key = int(candidates[rng.integers(len(candidates))])
        first, last = np.searchsorted(self.keys, [key, key + 1])
        start = int(rng.integers(first, max(last - length, first) + 1))
        if starts:  # the task of an event at random, as that of the incident's events is; if it is on record
            start = int(rng.integers(first, last))
            low, high = self.sizes[np.searchsorted(self.begins, [first, last])]
            if self.task[self.rows[start]] >= 0 and high > low:
                start = int(self.begins[np.searchsorted(self.sizes, rng.integers(low, high), side="right") - 1])
        return self.rows[start : min(start + length, last)]


_OPERATIONS: Final = 1 << 16
_KINDS: Final = 1 << 32


def _firsts(group: Array, time: Array) -> Array:
    """Whether each event is the first of its group by its own time (the first to arrive is one of little delay)."""
    order = np.lexsort((time, group))
    first = np.ones(len(group), bool)
    first[order[1:]] = np.diff(group[order]) != 0
    return first


def clean(world: LabelledWorld, rng: np.random.Generator) -> LabelledWorld:
    """The world without its incidents, and with one double of each labelled in its place: nothing in it can leak."""
    found = cases(world, rng, count=1)
    gone = world.truth.event[world.truth.label >= SCOPE_DRIFT]
    kept = np.delete(np.arange(len(world.log)), gone)
    owner = np.full(len(world.log), MISSING, np.int32)
    for case in found:
        owner[case.doubles[0]] = case.incident
    owner = owner[kept]
    event = np.flatnonzero(owner >= 0)
    filler = np.zeros(len(event), np.int16)
    label = np.full(len(event), SCOPE_DRIFT, np.int8)
    truth = Truth(event, label, owner[event], filler, filler, world.truth.techniques, world.truth.incidents, ())
    return replace(world, log=_without(world, kept), truth=truth)  # type: ignore[type-var]


def _without(world: LabelledWorld, kept: Array) -> EventLog:
    columns = {name: values[kept] for name, values in world.log.batch(0, len(world.log)).columns.items()}
    return EventLog.from_columns(columns, world.log.vocabulary, {"background": world.log.manifest.get("background")})
