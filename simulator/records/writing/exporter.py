"""Writing a log as files of a format, event by event in order of arrival, in bounded memory.

Files look like a collector's: gzip, one an hour or a day (and account), in the folders of the original.  Events of
streams that the format does not carry are only counted.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from io import BufferedWriter, RawIOBase
from pathlib import Path
from typing import IO, Final, Protocol, cast

import msgspec

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, Event
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.formats import format_named
from scopedrift.simulator.records.json_paths import Record
from scopedrift.simulator.records.writing.naming import ExportNames

BATCH: Final = 10_000
BUFFER: Final = 1 << 18
"""Buffered bytes of a file before compression."""

Progress = Callable[[float], None]


class RecordWriter(Protocol):
    """What a format provides."""

    def file(self, event: Event) -> str:
        """The path of the file that holds the event's record, within the export."""
        ...

    def record(self, event: Event, number: int) -> Record | None:
        """The record of the event at position `number` of the log; None for what the platform does not have."""
        ...


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
    result = Exported()
    day, open_files, number = -1, _Files(out, kind.wrapper), 0
    with closing(open_files):
        for batch in log.batches(BATCH):
            for event in batch:
                if event.stream in kind.streams:
                    if event.arrived // DAY != day:
                        open_files.close()
                        day = event.arrived // DAY
                    record = writing.record(event, number)
                    if record is None:
                        result.foreign[f"{event.service} {event.operation}"] += 1
                    else:
                        open_files.write(writing.file(event), record)
                        result.records += 1
                else:
                    result.left[event.stream or "no stream"] += 1
                number += 1
            if progress is not None:
                progress(number / max(len(log), 1))
    result.files = open_files.written
    if not result.records:
        held = ", ".join(f"{count} of {stream}" for stream, count in result.left.items()) or "none"
        if result.foreign:
            held += f", and {result.foreign.total()} calls that it has no counterpart of"
        raise LogError(f"{format} records carry only {', '.join(sorted(kind.streams))}, but the log holds {held}")
    return result


class _Files:
    """Files that are being written."""

    def __init__(self, folder: Path, wrapper: str | None) -> None:
        self.written: list[Path] = []
        self._folder = folder
        self._wrapper = wrapper
        self._open: dict[str, IO[bytes]] = {}

    def write(self, name: str, record: Record) -> None:
        """Add a record to a file."""
        raw = msgspec.json.encode(record)
        file = self._open.get(name)
        if file is None:
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            packed = cast("RawIOBase", gzip.GzipFile(path, "wb", compresslevel=4, mtime=0))
            file = self._open[name] = cast("IO[bytes]", BufferedWriter(packed, BUFFER))
            self.written.append(path)
            if self._wrapper:
                file.write(b'{"%s":[' % self._wrapper.encode() + raw)
                return
        file.write(b"," + raw if self._wrapper else raw + b"\n")

    def close(self) -> None:
        """End all files."""
        for file in self._open.values():
            if self._wrapper:
                file.write(b"]}")
            file.close()
        self._open.clear()
