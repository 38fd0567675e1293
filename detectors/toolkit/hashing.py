"""Hash tables over NumPy arrays: the vectorised memory of the built-in detectors.

Several integer columns are packed into one 64-bit fingerprint (multilinear hashing with fixed odd multipliers: two
different tuples share one with probability 2^-64).  A `HashTable` gives every fingerprint a dense row number, in order
of first appearance, so that a detector keeps what it knows in plain arrays indexed by row.  Nothing depends on how a
stream was cut into batches.

>>> import numpy as np
>>> from scopedrift.detectors.toolkit.hashing import HashTable, mix
>>> identity, operation = np.array([4, 4, 9]), np.array([1, 1, 1])
>>> table = HashTable()
>>> table.add(mix(identity, operation))  # the first two events are the same pair
array([0, 0, 1], dtype=int32)
>>> table.find(mix(np.array([9, 9]), np.array([1, 2])))
array([ 1, -1], dtype=int32)
"""

from __future__ import annotations

import numpy as np

from scopedrift.simulator.log.events import Array

_MULTIPLIERS = np.array(
    [
        0x9E3779B97F4A7C15,
        0xC2B2AE3D27D4EB4F,
        0xFF51AFD7ED558CCD,
        0xD6E8FEB86659FD93,
        0xA0761D6478BD642F,
        0xE7037ED1A0B428DB,
        0x8EBC6AF09C88C6E3,
        0x589965CC75374CC3,
    ],
    np.uint64,
).view(np.int64)
_OFFSET = np.int64(0x2545F4914F6CDD1D)


def mix(*columns: Array | int) -> Array:
    """The 64-bit fingerprint of each row of up to eight integer columns, as int64 of the shape of a column.

    At least one column is an array.  Where one table holds fingerprints of several kinds, begin with a constant for
    the kind.  Raises `TypeError` for other numbers of columns.
    """
    key: Array | None = None
    constant = int(_OFFSET)
    for multiplier, column in zip(_MULTIPLIERS, columns, strict=False):
        if isinstance(column, int):
            constant += column * int(multiplier)
            continue
        term = np.multiply(column, multiplier, dtype=np.int64)
        key = term if key is None else np.add(key, term, out=key)
    if key is None or len(columns) > len(_MULTIPLIERS):
        raise TypeError(f"mix takes 1 to {len(_MULTIPLIERS)} columns, at least one of them an array")
    key += np.array(constant & 0xFFFFFFFFFFFFFFFF, np.uint64).view(np.int64)
    return key


def splitmix(keys: Array) -> Array:
    """A well-mixed uint64 for each integer: the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).

    >>> int(splitmix(np.array([0]))[0]) == 0xE220A8397B1DCDAF
    True
    """
    z = np.array(keys).view(np.uint64) if keys.dtype == np.int64 else keys.astype(np.uint64)
    z = z + _MULTIPLIERS[:1].view(np.uint64)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return np.asarray(z)


class HashTable:
    """An open-addressing hash table from fingerprints to row numbers 0, 1, 2, ..."""

    __slots__ = ("_keys", "_mask", "_rows", "_shift", "_size", "fingerprints")

    def __init__(self, bits: int = 10) -> None:
        self.fingerprints = np.empty(0, np.int64)
        """Capacity for every row's fingerprint; the first `len(self)` are in use."""
        self._size = 0
        self._reset(bits)

    def _reset(self, bits: int) -> None:
        self._keys = np.zeros(1 << bits, np.int64)
        self._keys[0] = -1  # no empty slot holds a key whose home it is
        self._rows = np.full(1 << bits, -1, np.int32)
        self._mask = (1 << bits) - 1
        self._shift = np.uint64(64 - bits)

    def __len__(self) -> int:
        return self._size

    def _home(self, keys: Array) -> Array:
        return np.asarray((keys.view(np.uint64) >> self._shift).view(np.int64))

    def find(self, keys: Array) -> Array:
        """The row of each fingerprint, or -1 where it is not in the table."""
        slot = self._home(keys)
        held = self._keys.take(slot)
        rows = self._rows.take(slot)
        miss = held != keys
        if not miss.any():
            return rows
        left = np.flatnonzero(miss & (rows >= 0))
        rows[miss] = -1
        wanted, slot = keys[left], slot[left]
        while len(left):
            slot = (slot + 1) & self._mask
            held, row = self._keys[slot], self._rows[slot]
            hit = held == wanted
            rows[left[hit]] = row[hit]
            go = ~hit & (row >= 0)
            left, wanted, slot = left[go], wanted[go], slot[go]
        return rows

    def absent(self, keys: Array) -> Array:
        """The positions of the fingerprints that are not in the table; less is read than by `find`."""
        miss = np.flatnonzero(self._keys.take(self._home(keys)) != keys)
        return miss[self.find(keys[miss]) < 0] if len(miss) else miss

    def add(self, keys: Array) -> Array:
        """The row of each fingerprint; new ones get the next rows, in order of first appearance."""
        rows = self.find(keys)
        absent = np.flatnonzero(rows < 0)
        if len(absent):
            fresh, first, inverse = np.unique(keys[absent], return_index=True, return_inverse=True)
            order = np.argsort(first)
            rank = np.empty(len(order), np.int64)
            rank[order] = np.arange(len(order))
            rows[absent] = self._size + rank[inverse]
            self._append(fresh[order])
        return rows

    def _append(self, keys: Array) -> None:
        size = self._size + len(keys)
        self.fingerprints = grown(self.fingerprints, size)
        self.fingerprints[self._size : size] = keys
        start, self._size = self._size, size
        if 4 * size > len(self._keys):
            self._reset(max(10, (4 * size).bit_length()))
            start = 0
        self._place(self.fingerprints[start:size], np.arange(start, size, dtype=np.int32))

    def _place(self, keys: Array, rows: Array) -> None:
        slot = self._home(keys)
        while len(keys):
            free = self._rows[slot] < 0
            self._keys[slot[free]] = keys[free]  # of several for one slot, the last stays
            landed = self._keys[slot] == keys
            self._rows[slot[landed]] = rows[landed]
            keys, rows, slot = keys[~landed], rows[~landed], (slot[~landed] + 1) & self._mask

    def keep(self, mask: Array) -> None:
        """Drops the rows where `mask` is false; the others move up and keep their order."""
        kept = self.fingerprints[: self._size][mask]
        self.clear()
        self._append(kept)

    def clear(self) -> None:
        """Drops all rows."""
        self._size = 0
        self.fingerprints = np.empty(0, np.int64)
        self._reset(10)


def grown(array: Array, size: int, fill: float = 0) -> Array:
    """`array` if it has `size` entries, otherwise a longer copy (at least doubled) padded with `fill`.

    >>> len(grown(np.zeros(100), 101)), len(grown(np.zeros(100), 7))
    (200, 100)
    """
    if len(array) >= size:
        return array
    longer = np.full((max(size, 2 * len(array), 64), *array.shape[1:]), fill, array.dtype)
    longer[: len(array)] = array
    return longer


def greater_half(values: Array) -> Array:
    """A mask of at most half of the rows, those with the greatest values; among equals, later rows stay.

    >>> greater_half(np.array([3, 1, 2, 2]))
    array([ True, False, False,  True])
    """
    mask = np.zeros(len(values), bool)
    mask[np.argsort(values, kind="stable")[(len(values) + 1) // 2 :]] = True
    return mask
