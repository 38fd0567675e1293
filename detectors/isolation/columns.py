"""Batches as memory that a detector's process can read and not write: columns of one batch, and nothing else.

Columns are copied into pieces of anonymous memory (a sealed `memfd`), so neither a later event nor an array of ours is
behind them.  A batch is announced with the columns that the detector read last time; it asks for others, or for a part
of a long history, when it first reads them (`receiver`).  With each message it says which pieces it no longer looks
at: these are written again.  Names travel beside it, once each and only as far as the stream has shown them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
from collections.abc import Mapping
from typing import Final, TypedDict

import numpy as np

from scopedrift.simulator.log.events import CODED, Array, EventBatch

_ALIGNED: Final = 64
_LEAST: Final = 1 << 20
_ADD_SEALS: Final = 1033
_SEALS: Final = 0x01 | 0x02 | 0x04 | 0x10
"""Neither more seals, nor another size, nor another way to write than through the mapping that exists."""
_COPIES: Final = 4
"""Times a batch that a detector may hold in pieces that it asked for, beside `_SLACK` bytes (assumed)."""
_SLACK: Final = 1 << 26


class Placed(TypedDict):
    """Where columns are."""

    columns: dict[str, int]
    """Where each begins."""
    piece: int
    gone: list[int]
    """Pieces that will not be used again."""
    size: int
    """Bytes of the piece; its open file comes with the message if the receiver does not have it yet."""


class BatchHeader(TypedDict):
    """What a header says of a batch."""

    events: int
    columns: list[str]
    """Those that the batch has; `placed` tells of those that are sent at once."""
    seen: dict[str, int]
    names: dict[str, list[str]]
    """Those that the receiver does not have yet."""
    placed: Placed


class Sender:
    """Our side: copies columns into pieces of memory."""

    def __init__(self) -> None:
        self._batch: EventBatch | None = None
        self._read: dict[str, None] = {}  # columns that the detector read while it scored, in order
        self._asked: dict[int, int] = {}  # bytes of the pieces that it asked for and still holds
        self._sent = dict.fromkeys(CODED, 0)
        self._pieces: dict[int, mmap.mmap] = {}
        self._free: set[int] = set()
        self._next = 0

    def announced(self, batch: EventBatch) -> tuple[BatchHeader, list[int]]:
        """The header of a batch, and the files to send with it (to be closed then)."""
        self._batch = batch
        self._asked.clear()
        placed, files = self._placed({name: batch.columns[name] for name in self._read if name in batch.columns})
        seen, new = {}, {}
        for name in CODED:
            known = batch.names(name)
            seen[name] = len(known)
            if len(known) > self._sent[name]:
                new[name] = known[self._sent[name] :]
                self._sent[name] = len(known)
        header = BatchHeader(events=len(batch), columns=list(batch.columns), seen=seen, names=new, placed=placed)
        return header, files

    def asked(self, said: Mapping[str, object], *, again: bool) -> tuple[Placed, list[int]]:
        """The columns that the detector asks for, of this batch; `again`: the next batch comes with them.

        Raises `ValueError` if there are no such columns or events, or if it holds too much.
        """
        batch, names, start, stop = self._batch, said.get("want"), said.get("start"), said.get("stop")
        if batch is None or not isinstance(names, list) or not all(name in list(batch.columns) for name in names):
            raise ValueError("asked for what is no column")
        if not (isinstance(start, int) and isinstance(stop, int) and 0 <= start <= stop <= len(batch)):
            raise ValueError("asked for what is no part of the batch")
        if again:
            self._read.update(dict.fromkeys(names))
        wanted = {name: batch.columns[name][start:stop] for name in dict.fromkeys(names)}
        whole = sum(column.nbytes for column in batch.columns.values())
        size = sum(column.nbytes for column in wanted.values())
        if sum(self._asked.values()) + size > _COPIES * whole + _SLACK:
            raise ValueError("asked for more copies of a batch than it may hold")
        placed, files = self._placed(wanted)
        self._asked[placed["piece"]] = size
        return placed, files

    @property
    def read(self) -> list[str]:
        """The columns that a batch is announced with."""
        return list(self._read)

    def freed(self, pieces: object) -> None:
        """These are not looked at any more."""
        for each in pieces if isinstance(pieces, list) else ():
            if isinstance(each, int) and each in self._pieces:
                self._free.add(each)
                self._asked.pop(each, None)

    def _placed(self, columns: Mapping[str, Array]) -> tuple[Placed, list[int]]:
        places, end = {}, 0
        for name, column in columns.items():
            places[name] = end
            end += -(-column.nbytes // _ALIGNED) * _ALIGNED
        if not end:
            return Placed(columns=places, piece=-1, gone=[], size=0), []
        number, files, gone = self._piece(end)
        for file in files:
            for name, column in columns.items():
                _written(file, column, places[name])
            self._pieces[number] = _sealed(file)
        piece = self._pieces[number]
        for name, column in columns.items() if not files else ():
            np.copyto(np.frombuffer(piece, column.dtype, len(column), places[name]), column)
        return Placed(columns=places, piece=number, gone=gone, size=len(piece)), files

    def _piece(self, size: int) -> tuple[int, list[int], list[int]]:
        """A piece that is free, or the file of a new one; and those that are given up."""
        gone: list[int] = []
        for number in list(self._free):
            self._free.discard(number)
            if size <= len(self._pieces[number]) <= 16 * max(size, _LEAST):
                return number, [], gone
            del self._pieces[number]  # the history's, most likely
            gone.append(number)
        number, self._next = self._next, self._next + 1
        return number, [_anonymous(max(size + size // 4, _LEAST))], gone


def _written(file: int, column: Array, at: int) -> None:
    """Writes a column into a file: into a new one, that is several times as fast as through a mapping."""
    left = np.ascontiguousarray(column).view(np.uint8).data
    while left:
        done = os.pwrite(file, left, at)
        left, at = left[done:], at + done


def _sealed(file: int) -> mmap.mmap:
    """The file, mapped: from now on this is the only way to change it."""
    mapped = mmap.mmap(file, 0)
    if hasattr(os, "memfd_create"):
        fcntl.fcntl(file, _ADD_SEALS, _SEALS)
    return mapped


def _anonymous(size: int) -> int:
    """A file without a name, of that size."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("batch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    os.ftruncate(file, size)
    return file
