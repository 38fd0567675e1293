"""Writing a log as files of a format, event by event in order of arrival, in bounded memory.

Files look like a collector's: gzip, one an hour or a day (and account), in the folders of the original.  Events of
streams that the format does not carry are only counted.
"""

from __future__ import annotations

import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, runtime_checkable

import msgspec
import numpy as np

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, COLUMNS, DAY, MISSING, OPAQUE, Array, Event, EventBatch
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.formats import Format, format_named
from scopedrift.simulator.records.json_paths import Record
from scopedrift.simulator.records.writing.naming import ExportNames

BATCH: Final = 10_000
BUFFER: Final = 1 << 16
"""Buffered bytes of a file before compression: as much as is used again without asking for new pages."""
QUEUED: Final = 1_024
"""Maximum buffers that wait for compression."""
COMPRESSION: Final = 1
"""Level of compression: of the time of an export, a higher one takes more than it saves space."""
GZIP: Final = 31
"""`wbits` of zlib for a gzip file."""

Progress = Callable[[float], None]


class RecordWriter(Protocol):
    """What a format provides."""

    def file(self, event: Event) -> str:
        """The path of the file that holds the event's record, within the export."""
        ...

    def identifier(self, number: int) -> str:
        """The id that the record of the event at position `number` has."""
        ...

    def record(self, event: Event, number: int) -> Record | None:
        """The record of the event at position `number` of the log; None for what the platform does not have."""
        ...


@runtime_checkable
class TextWriter(Protocol):
    """A format whose records are quicker made as texts."""

    def text(self, event: Event, number: int) -> bytes | None:
        """The JSON text of the event's record."""
        ...


def text_of(writing: RecordWriter) -> Callable[[Event, int], bytes | None]:
    """What makes the JSON text of an event's record; None for what the platform does not have."""
    if isinstance(writing, TextWriter):
        return writing.text
    encode = msgspec.json.Encoder().encode

    def text(event: Event, number: int) -> bytes | None:
        record = writing.record(event, number)
        return None if record is None else encode(record)

    return text


@dataclass
class Exported:
    """What an export wrote, and the events that its format does not carry."""

    records: int = 0
    files: list[Path] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    """Events of other streams, by stream."""
    foreign: Counter[str] = field(default_factory=Counter)
    """Events that the platform has no counterpart of, by service and operation."""


def export_log(log: EventLog, format: str, out: Path, progress: Progress | None = None) -> Exported:
    """Write the events of a log as records of a format below the folder `out`.

    Raises `LogError` for an unknown format, or if the format carries no event of the log.
    """
    kind = format_named(format)
    writing = kind.writer(ExportNames.of(log))
    made = text_of(writing)
    result = Exported()
    day, open_files, begin = -1, _Files(out, kind.wrapper), 0
    with closing(open_files):
        for batch in log.batches(BATCH):
            rows = _carried(batch, kind, result)
            for row, event in zip(rows.tolist(), _decoded(batch, rows), strict=True):
                if event.arrived // DAY != day:
                    open_files.end()
                    day = event.arrived // DAY
                text = made(event, begin + row)
                if text is None:
                    result.foreign[f"{event.service} {event.operation}"] += 1
                else:
                    open_files.write(writing.file(event), text)
                    result.records += 1
            begin += len(batch)
            if progress is not None:
                progress(begin / max(len(log), 1))
    result.files = open_files.written
    if not result.records:
        held = ", ".join(f"{count} of {stream}" for stream, count in result.left.items()) or "none"
        if result.foreign:
            held += f", and {result.foreign.total()} calls that it has no counterpart of"
        raise LogError(f"{format} records carry only {', '.join(sorted(kind.streams))}, but the log holds {held}")
    return result


_decoded_event: Final = make_dataclass("DecodedEvent", COLUMNS, bases=(Event,), eq=False, repr=False, slots=True)
"""An event whose columns are all decoded: a writer reads most of them, several times."""


def _carried(batch: EventBatch, kind: Format, result: Exported) -> Array:
    """The rows of a batch whose stream a format carries; the others are counted."""
    if "stream" not in batch.columns:
        result.left["no stream"] += len(batch)
        return np.empty(0, np.int64)
    names = [*batch.names("stream"), "no stream"]
    counts = np.bincount(np.asarray(batch["stream"]) % len(names), minlength=len(names))
    carried = np.array([name in kind.streams for name in names])
    for name, count, has in zip(names, counts.tolist(), carried.tolist(), strict=True):
        if count and not has:
            result.left[name] += count
    return np.flatnonzero(carried[batch["stream"]])


def _decoded(batch: EventBatch, rows: Array) -> Iterator[Event]:
    """The events at some rows of a batch, decoded column by column."""
    columns = []
    for name in COLUMNS:
        values = batch.columns[name][rows].tolist() if name in batch.columns else [MISSING] * len(rows)
        if name in CODED:
            texts = [*batch.names(name), None] if name in batch.columns else [None]
            columns.append([texts[code] for code in values])
        elif name in OPAQUE:
            digits = {value: None if value < 0 else f"{value:016x}" for value in set(values)}
            columns.append([digits[value] for value in values])
        else:
            columns.append([None if value < 0 else value for value in values])
    return map(_decoded_event, *columns)


class _OpenFile:
    """A file that is being written: what is not compressed yet, and what compresses and holds the rest."""

    def __init__(self, path: Path, wrapper: str | None) -> None:
        self.path = path
        self.waiting: list[bytes] = []
        self.size = 0
        head = b'{"%s":[' % wrapper.encode() if wrapper else b""
        self._head, self._between, self._tail = head, b"," if wrapper else b"\n", b"]}" if wrapper else b"\n"
        self._packer = zlib.compressobj(COMPRESSION, wbits=GZIP)
        self._file: BinaryIO | None = None

    def taken(self, last: bool) -> bytes:
        """What waits, which waits no longer, with what is around and between records."""
        head, tail = self._head if self.waiting else b"", self._tail if last else b""
        raw = head + self._between.join(self.waiting) + tail
        self.waiting, self.size, self._head = [], 0, self._between
        return raw

    def put(self, raw: bytes, last: bool) -> None:
        """Compress and write (the work of the other thread)."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb")
        self._file.write(self._packer.compress(raw))
        if last:
            self._file.write(self._packer.flush())
            self._file.close()


class _Files:
    """Files that are being written, compressed by a thread of their own."""

    def __init__(self, folder: Path, wrapper: str | None) -> None:
        self.written: list[Path] = []
        self._folder = folder
        self._wrapper = wrapper
        self._open: dict[str, _OpenFile] = {}
        self._worker = ThreadPoolExecutor(1)
        self._works: deque[Future[None]] = deque()

    def write(self, name: str, raw: bytes) -> None:
        """Add a record to a file."""
        file = self._open.get(name)
        if file is None:
            file = self._open[name] = _OpenFile(self._folder / name, self._wrapper)
            self.written.append(file.path)
        file.waiting.append(raw)
        file.size += len(raw)
        if file.size > BUFFER:
            self._put(file)

    def end(self) -> None:
        """End all files."""
        for file in self._open.values():
            self._put(file, last=True)
        self._open.clear()

    def close(self) -> None:
        """End all files, and wait until they are written."""
        try:
            self.end()
            while self._works:
                self._works.popleft().result()
        finally:
            self._worker.shutdown(cancel_futures=True)

    def _put(self, file: _OpenFile, last: bool = False) -> None:
        while len(self._works) >= QUEUED:
            self._works.popleft().result()
        self._works.append(self._worker.submit(file.put, file.taken(last), last))
