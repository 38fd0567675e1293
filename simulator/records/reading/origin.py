"""The way from an event back to its record, which is read again on request.

A record's place is its file, the byte offset of the JSON value that holds it (in the unpacked content) and its
number among the records of that value, packed into 8 bytes an event.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.sources import LIMIT, Source
from scopedrift.simulator.records.reading.splitting import find_end

ITEM_BITS: Final = 25
"""Enough for the records of one value, since a value has at most 64 MiB."""


class Origins:
    """The places of all records, in the order in which they were read."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self._starts: list[int] = []
        self.places = array("q")
        """`offset << ITEM_BITS | item` of each record; offsets below 256 GiB."""

    def open(self, file: Path) -> None:
        """The records added from now on are in `file`."""
        self.files.append(file)
        self._starts.append(len(self.places))

    def ends(self) -> Iterator[tuple[Path, int]]:
        """Each file, and the number of the first record behind it."""
        return zip(self.files, [*self._starts[1:], len(self.places)], strict=True)

    def place(self, number: int) -> tuple[Path, int, int]:
        """File, offset and item of the record that was read as number `number`."""
        place = self.places[number]
        return self.files[bisect_right(self._starts, number) - 1], place >> ITEM_BITS, place & (1 << ITEM_BITS) - 1


def value_at(file: Path, offset: int) -> bytes:
    """The JSON value that begins at byte `offset` of the unpacked file.

    Raises `LogError` if the file is gone or has changed.
    """
    source = Source(file)
    held: list[bytes] = []
    at = size = 0
    wanted = 1
    for piece in source.pieces(offset):
        at += len(piece)
        held.append(piece)
        size += len(piece)
        if size >= wanted:
            data = b"".join(held)
            end = find_end(data)
            if end >= 0:
                return data[:end]
            if size > LIMIT:
                break
            held, wanted = [data], 2 * size
    data = b"".join(held)
    end = find_end(data)
    if end < 0 and data and data.lstrip()[:1] not in (b"{", b"["):
        return data  # the last line
    if end < 0:
        why = f" ({source.problem})" if source.problem else ""
        raise LogError(f"{file}: the record at byte {offset} is gone{why}")
    return data[:end]
