"""Chain correlation: token minting, secret reads, job creation, image pulls and storage access close together.

Each event that is a step of an attack (`toolkit.steps`) is seen together with the other steps of the same task within
the window: a set of steps.  An ordinary release does the same things, so a set is scored by how rarely tasks of this
kind, by this identity, show it, in bits, and weighs more the more kinds of steps it holds.  A set never seen is as
likely as the fleet's tasks of that kind show it, or as its steps one by one are in this identity's tasks, whichever is
more: known steps in a new combination are no chain.  Events without a task belong to the identity, and what is done on
another identity's behalf (`on_behalf_of`) is also seen together with everything done by or for that identity, which
follows a chain across delegation.  Counts settle when the day of arrival changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import Derived, chunks, column, segments, sorted_by, text, threads
from scopedrift.detectors.toolkit.counts import DecayingCounts
from scopedrift.detectors.toolkit.hashing import HashTable, grown, mix
from scopedrift.detectors.toolkit.steps import STEPS, WORDS, steps
from scopedrift.simulator.log.events import DAY, MINUTE, Array, EventBatch, Names

_NEVER = -(1 << 60)
_FLEET = 10.0  # tasks of all kinds that weigh against those of one kind (assumed)


@dataclass
class ChainCorrelation(Detector):
    """Scores unusual combinations of attack steps in one task, or on one identity's behalf, within a window."""

    window: float = param(60.0, 5.0, 1440.0, log=True, doc="minutes within which steps belong together")
    shrink: float = param(4.0, 0.5, 64.0, log=True, doc="tasks that the fleet's experience weighs")
    half_life: float = param(14.0, 1.0, 90.0, log=True, doc="days in which a count fades to half")

    name = "chain-correlation"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history and ends in the state that scoring it would have reached."""
        names = Names()
        self._actors = Derived("identity", str, names)
        self._principals = Derived("on_behalf_of", str, names)
        self._steps = steps()
        window = round(self.window * MINUTE)
        self._threads = [_Threads(self.shrink, window), _Threads(self.shrink, window)]
        self._day = -1
        for part in chunks(history):
            self.score(part)
        self._settle()

    def score(self, batch: EventBatch) -> Scores:
        """Bits of surprise of the set of steps; 0 for events that are not steps; abstains without an identity."""
        actor, behalf = self._actors.codes(batch), self._principals.codes(batch)
        scores = np.zeros(len(batch))
        self._sets = np.zeros(len(batch), np.int64)
        if actor is None:
            return np.full(len(batch), np.nan)
        step = self._steps.values(batch).astype(np.int64)
        rows = np.flatnonzero((step >= 0) & (actor >= 0))
        arrived, step, who = batch["arrived"][rows], step[rows], actor[rows].astype(np.int64)
        principal = who if behalf is None else np.where(behalf[rows] >= 0, behalf[rows], who)
        delegated = principal != who
        kind = column(batch, "task_kind")
        kind = np.full(len(rows), -1) if kind is None else kind[rows]
        thread = threads(batch)[rows]
        for start, stop, day in segments(arrived, DAY):
            if day != self._day:
                if self._day >= 0:
                    self._settle()
                self._day = day
            part = slice(start, stop)
            own, own_set = self._threads[0].follow(thread[part], who[part], kind[part], step[part], arrived[part])
            scores[rows[part]], self._sets[rows[part]] = own, own_set
            if behalf is None:
                continue
            other, other_set = self._threads[1].follow(
                mix(0, principal[part]), principal[part], 0 * kind[part], step[part], arrived[part]
            )
            more = np.flatnonzero(delegated[part] & (other > own))
            scores[rows[part][more]], self._sets[rows[part][more]] = other[more], other_set[more]
        scores[actor < 0] = np.nan
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Lists the steps within the window."""
        held = [WORDS[number] for number in range(len(STEPS)) if int(self._sets[row]) >> number & 1]
        behalf = text(batch, "on_behalf_of", row)
        who = text(batch, "identity", row)
        acting = f"{who} on behalf of {behalf}" if behalf else f"{who}"
        return f"{acting}: {', '.join(held) or 'no step'} within {self.window:g} minutes, which is rare for it"

    def _settle(self) -> None:
        for each in self._threads:
            each.settle(0.5 ** (1.0 / self.half_life))


class _Threads:
    """The steps of each thread (a task): when it last did each, and how often threads show each set of them."""

    def __init__(self, shrink: float, window: int) -> None:
        self._shrink, self._window = shrink, window
        self._table = HashTable()
        self._last = np.full((0, len(STEPS)), _NEVER, np.int64)
        self._shown = np.zeros(0, np.int64)  # the set that each thread has shown last
        self._arrived = np.zeros(0, np.int64)
        self._counts = DecayingCounts()
        self._bits = np.zeros(0)  # per row of `_counts`, NaN until somebody asks for it today

    def follow(self, thread: Array, who: Array, kind: Array, step: Array, arrived: Array) -> tuple[Array, Array]:
        """Score and set of steps (as bits) of each event."""
        if not len(who):
            return np.zeros(0), np.zeros(0, np.int64)
        row = self._table.add(thread)
        size = len(self._table)
        self._last = grown(self._last, size, _NEVER)
        self._shown, self._arrived = grown(self._shown, size), grown(self._arrived, size, _NEVER)
        order = sorted_by(row)
        row, when, what = row[order], arrived[order], step[order]
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        ends = np.append(starts[1:], len(row)) - 1
        heads, lengths = row[starts], ends - starts + 1
        sets = self._sets(when, what, heads, starts, lengths)
        before, since = np.empty_like(sets), np.empty_like(when)
        before[1:], since[1:] = sets[:-1], when[:-1]
        before[starts], since[starts] = self._shown[heads], self._arrived[heads]
        restarted = when - since > self._window
        before[restarted] = 0
        self._shown[heads], self._arrived[heads] = sets[ends], when[ends]
        who, kind = who[order], kind[order]
        scores = np.empty(len(who))
        scores[order] = self._judge(who, kind, what, sets, before, restarted)
        found = np.empty_like(sets)
        found[order] = sets
        return scores, found

    def _sets(self, when: Array, what: Array, heads: Array, starts: Array, lengths: Array) -> Array:
        """The steps within the window of each event, which are sorted by thread."""
        sets, position, begin = np.zeros(len(when), np.int64), np.arange(len(when)), np.repeat(starts, lengths)
        ends = starts + lengths - 1
        for number in range(len(STEPS)):
            carried = self._last[heads, number]
            if not np.any(what == number):
                if carried.max() == _NEVER:
                    continue
                latest = np.repeat(carried, lengths)
            else:
                at = np.maximum.accumulate(np.where(what == number, position, -1))
                latest = np.where(at >= begin, when[at], np.repeat(carried, lengths))
                self._last[heads, number] = latest[ends]
            sets |= (when - latest <= self._window).astype(np.int64) << number
        return sets

    def _judge(self, who: Array, kind: Array, step: Array, sets: Array, before: Array, restarted: Array) -> Array:
        counts = self._counts
        rows = counts.rows(mix(0, who, kind, sets))
        fresh, changed = np.flatnonzero((before >> step & 1) == 0), np.flatnonzero(sets != before)
        restarted = np.flatnonzero(restarted)
        counts.add(rows[changed])
        for keys in (
            mix(1, who[restarted], kind[restarted]),
            mix(2, kind[restarted]),
            mix(3, 0 * restarted),
            mix(4, who[fresh], kind[fresh], step[fresh]),
            mix(5, kind[fresh], step[fresh]),
            mix(6, kind[changed], sets[changed]),
            mix(7, sets[changed]),
        ):
            counts.add(counts.rows(keys))
        self._bits = grown(self._bits, len(counts.table), np.nan)
        unset = np.flatnonzero(np.isnan(self._bits[rows]))
        if len(unset):
            asked, first = np.unique(rows[unset], return_index=True)
            at = unset[first]
            self._bits[asked] = self._surprise(counts.settled[asked], who[at], kind[at], sets[at])
        return np.asarray(self._bits[rows])

    def _surprise(self, shown: Array, who: Array, kind: Array, sets: Array) -> Array:
        of, k = self._counts.of, self._shrink
        own, alike, everywhere = of(mix(1, who, kind)), of(mix(2, kind)), of(mix(3, 0 * sets)) + 50.0
        fleet = (of(mix(7, sets)) + 0.5) / everywhere
        fleet = (of(mix(6, kind, sets)) + _FLEET * fleet) / (alike + _FLEET)
        held_of, one_by_one = np.zeros(len(sets), np.int64), np.ones(len(sets))
        for number in range(len(STEPS)):
            held = sets >> number & 1
            held_of += held
            usual = (of(mix(5, kind, 0 * sets + number)) + 0.5) / (alike + _FLEET)
            alone = (of(mix(4, who, kind, 0 * sets + number)) + k * usual) / (own + k)
            one_by_one *= np.where(held > 0, np.minimum(alone, 1.0), 1.0)
        share = (shown + k * np.maximum(fleet, one_by_one)) / (own + k)
        return np.asarray(np.maximum(0.0, -np.log2(share)) * (held_of - 1) / np.maximum(held_of, 1))

    def settle(self, keep: float) -> None:
        """At the end of a day, its counts settle; threads idle for a window are dropped."""
        self._counts.settle(keep)
        self._bits = np.full(len(self._counts.table), np.nan)
        size = len(self._table)
        stay = self._arrived[:size] >= self._arrived[:size].max(initial=_NEVER) - self._window
        if np.count_nonzero(stay) < 0.5 * size:
            self._table.keep(stay)
            self._last, self._shown, self._arrived = (
                array[:size][stay] for array in (self._last, self._shown, self._arrived)
            )
