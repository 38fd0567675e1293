"""Hourly profiles: how much of each kind of thing an identity has done since the full hour.

Features are counts of each kind of access, of denied calls, and of all events, and the bytes moved.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.detectors._columns import column, grouped
from scopedrift.detectors._hashing import grown
from scopedrift.detectors._memo import Facts, Memo
from scopedrift.simulator.events import ACCESS, HOUR, Array, EventBatch

FEATURES: Final = (*ACCESS, "denied", "events", "bytes")
_DENIED, _EVENTS, _BYTES = (FEATURES.index(name) for name in ("denied", "events", "bytes"))


class Profiles:
    """Running sums per identity since the full hour of arrival."""

    def __init__(self) -> None:
        self._access = Memo(("access",), _number)
        self._denied = Memo(("outcome",), lambda facts: float(facts[0] == "denied"))
        self.sums = np.zeros((0, len(FEATURES)), np.int64)
        """The sums of the hour so far, one row an identity; `hour` says which hour a row is of."""
        self.hour = np.zeros(0, np.int64)

    def amounts(self, batch: EventBatch) -> Array:
        """What each event adds to each feature."""
        amounts = np.zeros((len(batch), len(FEATURES)), np.int64)
        access = self._access.values(batch).astype(np.int64)
        named = np.flatnonzero(access >= 0)
        amounts[named, access[named]] = 1
        amounts[:, _DENIED] = self._denied.values(batch)
        amounts[:, _EVENTS] = 1
        size = column(batch, "bytes")
        if size is not None:
            amounts[:, _BYTES] = np.clip(size, 0, 1 << 44)
        return amounts

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


def _number(facts: Facts) -> float:
    return ACCESS.index(facts[0]) if facts[0] in ACCESS else -1
