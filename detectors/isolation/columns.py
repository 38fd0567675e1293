"""Batches as memory that a detector's process can read and not write: the columns of one batch, and nothing else.

Each batch is copied into a piece of anonymous memory (a sealed `memfd`), so neither a later event nor an array of ours
is behind it.  The receiver maps it read-only and says with each answer which pieces it no longer looks at: these are
written again.  Names travel beside it, once each and only as far as the stream has shown them.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import sys
import tempfile
from collections.abc import Iterable
from typing import Final, TypedDict

import numpy as np

from scopedrift.simulator.log.events import CODED, DTYPES, Array, EventBatch, Vocabulary

_ALIGNED: Final = 64
_LEAST: Final = 1 << 20
_ADD_SEALS: Final = 1033
_SEALS: Final = 0x01 | 0x02 | 0x04 | 0x10
"""Neither more seals, nor another size, nor another way to write than through the mapping that exists."""


class BatchHeader(TypedDict):
    """What a header says of a batch."""

    events: int
    columns: dict[str, int]
    """Where each begins."""
    seen: dict[str, int]
    names: dict[str, list[str]]
    """Those that the receiver does not have yet."""
    piece: int
    gone: list[int]
    """Pieces that will not be used again."""
    size: int
    """Bytes of the piece; its open file comes with the header if the receiver does not have it yet."""


class Sender:
    """Our side: copies batches into pieces of memory."""

    def __init__(self) -> None:
        self._sent = dict.fromkeys(CODED, 0)
        self._pieces: dict[int, mmap.mmap] = {}
        self._free: set[int] = set()
        self._next = 0

    def placed(self, batch: EventBatch) -> tuple[BatchHeader, list[int]]:
        """The header of a batch, and the files to send with it (to be closed then)."""
        places, end = {}, 0
        for name, column in batch.columns.items():
            places[name] = end
            end += -(-column.nbytes // _ALIGNED) * _ALIGNED
        number, files, gone = self._piece(end)
        for file in files:
            for name, column in batch.columns.items():
                _written(file, column, places[name])
            self._pieces[number] = _sealed(file)
        piece = self._pieces[number]
        for name, column in batch.columns.items() if not files else ():
            np.copyto(np.frombuffer(piece, column.dtype, len(column), places[name]), column)
        seen, new = {}, {}
        for name in CODED:
            known = batch.names(name)
            seen[name] = len(known)
            if len(known) > self._sent[name]:
                new[name] = known[self._sent[name] :]
                self._sent[name] = len(known)
        header = BatchHeader(
            events=len(batch), columns=places, seen=seen, names=new, piece=number, gone=gone, size=len(piece)
        )
        return header, files

    def freed(self, pieces: Iterable[object]) -> None:
        """These are not looked at any more."""
        self._free.update(int(each) for each in pieces if isinstance(each, int) and each in self._pieces)

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


class Receiver:
    """The detector's side: batches that share one vocabulary, over memory that it can only read."""

    def __init__(self) -> None:
        self._vocabulary = Vocabulary()
        self._pieces: dict[int, Array] = {}

    def batch(self, header: BatchHeader, files: Iterable[int]) -> EventBatch:
        """The batch that was sent."""
        for name, texts in header["names"].items():
            for text in texts:
                self._vocabulary[name].code(text)
        for number in header["gone"]:
            del self._pieces[number]
        for file in files:
            mapped = mmap.mmap(file, header["size"], prot=mmap.PROT_READ)
            os.close(file)
            self._pieces[header["piece"]] = np.frombuffer(mapped, np.uint8)
        piece, columns = self._pieces[header["piece"]], {}
        for name, at in header["columns"].items():
            kind = np.dtype(DTYPES[name])
            columns[name] = piece[at : at + header["events"] * kind.itemsize].view(kind)
        return EventBatch(columns, self._vocabulary, header["seen"])

    def released(self) -> list[int]:
        """Pieces that no array is part of any more."""
        # referred to by the dictionary and by the call
        return [number for number in self._pieces if sys.getrefcount(self._pieces[number]) <= 2]


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
