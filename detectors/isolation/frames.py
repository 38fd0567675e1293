"""Messages between a detector's process and ours: a JSON header and plain bytes; nothing is unpickled on our side.

A frame is the lengths of both (8 bytes each), the header, the bytes.  A batch travels as its columns, and the names
that its receiver does not have yet.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Final, TypedDict

import numpy as np

from scopedrift.simulator.log.events import CODED, DTYPES, Array, EventBatch, Vocabulary

_LENGTHS: Final = struct.Struct("<QQ")
SIZE: Final = _LENGTHS.size


def framed(header: Mapping[str, object], *parts: bytes | memoryview) -> list[bytes | memoryview]:
    """What to write, one after the other."""
    text = json.dumps(header).encode()
    return [_LENGTHS.pack(len(text), sum(map(len, parts))), text, *parts]


def plain(column: Array) -> memoryview:
    """The bytes of a column."""
    return np.ascontiguousarray(column).view(np.uint8).data


def lengths(start: bytes | bytearray) -> tuple[int, int]:
    """Length of the header and of the bytes, from the first `SIZE` bytes of a frame."""
    header, body = _LENGTHS.unpack(start[:SIZE])
    return int(header), int(body)


class BatchHeader(TypedDict):
    """What a header says of a batch."""

    events: int
    columns: list[str]
    seen: dict[str, int]
    names: dict[str, list[str]]
    """Those that its receiver does not have yet."""


class Sender:
    """Turns batches into frames; a name is sent once."""

    def __init__(self) -> None:
        self._sent = dict.fromkeys(CODED, 0)

    def framed(self, batch: EventBatch, *parts: bytes, **header: object) -> list[bytes | memoryview]:
        """The frame of a batch; `parts` follow its columns."""
        seen, new = {}, {}
        for name in CODED:
            known = batch.names(name)
            seen[name] = len(known)
            if len(known) > self._sent[name]:
                new[name] = known[self._sent[name] :]
                self._sent[name] = len(known)
        header |= {"events": len(batch), "columns": list(batch.columns), "seen": seen, "names": new}
        return framed(header, *map(plain, batch.columns.values()), *parts)


class Receiver:
    """Turns frames into batches that share one vocabulary."""

    def __init__(self) -> None:
        self._vocabulary = Vocabulary()

    def batch(self, header: BatchHeader, body: bytes) -> EventBatch:
        """The batch that was sent."""
        for name, texts in header["names"].items():
            for text in texts:
                self._vocabulary[name].code(text)
        columns, at = {}, 0
        for name in header["columns"]:
            columns[name] = np.frombuffer(body, DTYPES[name], header["events"], at)
            at += columns[name].nbytes
        return EventBatch(columns, self._vocabulary, header["seen"])
