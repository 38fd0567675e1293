"""Helpers to read the columns of a batch: absent columns, texts, derived codes, groups, segments.

A batch holds one read-only array per column, of shape `(len(batch),)`: codes of texts, ids, times in microseconds, or
bytes; -1 is a missing value.

>>> from scopedrift.detectors.conformance.sample import sample_log
>>> from scopedrift.detectors.toolkit.columns import column, text
>>> batch = sample_log(200).batch(0, 200)
>>> column(batch, "operation").shape, column(batch, "no-such-column")
((200,), None)
>>> text(batch, "operation", 0)
'GetObject'
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from scopedrift.detectors.toolkit.hashing import grown, mix
from scopedrift.simulator.log.events import MISSING, Array, EventBatch, Names

CHUNK = 50_000
"""Events that are looked at together where a history would take too much memory at once."""


def column(batch: EventBatch, name: str) -> Array | None:
    """A column of the batch, or `None` if the log does not have it."""
    try:
        return batch[name]
    except KeyError:
        return None


def texts_of(batch: EventBatch, name: str, rows: Array) -> list[str | None]:
    """The texts of a coded column in some rows (`None` where missing)."""
    codes = column(batch, name)
    if codes is None:
        return [None] * len(rows)
    known, wanted = batch.names(name), codes[rows].tolist()
    found = {code: None if code < 0 else known[code] for code in set(wanted)}
    return [found[code] for code in wanted]


def texts(batch: EventBatch, names: Sequence[str], rows: Array) -> list[tuple[str | None, ...]]:
    """The texts of several coded columns in some rows, row by row (`None` where missing)."""
    return list(zip(*(texts_of(batch, name, rows) for name in names), strict=True))


def text(batch: EventBatch, name: str, row: int) -> str | None:
    """The text of one coded value, or `None` if it is missing."""
    return texts_of(batch, name, np.array([row]))[0]


def chunks(batch: EventBatch) -> Iterator[EventBatch]:
    """The batch in slices of at most `CHUNK` events, to stream through a long history."""
    for start in range(0, len(batch), CHUNK):
        yield batch.slice(start, start + CHUNK)


def threads(batch: EventBatch) -> Array:
    """The thread of each event: a fingerprint of its task, or of its identity if it has no task."""
    identity, task = column(batch, "identity"), column(batch, "task")
    own = mix(0, np.full(len(batch), MISSING) if identity is None else identity)
    return own if task is None else np.where(task >= 0, mix(1, task), own)


class Derived:
    """Codes computed from the texts of a coded column, once for each distinct text.

    Several columns may share one `names`, so that equal texts get equal codes.

    >>> from scopedrift.detectors.conformance.sample import sample_log
    >>> from scopedrift.detectors.toolkit.peers import stem
    >>> kinds = Derived("identity", stem)
    >>> codes = kinds.codes(sample_log(200).batch(0, 200))
    >>> codes.shape, kinds.names[int(codes[0])]
    ((200,), 'agent')
    """

    def __init__(self, column: str, function: Callable[[str], str], names: Names | None = None) -> None:
        self.column = column
        self.names = names if names is not None else Names()
        self._function = function
        self._table = np.full(64, MISSING, np.int32)
        self._size = 0

    def codes(self, batch: EventBatch) -> Array | None:
        """The derived code of each event (-1 where missing), or `None` if the log lacks the column."""
        source = column(batch, self.column)
        if source is None:
            return None
        self._extend(batch, int(source.max(initial=-1)) + 1)
        return np.asarray(self._table[source.astype(np.intp)])  # code -1 reads the last entry, which stays MISSING

    def table(self) -> Array:
        """The derived code of each code of the column met so far."""
        return self._table[: self._size]

    def _extend(self, batch: EventBatch, size: int) -> None:
        if size <= self._size:
            return
        texts = batch.names(self.column)
        self._table = grown(self._table, size + 1, MISSING)
        fresh = [self.names.code(self._function(texts[code])) for code in range(self._size, size)]
        self._table[self._size : size] = fresh
        self._size = size


def segments(values: Array, unit: int) -> Iterator[tuple[int, int, int]]:
    """Cuts ascending values where `values // unit` changes, such as times of arrival at full hours.

    Gives start, stop and `values // unit` of each segment.

    >>> list(segments(np.array([0, 5, 9, 10, 31]), 10))
    [(0, 3, 0), (3, 4, 1), (4, 5, 3)]
    """
    start = 0
    while start < len(values):
        number = int(values[start]) // unit
        stop = len(values)
        if int(values[-1]) // unit != number:
            stop = int(np.searchsorted(values, (number + 1) * unit))
        yield start, stop, number
        start = stop


def grouped(keys: Array) -> tuple[Array, Array, Array]:
    """Sorts rows by a small non-negative key (below 2^40), stably.

    Gives `order` (row numbers), `starts` (where each group begins in that order) and `lengths`.

    >>> grouped(np.array([7, 2, 7, 2, 2]))
    (array([1, 3, 4, 0, 2]), array([0, 3]), array([3, 2]))
    """
    bits = len(keys).bit_length()
    packed = (keys.astype(np.int64) << bits) | np.arange(len(keys))
    packed.sort()
    order = packed & ((1 << bits) - 1)
    packed >>= bits
    starts = np.concatenate(([0], np.flatnonzero(packed[1:] != packed[:-1]) + 1)) if len(keys) else packed
    return order, starts, np.diff(starts, append=len(keys))


def sorted_by(row: Array) -> Array:
    """The stable order of small non-negative numbers: 16 bits at a time, which NumPy sorts in linear time."""
    order = np.argsort(row.astype(np.uint16), kind="stable")  # the lower 16 bits
    if int(row.max(initial=0)) >> 16:
        order = order[np.argsort((row >> 16).astype(np.uint16)[order], kind="stable")]
    return np.asarray(order)
