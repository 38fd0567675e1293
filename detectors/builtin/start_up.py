"""Start-up phase: metadata reads, token minting and secret retrieval belong to the beginning of a task.

A workload reads its identity, mints its tokens and fetches its secrets when it starts.  The same later on is
scored by how late it is and by how rarely this identity (backed by its peers and the fleet) does that operation
late: renewal at half-life and restarts are late too, and are learned as such.  The start of a task is the earliest
event time that has arrived of it.  Counts settle when the day of arrival changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import Derived, chunks, column, segments, texts
from scopedrift.detectors.toolkit.counts import DecayingCounts
from scopedrift.detectors.toolkit.hashing import mix
from scopedrift.detectors.toolkit.peers import stem
from scopedrift.detectors.toolkit.steps import STEPS, WORDS, step_of, steps
from scopedrift.detectors.toolkit.tasks import TaskStarts
from scopedrift.simulator.log.events import DAY, HOUR, SECOND, Array, EventBatch

_EARLY = tuple(STEPS.index(step) for step in ("metadata", "token", "secret"))


@dataclass
class StartUp(Detector):
    """Scores metadata reads, token minting and secret retrieval outside the start-up of a task."""

    phase: float = param(120.0, 5.0, 1800.0, log=True, doc="seconds that starting up may take")
    shrink: float = param(4.0, 0.5, 64.0, log=True, doc="hours that the fleet's experience weighs")
    half_life: float = param(14.0, 1.0, 90.0, log=True, doc="days in which a count fades to half")

    name = "start-up"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history and ends in the state that scoring it would have reached."""
        self._steps = steps()
        self._groups = Derived("identity", stem)
        self._tasks = TaskStarts()
        self._late = DecayingCounts()  # hours with each late (identity, operation), in peer group and fleet too
        self._day = -1
        for part in chunks(history):
            self.score(part)
        self._late.settle()

    def score(self, batch: EventBatch) -> Scores:
        """Bits of surprise, less within a few phases of the start; abstains where the task is unknown."""
        scores = np.zeros(len(batch))
        step = self._steps.values(batch)
        identity, task, operation = (column(batch, name) for name in ("identity", "task", "operation"))
        self._age = np.zeros(len(batch), np.int64)
        sensitive = np.isin(step, _EARLY)
        if identity is None or task is None or operation is None:
            return np.where(sensitive, np.nan, 0.0)
        group = self._groups.codes(batch)
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._day:
                self._turn(day)
            rows = start + np.flatnonzero(task[start:stop] >= 0)
            time, arrived = batch["time"][rows], batch["arrived"][rows]
            age = np.clip(time, arrived - 7 * DAY, arrived + DAY) - self._tasks.follow(task[rows], time, arrived)
            self._age[rows] = age
            late = (age > self.phase * SECOND) & sensitive[rows] & (identity[rows] >= 0)
            if late.any() and group is not None:
                at = rows[late]
                waited = np.minimum(age[late] / (self.phase * SECOND), 10.0) / 10.0
                hour = arrived[late] // HOUR
                scores[at] = self._surprise(identity[at], group[at], operation[at], hour) * (0.5 + 0.5 * waited)
        scores[sensitive & ((task < 0) | (identity < 0))] = np.nan
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Says what came how late."""
        facts = texts(batch, ("identity", "service", "operation", "access"), np.array([row]))[0]
        what = int(step_of(facts[1:]))
        word = WORDS[what] if what >= 0 else "nothing sensitive"
        age = self._age[row] / SECOND
        return f"{facts[0]}: {word} ({facts[2]}) {age:,.0f} s after its task began (start-up takes {self.phase:g} s)"

    def _turn(self, day: int) -> None:
        if self._day >= 0:
            self._late.settle(0.5 ** (1.0 / self.half_life))
        self._day = day
        self._tasks.forget(day * DAY)

    def _surprise(self, identity: Array, group: Array, operation: Array, hour: Array) -> Array:
        """How rarely this identity does this operation late, among the hours in which it was late with anything."""
        own = mix(0, identity, operation)
        wider = (mix(1, identity), mix(2, group, operation), mix(3, group), mix(4, operation), mix(5, 0 * hour))
        mine = self._late.of(own)
        active, peers_do, peers, fleet_do, fleet = self._late.of(np.concatenate(wider)).reshape(5, -1)
        counted = self._late.add_once(self._late.rows(own), hour)
        for position, keys in enumerate(wider):
            if position in (0, 2):  # once an hour for the identity and each wider count
                self._late.add_once(self._late.rows(keys[counted]), hour[counted])
            else:
                self._late.add(self._late.rows(keys[counted]))
        k = self.shrink
        share = (fleet_do + 0.5) / (fleet + 10.0)
        share = (peers_do + k * share) / (np.maximum(peers, peers_do) + k)
        share = (mine + k * share) / (np.maximum(active, mine) + k)
        return np.asarray(np.maximum(0.0, -np.log2(share)))
