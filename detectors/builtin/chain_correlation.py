"""Chain correlation: token minting, secret reads, job creation, image pulls and storage access close together.

Each event that is a step of an attack (`_steps.STEPS`) is seen together with the other steps of the same
identity within the window: a set of steps.  An ordinary release does the same things, so a set is scored by how
rarely this identity shows it (hours with it among its active hours), in bits, and weighs more the more kinds of
steps it holds.  A set never seen is as likely as the fleet shows it, or as its steps one by one are for this
identity, whichever is more: known steps in a new combination are no chain.  The sets are kept twice: for who
acted, and for whom it acted (`on_behalf_of`), so that a chain is followed across delegation.  Counts settle when
the day of arrival changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors._columns import Derived, grouped, segments, text
from scopedrift.detectors._counts import Counts
from scopedrift.detectors._hashing import grown, mix
from scopedrift.detectors._steps import STEPS, WORDS, steps
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.events import DAY, HOUR, MINUTE, Array, EventBatch, Names

_CHUNK = 50_000
_NEVER = -(1 << 60)


@dataclass
class ChainCorrelation(Detector):
    """Scores unusual combinations of attack steps by one identity, or on its behalf, within a window."""

    window: float = param(60.0, 5.0, 1440.0, log=True, doc="minutes within which steps belong together")
    shrink: float = param(4.0, 0.5, 64.0, log=True, doc="hours that the fleet's experience weighs")
    half_life: float = param(14.0, 1.0, 90.0, log=True, doc="days in which a count fades to half")

    name = "chain-correlation"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history, so that it ends in the state that scoring would have reached."""
        names = Names()
        self._actors = Derived("identity", str, names)
        self._principals = Derived("on_behalf_of", str, names)
        self._steps = steps()
        self._threads = [_Thread(self.shrink), _Thread(self.shrink)]
        self._day = -1
        for start in range(0, len(history), _CHUNK):
            self.score(history.slice(start, start + _CHUNK))
        self._settle()

    def score(self, batch: EventBatch) -> Scores:
        """Bits of surprise of the set of steps; 0 for what is no step; abstains without an identity."""
        actor, behalf = self._actors.codes(batch), self._principals.codes(batch)
        scores = np.zeros(len(batch))
        self._sets = np.zeros(len(batch), np.int64)
        if actor is None:
            return np.full(len(batch), np.nan)
        step = self._steps.values(batch).astype(np.int64)
        rows = np.flatnonzero((step >= 0) & (actor >= 0))
        arrived, step, who = batch["arrived"][rows], step[rows], actor[rows].astype(np.int64)
        principal = who if behalf is None else np.where(behalf[rows] >= 0, behalf[rows], who)
        window = round(self.window * MINUTE)
        for start, stop, day in segments(arrived, DAY):
            if day != self._day:
                if self._day >= 0:
                    self._settle()
                self._day = day
            part = slice(start, stop)
            own, own_set = self._threads[0].follow(who[part], step[part], arrived[part], window)
            other, other_set = self._threads[1].follow(principal[part], step[part], arrived[part], window)
            scores[rows[part]] = np.maximum(own, other)
            self._sets[rows[part]] = np.where(other > own, other_set, own_set)
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
        for thread in self._threads:
            thread.settle(0.5 ** (1.0 / self.half_life))


class _Thread:
    """The steps of each identity: when it last did each, and how often it shows each set of them."""

    def __init__(self, shrink: float) -> None:
        self._shrink = shrink
        self._last = np.full((0, len(STEPS)), _NEVER, np.int64)
        self._shown = Counts()  # hours with each (identity, set), of each identity, and the same for all
        self._bits = np.zeros(0)  # per row of `_shown`, NaN until somebody asks for it today

    def follow(self, who: Array, step: Array, arrived: Array, window: int) -> tuple[Array, Array]:
        """Score and set of steps (as bits) of each event."""
        order, starts, lengths = grouped(who)
        sets, heads = np.zeros(len(who), np.int64), who[order[starts]]
        self._last = grown(self._last, int(heads.max()) + 1, _NEVER)
        when, what = arrived[order], step[order]
        position, begin = np.arange(len(order)), np.repeat(starts, lengths)
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
            sets |= (when - latest <= window).astype(np.int64) << number
        found = np.empty_like(sets)
        found[order] = sets
        return self._judge(who, step, found, arrived // HOUR), found

    def _judge(self, who: Array, step: Array, sets: Array, hour: Array) -> Array:
        shown = self._shown
        once = shown.add_once(shown.rows(mix(3, who, step)), hour)
        shown.add(shown.rows(mix(4, step[once])))
        rows = shown.rows(mix(0, who, sets))
        counted = shown.add_once(rows, hour)
        if len(counted):
            shown.add(shown.rows(mix(2, sets[counted])))
            first = shown.add_once(shown.rows(mix(1, who[counted])), hour[counted])
            shown.add(shown.rows(mix(2, 0 * first)))
        self._bits = grown(self._bits, len(shown.table), np.nan)
        unset = np.flatnonzero(np.isnan(self._bits[rows]))
        if len(unset):
            fresh, first = np.unique(rows[unset], return_index=True)
            at = unset[first]
            self._bits[fresh] = self._surprise(shown.settled[fresh], who[at], sets[at])
        return np.asarray(self._bits[rows])

    def _surprise(self, shown: Array, who: Array, sets: Array) -> Array:
        active, everywhere = self._shown.of(mix(1, who)), self._shown.of(mix(2, 0 * sets)) + 50.0
        kinds = np.zeros(len(sets), np.int64)
        one_by_one = np.ones(len(sets))
        for number in range(len(STEPS)):
            held = sets >> number & 1
            kinds += held
            fleet = (self._shown.of(mix(4, 0 * sets + number)) + 0.5) / everywhere
            alone = (self._shown.of(mix(3, who, 0 * sets + number)) + self._shrink * fleet) / (active + self._shrink)
            one_by_one *= np.where(held > 0, np.minimum(alone, 1.0), 1.0)
        prior = np.maximum((self._shown.of(mix(2, sets)) + 0.5) / everywhere, one_by_one)
        share = (shown + self._shrink * prior) / (active + self._shrink)
        return np.asarray(np.maximum(0.0, -np.log2(share)) * (kinds - 1) / np.maximum(kinds, 1))

    def settle(self, keep: float) -> None:
        """The day is over: what was seen counts from now on."""
        self._shown.settle(keep)
        self._bits = np.full(len(self._shown.table), np.nan)
