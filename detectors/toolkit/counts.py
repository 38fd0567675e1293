"""Counts that settle at fixed times, so that learning never depends on batch cuts.

`of` reads the counts up to the last `settle`; later counts wait.  Detectors settle when the hour or the day of arrival
changes, which is a property of the stream and not of its batches.

>>> import numpy as np
>>> from scopedrift.detectors.toolkit.counts import DecayingCounts
>>> from scopedrift.detectors.toolkit.hashing import mix
>>> counts, keys = DecayingCounts(), mix(np.array([7, 7, 8]))
>>> counts.add(counts.rows(keys))
>>> counts.of(keys)  # nothing has settled yet
array([0., 0., 0.])
>>> _ = counts.settle()
>>> counts.of(keys)
array([2., 2., 1.])
>>> _ = counts.settle(keep=0.5)  # a half-life passes
>>> counts.of(keys)
array([1. , 1. , 0.5])
"""

from __future__ import annotations

import numpy as np

from scopedrift.detectors.toolkit.hashing import HashTable, greater_half, grown, mix
from scopedrift.simulator.log.events import Array

LIMIT = 2_000_000
"""Fingerprints that are remembered; beyond it, the half with the lowest counts is dropped."""


class DecayingCounts:
    """Settled and waiting counts per fingerprint (`hashing.mix`), as arrays with one entry per row of `table`."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.table = HashTable()
        self.settled = np.zeros(0)
        self.waiting = np.zeros(0)
        self._period = np.zeros(0, np.int64)
        self._limit = limit

    def rows(self, keys: Array) -> Array:
        """The row of each fingerprint in `settled`, valid until the next `settle`."""
        rows = self.table.add(keys)
        self.settled = grown(self.settled, len(self.table))
        self.waiting = grown(self.waiting, len(self.settled))
        self._period = grown(self._period, len(self.settled), -1)
        return rows

    def add(self, rows: Array, amounts: Array | float = 1.0) -> None:
        """Counts each of these rows once more (or by an amount)."""
        np.add.at(self.waiting, rows, amounts)

    def add_once(self, rows: Array, period: Array | int) -> Array:
        """Counts each row at most once in a period; gives the positions that counted."""
        stale = np.flatnonzero(self._period[rows] != period)
        if len(stale):
            when = np.broadcast_to(period, rows.shape)[stale]
            stale = stale[np.sort(np.unique(mix(rows[stale], when), return_index=True)[1])]
            self._period[rows[stale]] = np.broadcast_to(period, rows.shape)[stale]  # in order: the latest stays
            np.add.at(self.waiting, rows[stale], 1.0)
        return stale

    def of(self, keys: Array) -> Array:
        """The settled count of each fingerprint; 0 if it is not known."""
        found = self.table.find(keys)
        if not len(self.settled):
            return np.zeros(len(keys))
        return np.where(found >= 0, self.settled[found], 0.0)

    def settle(self, keep: float = 1.0) -> Array | None:
        """Adds the waiting counts, after fading the settled ones to the share `keep`.

        Gives a mask of the rows that stay if the lesser half had to be dropped, `None` if rows are as before.
        """
        self.settled *= keep
        self.settled += self.waiting
        self.waiting[:] = 0.0
        size = len(self.table)
        if size > self._limit:
            kept = greater_half(self.settled[:size])
            self.table.keep(kept)
            self.settled, self._period = self.settled[:size][kept], self._period[:size][kept]
            self.waiting = np.zeros(len(self.settled))
            return kept
        return None
