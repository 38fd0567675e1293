"""Rows of small integers repeat, so each distinct row is judged once and the answer cached.

>>> import numpy as np
>>> from scopedrift.detectors.toolkit.distinct import Distinct
>>> called = []
>>> squares = Distinct(lambda rows: called.append(len(rows)) or (rows**2).sum(axis=1))
>>> squares.answers(np.array([[1, 2], [3, 0], [1, 2]])), squares.answers(np.array([[3, 0]])), called
(array([5, 9, 5]), array([9]), [2])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from scopedrift.detectors.toolkit.hashing import HashTable, grown, splitmix
from scopedrift.simulator.log.events import Array

_BITS: Final = 5
_PACKED: Final = 64 // _BITS
"""Numbers of one row that share a word."""


class Remembered:
    """The cached answer to each fingerprint."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._table, self._answers = HashTable(), np.zeros(0)

    def forget(self) -> None:
        """Drops every answer."""
        self._table, self._answers = HashTable(), self._answers[:0]

    def answers(self, keys: Array, asked: Callable[[Array], Array]) -> Array:
        """The answer to each fingerprint; `asked` gives those that are new, by the positions of their first.

        An answer is a number, an object, or a row of such.  Beyond `most` fingerprints, all are forgotten first.
        """
        if len(self._table) > self._most:
            self.forget()
        known = len(self._table)
        rows = self._table.add(keys)
        if len(self._table) > known:
            fresh = np.flatnonzero(rows >= known)
            try:
                given = np.asarray(asked(fresh[np.unique(rows[fresh], return_index=True)[1]]))
            except BaseException:
                self.forget()  # the fingerprints are in the table, their answers are not
                raise
            if not known:
                self._answers = np.zeros((0, *given.shape[1:]), given.dtype)
            self._answers = grown(self._answers, len(self._table))
            self._answers[known : len(self._table)] = given
        return np.asarray(self._answers[rows])


class Distinct:
    """A function of rows of integers from 0 to 31 (shape `(rows, columns)`), called with each distinct row once.

    Beyond `most` distinct rows, every answer is forgotten.
    """

    def __init__(self, judge: Callable[[Array], Array], most: int = 8_000) -> None:
        self._judge = judge
        self._remembered = Remembered(most)

    def answers(self, rows: Array) -> Array:
        """The answer to each row: an array whose first axis is that of `rows`."""
        return self._remembered.answers(_keys(rows), lambda at: self._judge(rows[at]))


def _keys(rows: Array) -> Array:
    """The fingerprint of each row; words are mixed well, since a number high in a word leaves little of a product."""
    key = np.zeros(len(rows), np.int64)
    for first in range(0, rows.shape[1], _PACKED):
        word = rows[:, first].astype(np.int64)
        for column in rows.T[first + 1 : first + _PACKED]:
            word <<= _BITS
            word |= column
        key = splitmix(key ^ word).view(np.int64)
    return key
