"""Sequence: an operation is surprising after the one before it in the same task.

A Markov chain over operations, per identity, backed by the chain of its peers (identities of the same kind) and
by how common the operation is at all.  The score is the surprise of the step in bits.  Counts settle when the
day of arrival changes and fade with a half-life, so scores do not depend on batch cuts; a task that was idle for
a day begins again.  Events without a task follow on from the identity's last one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import Derived, chunks, column, grouped, segments, texts, threads
from scopedrift.detectors.toolkit.counts import DecayingCounts
from scopedrift.detectors.toolkit.hashing import HashTable, grown, mix
from scopedrift.detectors.toolkit.peers import stem
from scopedrift.simulator.log.events import DAY, Array, EventBatch

_BEGIN = 1 << 40
"""The operation "before" the first one of a task."""


@dataclass
class Sequence(Detector):
    """Scores how surprising an operation is after the one before it in the task."""

    shrink: float = param(4.0, 0.5, 64.0, log=True, doc="events that the wider experience weighs against the narrower")
    half_life: float = param(14.0, 1.0, 90.0, log=True, doc="days in which a count fades to half")

    name = "sequence"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history and ends in the state that scoring it would have reached."""
        self._groups = Derived("identity", stem)
        self._threads = HashTable()  # tasks, or identities where there is no task
        self._latest = np.zeros(0, np.int64)  # operation and arrival of each thread's last event
        self._arrived = np.zeros(0, np.int64)
        self._steps = DecayingCounts()  # (identity, before, operation)
        self._what = np.zeros((0, 4), np.int64)  # identity, peer group, before and operation of each row of `_steps`
        self._wider = DecayingCounts()  # totals of an identity's steps, the same for its peers, and of all
        self._surprise = np.zeros(0)  # per row of `_steps`, NaN until somebody asks for it today
        self._day = -1
        for part in chunks(history):
            self.score(part)
        self._settle()

    def score(self, batch: EventBatch) -> Scores:
        """Bits of surprise; abstains on events without an operation."""
        operation = column(batch, "operation")
        if operation is None or not len(batch):
            return np.full(len(batch), np.nan)
        nobody = np.full(len(batch), -1, np.int32)
        identity = column(batch, "identity")
        identity = nobody if identity is None else identity
        group = self._groups.codes(batch)
        group = nobody if group is None else group
        thread = threads(batch)
        self._before = np.empty(len(batch), np.int64)
        scores = np.empty(len(batch))
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._day:
                self._turn(day)
            part = slice(start, stop)
            before = self._follow(thread[part], operation[part], batch["arrived"][part])
            self._before[part] = before
            scores[part] = self._judge(identity[part], group[part], before, operation[part])
        scores[operation < 0] = np.nan
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names both steps."""
        identity, operation = texts(batch, ("identity", "operation"), np.array([row]))[0]
        code = int(self._before[row])
        before = "as the first step of a task" if code == _BEGIN else "after an unnamed operation"
        if 0 <= code < _BEGIN:
            before = f"after {batch.names('operation')[code]}"
        return f"{identity} hardly ever does {operation} {before}"

    def _turn(self, day: int) -> None:
        """A new day: what was counted settles, idle tasks are dropped."""
        if self._day >= 0:
            self._settle()
        self._day = day
        size = len(self._threads)
        keep = self._arrived[:size] >= (day - 1) * DAY
        if np.count_nonzero(keep) < 0.5 * size:
            self._threads.keep(keep)
            self._latest, self._arrived = self._latest[:size][keep], self._arrived[:size][keep]

    def _settle(self) -> None:
        keep = 0.5 ** (1.0 / self.half_life)
        size = len(self._steps.table)
        active = np.flatnonzero(self._steps.waiting[:size])
        if len(active):
            keys = np.concatenate(self._keys(*self._what[active].T))
            self._wider.add(self._wider.rows(keys), np.tile(self._steps.waiting[active], 5))
        self._wider.settle(keep)
        kept = self._steps.settle(keep)
        if kept is not None:
            self._what = self._what[:size][kept]
        self._surprise = np.full(len(self._steps.table), np.nan)

    def _follow(self, thread: Array, operation: Array, arrived: Array) -> Array:
        """The operation before each event in its thread."""
        rows = self._threads.add(thread)
        self._latest = grown(self._latest, len(self._threads), _BEGIN)
        self._arrived = grown(self._arrived, len(self._threads), -(1 << 62))
        order, starts, lengths = grouped(rows)
        operation, arrived, heads = operation[order].astype(np.int64), arrived[order], rows[order[starts]]
        before, last = np.empty_like(operation), np.empty_like(arrived)
        before[1:], last[1:] = operation[:-1], arrived[:-1]
        before[starts], last[starts] = self._latest[heads], self._arrived[heads]
        before[arrived - last > DAY] = _BEGIN
        ends = starts + lengths - 1
        self._latest[heads], self._arrived[heads] = operation[ends], arrived[ends]
        found = np.empty_like(before)
        found[order] = before
        return found

    def _judge(self, identity: Array, group: Array, before: Array, operation: Array) -> Array:
        known = len(self._steps.table)
        rows = self._steps.rows(mix(identity, before, operation))
        self._steps.add(rows)
        new = np.flatnonzero(rows >= known) if len(self._steps.table) > known else rows[:0]
        if len(new):
            self._what = grown(self._what, len(self._steps.table))
            self._what[rows[new]] = np.stack([identity[new], group[new], before[new], operation[new]], axis=1)
        self._surprise = grown(self._surprise, len(self._steps.table), np.nan)
        open_rows = np.flatnonzero(np.isnan(self._surprise[rows]))
        if len(open_rows):
            fresh, first = np.unique(rows[open_rows], return_index=True)
            at = open_rows[first]
            steps = self._steps.settled[fresh]
            self._surprise[fresh] = self._bits(steps, identity[at], group[at], before[at], operation[at])
        return np.asarray(self._surprise[rows])

    def _keys(self, identity: Array, group: Array, before: Array, operation: Array) -> tuple[Array, ...]:
        nothing = np.zeros(len(operation), np.int64)
        return (
            mix(1, identity, before),
            mix(2, group, before, operation),
            mix(3, group, before),
            mix(4, operation),
            mix(5, nothing),
        )

    def _bits(self, steps: Array, identity: Array, group: Array, before: Array, operation: Array) -> Array:
        """Surprise from the settled counts: own experience, then peers', then how common the operation is."""
        keys = np.concatenate(self._keys(identity, group, before, operation))
        own_total, peer_steps, peer_total, common, everything = self._wider.of(keys).reshape(5, -1)
        k = self.shrink
        share = (common + 0.5) / (everything + 50.0)
        share = (peer_steps + k * share) / (peer_total + k)
        share = (steps + k * share) / (own_total + k)
        return np.asarray(-np.log2(share))
