"""Reading audit records of any supported format into one `EventLog`, in order of arrival.

    imported = import_log(Path("trail/"))
    print("\\n".join(imported.report.summary()))
    imported.original(17)          # the record behind event 17

Files are streamed; what stays in memory is some 100 bytes an event and each column's distinct texts.  Where a
record tells no delivery time, an event arrives when it happened.  A record that cannot be read is counted by
reason and sampled in the report; `LogError` is raised only where nothing at all could be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.records.errors import LogError, Unreadable
from scopedrift.simulator.records.formats import FORMATS, format_named
from scopedrift.simulator.records.json_paths import Record
from scopedrift.simulator.records.reading.delimited import Delimited
from scopedrift.simulator.records.reading.field_mapper import FieldMapper
from scopedrift.simulator.records.reading.mapping import MappingFile, load_mapping
from scopedrift.simulator.records.reading.origin import ITEM_BITS, Origins
from scopedrift.simulator.records.reading.reader import BROKEN, Layout, Reader, RecordMapper
from scopedrift.simulator.records.reading.report import ImportReport
from scopedrift.simulator.records.reading.row_builder import CHUNK, RowBuilder
from scopedrift.simulator.records.reading.sources import SUFFIXES, Source, find_files
from scopedrift.simulator.records.reading.stores import Stored, arriving, shown_place
from scopedrift.simulator.records.reading.wrappers import unwrap

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and the bytes of all files (as they are on disk)."""


@dataclass(frozen=True)
class Imported:
    """A log imported from real records, the import report, and access to each record."""

    log: EventLog
    report: ImportReport
    _origins: Origins
    _order: Array | None
    _reader: Reader

    def original(self, position: int) -> Record:
        """The record behind the event at `position` of the log, read again from its file.

        Raises `IndexError` for a position that the log does not have, `LogError` if the file has changed.
        """
        return self._reader.record(*self._place(position))

    def whereabouts(self, position: int) -> str:
        """Where that record is, for people: its file, the byte where its JSON value begins, its number in a list."""
        file, offset, item = self._place(position)
        return f"{file}, byte {offset}" + (f", record {item + 1}" if item else "")

    def _place(self, position: int) -> tuple[Path, int, int]:
        if not 0 <= position < len(self.log):
            raise IndexError(f"no event {position}: the log has {len(self.log)} events")
        return self._origins.place(position if self._order is None else int(self._order[position]))

    def records(self) -> Iterator[tuple[int, str, bytes]]:
        """The record behind each event, read again file by file: the event's position, the format, its JSON text.

        Of several records of one act it is the first.  Raises `LogError` if a file has changed.
        """
        places, total = self._origins.places, len(self._origins.places)
        number, positions = 0, np.full(total, -1)
        positions[slice(None) if self._order is None else self._order] = np.arange(len(self.log))
        held = positions.tolist()
        for file, end in self._origins.ends():
            for offset, item, format, raw in self._read_again(file):
                if number >= end or places[number] != offset << ITEM_BITS | item:
                    raise LogError(f"{file}: the record at byte {offset} has changed since the import")
                if held[number] >= 0:
                    yield held[number], format, raw
                number += 1
            if number < end:
                raise LogError(f"{total - number} records have disappeared since the import")

    def _read_again(self, file: Path) -> Iterator[tuple[int, int, str, bytes]]:
        """The records of a file: the byte where the value begins, the number within it, the format, the JSON text."""
        reader = self._reader
        for offset, _, raw, problem in reader.layout.values(Source(file)):
            if problem is not None:
                continue
            try:  # as the last one was, most are
                row = reader.current.row(raw)
            except (*BROKEN, Unreadable):
                row = None
            if row is not None:
                yield offset, 0, reader.current.name, raw
                continue
            for item, leaf in enumerate(reader.leaves(raw)):
                if leaf.row is not None:
                    yield offset, item, leaf.format, leaf.raw


def import_log(
    path: str | Path | Sequence[str | Path],
    *,
    format: str | None = None,
    mapping: Path | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Read every record of the files and folders at `path` (folders with all they hold) into one log.

    A text may be an address (`stores`), such as `s3://bucket/AWSLogs/`.  `format` is one of `FORMATS`; without it each
    record is taken for what it looks like.  `mapping` is a file that describes any other JSON or CSV (`mapping`).
    Raises `LogError` where nothing could be read: a missing path, a folder without logs, files without a single record,
    a mapping that makes no sense.
    """
    paths = [path] if isinstance(path, str | Path) else list(path)
    shown = ", ".join(map(shown_place, paths))
    mappers, layout = _formats(format, mapping)
    files, ignored, closed = find_files(paths)
    if not files:
        raise LogError(f"{shown}: no log files (expected names ending in {', '.join(SUFFIXES)})")
    report, table, origins = ImportReport(ignored=ignored, unreadable=closed), RowBuilder(), Origins()
    reader = Reader([mapper(table) for mapper in mappers], layout)
    advance = _advance(progress, sum(map(_size, files)))
    for found, file, problem in arriving(files):
        if file is None:
            report.unreadable.append((found, problem))
            continue
        if mapping is None and is_table(file):
            report.unreadable.append((found, "CSV: say with --mapping what its columns are"))
            continue
        origins.open(file)
        _read(Source(file, advance), layout, reader, table, origins, report)
    report.formats = +report.formats  # without those that took nothing
    report.records += len(table)
    if not len(table):
        raise LogError(f"{shown}: {_nothing(report)}")
    columns, vocabulary, order = table.finish()
    report.events = len(columns["time"])
    report.unused = table.unused
    report.unlisted = sorted(table.unlisted)
    report.repeated = table.told - report.events
    manifest = {"source": "import", "formats": dict(report.formats), "files": report.files}
    log = EventLog.from_columns(columns, vocabulary, manifest)
    return Imported(log, report, origins, order, Reader([mapper(RowBuilder()) for mapper in mappers], layout))


def is_table(file: Path) -> bool:
    """Whether a file is CSV by its name and its first character."""
    head = next(Source(file).pieces(), b"").lstrip()[:1] if ".csv" in file.name.lower() else b"{"
    return head not in (b"{", b"[", b"")


def _size(file: Path | Stored) -> int:
    """Size in bytes; 0 for a missing file, which the report names when it is read."""
    if isinstance(file, Stored):
        return file.size
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _read(
    source: Source, layout: Layout, reader: Reader, table: RowBuilder, origins: Origins, report: ImportReport
) -> None:
    """Add the records of one file.  The inner loop is where an import spends its time."""
    rows, places = table.rows, origins.places
    skipped, start = report.records, len(table)
    current, counted = reader.current, start
    mapped = current.row
    for offset, line, raw, problem in layout.values(source):
        if problem is None:
            try:
                row = mapped(raw)
            except (*BROKEN, Unreadable):
                row = None
            if row is not None:
                rows.append(row)
                places.append(offset << ITEM_BITS)
                if len(rows) >= CHUNK:
                    table.pack()
                continue
            report.formats[current.name] += len(table) - counted
            for item, leaf in enumerate(reader.leaves(raw)):
                if leaf.row is None:
                    report.skip(source.path, offset, line, item if leaf.inside else None, leaf.reason, leaf.raw)
                    continue
                rows.append(leaf.row)
                places.append(offset << ITEM_BITS | item)
                if len(rows) >= CHUNK:
                    table.pack()
                report.formats[leaf.format] += 1
                if leaf.repair:
                    report.repaired[leaf.repair] += 1
            current, counted = reader.current, len(table)
            mapped = current.row
        else:
            report.skip(source.path, offset, line, None, problem, raw)
    report.formats[current.name] += len(table) - counted
    read, skipped = len(table) - start, report.records - skipped
    report.files += bool(read or skipped)
    if source.problem:
        before = f" (read before: {read} events, {skipped} skipped records)" if read or skipped else ""
        report.unreadable.append((source.path, source.problem + before))
    elif not read and not skipped:
        report.unreadable.append((source.path, "holds no record"))


def _formats(format: str | None, mapping: Path | None) -> tuple[list[Callable[[RowBuilder], RecordMapper]], Layout]:
    """The mappers to try, and how files are laid out."""
    if mapping is not None:
        if format is not None:
            raise LogError("give a format or a mapping, not both: a mapping file already names its format")
        mapped = load_mapping(mapping)
        return [partial(FieldMapper, mapped.name, mapped.read)], layout_of(mapped)
    chosen = FORMATS.values() if format is None else [format_named(format)]
    return [each.mapper for each in chosen], Layout()


def layout_of(mapped: MappingFile) -> Layout:
    """How files that a mapping describes are cut into records."""
    if mapped.format == "csv":
        rows = Delimited(mapped.delimiter, mapped.header)
        return Layout(rows.values, rows.value_at, lambda raw: None)

    def inside(raw: bytes) -> list[bytes] | None:
        value = msgspec.json.decode(raw) if mapped.records and raw.lstrip()[:1] == b"{" else None
        found = mapped.inside(value) if isinstance(value, dict) else None
        return unwrap(raw) if found is None else [msgspec.json.encode(item) for item in found]

    return Layout(unwrap=inside)


def _advance(progress: Progress | None, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    done = 0

    def advance(size: int) -> None:
        nonlocal done
        done += size
        progress(done, total)

    return advance


def _nothing(report: ImportReport) -> str:
    """Why an import gave no event, in one line."""
    if report.skipped:
        reason, count = report.skipped.most_common(1)[0]
        which = next(sample for sample in report.samples if sample.reason == reason)
        return f"none of {report.records} records could be read; most often ({count}): {reason}; for example {which}"
    file, reason = report.unreadable[0]
    return f"nothing could be read: {file.name}: {reason}" + (
        f", and {len(report.unreadable) - 1} more files" if len(report.unreadable) > 1 else ""
    )
