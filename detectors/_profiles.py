"""Hourly profiles: how much of each kind of thing an identity has done since the full hour.

Features are counts of what could be a step of an attack (`_steps`), of changes, of denied calls, of calls outside
the identity's home project (the first that it was seen in), and of all events, and the bytes moved.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.detectors._columns import column, grouped
from scopedrift.detectors._hashing import grown
from scopedrift.detectors._memo import Memo
from scopedrift.detectors._steps import STEPS, steps
from scopedrift.simulator.events import HOUR, Array, EventBatch

FEATURES: Final = (*STEPS, "change", "denied", "elsewhere", "events", "bytes")
_CHANGE, _DENIED, _ELSEWHERE, _EVENTS, _BYTES = range(len(STEPS), len(FEATURES))


class Profiles:
    """Running sums per identity since the full hour of arrival."""

    def __init__(self) -> None:
        self._steps = steps()
        self._change = Memo(("access",), lambda facts: float(facts[0] in ("write", "create", "delete")))
        self._home = np.zeros(0, np.int64)  # project code of each identity, -1 until one is seen
        self._denied = Memo(("outcome",), lambda facts: float(facts[0] == "denied"))
        self.sums = np.zeros((0, len(FEATURES)), np.int64)
        """The sums of the hour so far, one row an identity; `hour` says which hour a row is of."""
        self.hour = np.zeros(0, np.int64)

    def amounts(self, batch: EventBatch) -> Array:
        """What each event adds to each feature."""
        amounts = np.zeros((len(batch), len(FEATURES)), np.int64)
        step = self._steps.values(batch).astype(np.int64)
        named = np.flatnonzero(step >= 0)
        amounts[named, step[named]] = 1
        amounts[:, _CHANGE] = self._change.values(batch)
        amounts[:, _ELSEWHERE] = self._elsewhere(batch)
        amounts[:, _DENIED] = self._denied.values(batch)
        amounts[:, _EVENTS] = 1
        size = column(batch, "bytes")
        if size is not None:
            amounts[:, _BYTES] = np.clip(size, 0, 1 << 44)
        return amounts

    def _elsewhere(self, batch: EventBatch) -> Array:
        """Whether each event is in another project than the first of its identity."""
        identity, project = column(batch, "identity"), column(batch, "project")
        found = np.zeros(len(batch), np.int64)
        if identity is None or project is None:
            return found
        rows = np.flatnonzero((identity >= 0) & (project >= 0))
        if len(rows):
            self._home = grown(self._home, int(identity[rows].max()) + 1, -1)
            new = rows[self._home[identity[rows]] < 0][::-1]
            self._home[identity[new]] = project[new]  # of several the first, which is written last
            found[rows] = self._home[identity[rows]] != project[rows]
        return found

    def follow(self, identity: Array, arrived: Array, amounts: Array) -> Array:
        """For each event: the sums of its identity since the full hour, its own included (identities >= 0)."""
        if not len(identity):
            return amounts
        order, starts, lengths = grouped(identity)
        heads, hour = identity[order[starts]], (arrived // HOUR)[order]
        self.sums = grown(self.sums, int(heads.max()) + 1)
        self.hour = grown(self.hour, len(self.sums), -1)
        runs = np.zeros(len(order), bool)
        runs[starts] = True
        runs[1:] |= hour[1:] != hour[:-1]
        begin = np.flatnonzero(runs)
        total = np.cumsum(amounts[order], axis=0)
        before = np.concatenate((np.zeros((1, len(FEATURES)), np.int64), total))[begin]
        carried = np.zeros_like(before)
        goes_on = hour[starts] == self.hour[heads]
        carried[np.searchsorted(begin, starts)[goes_on]] = self.sums[heads[goes_on]]
        total += np.repeat(carried - before, np.diff(begin, append=len(order)), axis=0)
        ends = starts + lengths - 1
        self.sums[heads], self.hour[heads] = total[ends], hour[ends]
        found = np.empty_like(total)
        found[order] = total
        return found
