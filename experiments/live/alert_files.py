"""Reading the alerts of other systems from files: JSON, JSON lines, CSV and Parquet, compressed or not.

Files are opened, cut and unwrapped as logs are.  A record that is no alert is counted with its reason and its place;
`LogError` is raised only where a file that holds something holds no alert at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from scopedrift.experiments.live.alert_formats import OutsideAlert, PointlessError, Read, read, read_by, table
from scopedrift.simulator.records.errors import LogError, Unreadable
from scopedrift.simulator.records.json_paths import Json, at
from scopedrift.simulator.records.reading import parquet
from scopedrift.simulator.records.reading.delimited import Delimited
from scopedrift.simulator.records.reading.importer import is_table, layout_of
from scopedrift.simulator.records.reading.mapping import load_mapping
from scopedrift.simulator.records.reading.reader import BROKEN, NOT_AN_OBJECT, Layout
from scopedrift.simulator.records.reading.repair import repaired
from scopedrift.simulator.records.reading.report import ImportReport
from scopedrift.simulator.records.reading.sources import Source, find_files
from scopedrift.simulator.records.reading.stores import arriving
from scopedrift.simulator.records.reading.wrappers import DEPTH

DELIMITERS: Final = (",", ";", "\t", "|")
"""Of CSV files, by which of them the first line has most of."""
_HEAD: Final = 1 << 16


@dataclass
class AlertDelivery:
    """The alerts of one system, each with the place where it was first read."""

    alerts: dict[OutsideAlert, str] = field(default_factory=dict)
    repeated: int = 0
    """Alerts that say what another one says."""
    report: ImportReport = field(default_factory=ImportReport)
    """What could not be read."""


def read_alerts(paths: Sequence[str | Path], mapping: Path | None = None) -> AlertDelivery:
    """The alerts in files and folders.

    Raises `LogError` for what is not there, and for a file that holds something but no alert.
    """
    how = load_mapping(mapping) if mapping is not None else None
    reading, found = read_by(how) if how else read, AlertDelivery()
    files, _, closed = find_files(paths)
    found.report.unreadable += closed
    for name, file, problem in arriving(files):
        if file is None:
            raise LogError(f"{name}: {problem}")
        _read_file(file, layout_of(how) if how else _layout(file), reading, found)
    if not files:
        raise LogError(f"{', '.join(map(str, paths))}: no files of alerts")
    return found


def _layout(file: Path) -> Layout:
    if parquet.is_parquet(file) or not is_table(file):
        return Layout()
    first = next(Source(file).pieces(), b"")[:_HEAD].partition(b"\n")[0].decode("utf-8", "replace")
    rows = Delimited(max(DELIMITERS, key=first.count))
    return Layout(rows.values, rows.value_at)


def _read_file(file: Path, layout: Layout, reading: Read, found: AlertDelivery) -> None:
    source, report, before = Source(file), found.report, (len(found.alerts) + found.repeated, found.report.records)
    for offset, line, raw, problem in layout.values(source):
        if problem is not None:
            report.skip(file, offset, line, None, problem, raw)
            continue
        for item, (alert, reason, part) in enumerate(_alerts(raw, layout, reading)):
            if alert is None:
                report.skip(file, offset, line, item or None, reason, part)
            elif alert in found.alerts:
                found.repeated += 1
            else:
                where = f"line {line}" if line is not None else f"byte {offset}"
                found.alerts[alert] = f"{file.name}, {where}" + (f", item {item + 1}" if item else "")
    read, skipped = len(found.alerts) + found.repeated - before[0], report.records - before[1]
    if source.problem:
        report.unreadable.append((file, source.problem))
    if read or not (skipped or source.problem):
        return
    why = str(report.samples[-1]) if skipped and report.samples else f"{file}: {source.problem}"
    raise LogError(f"no alert could be read: {why}")


def _alerts(raw: bytes, layout: Layout, reading: Read) -> Iterator[tuple[OutsideAlert | None, str, bytes]]:
    """The alerts in a value, however it is wrapped; for what is none, the reason and what it looks like."""
    waiting = [(raw, DEPTH)]
    while waiting:
        part, depth = waiting.pop()
        try:
            value = _decoded(part)
            for alert in reading(value) if isinstance(value, dict) else _no_object():
                yield alert, "", part
        except Unreadable as error:
            inside = _inside(part) if depth else None
            inside = layout.unwrap(part) if inside is None and depth else inside
            if inside is None:
                yield error.alert if isinstance(error, PointlessError) else None, str(error), part
            waiting += [(each, depth - 1) for each in reversed(inside or [])]


def _no_object() -> NoReturn:
    raise Unreadable(NOT_AN_OBJECT)


def _inside(raw: bytes) -> list[bytes] | None:
    """What a known answer of an interface wraps; None for anything else."""
    try:
        value = msgspec.json.decode(raw)
        found = next((each for path in table().wrappers if isinstance(each := at(value, path), list | dict)), None)
        parts = found if isinstance(found, list) else [found]
        return None if found is None else [msgspec.json.encode(each) for each in parts]
    except BROKEN:
        return None


def _decoded(raw: bytes) -> Json:
    """The JSON value; raises `Unreadable`."""
    try:
        return msgspec.json.decode(raw)  # type: ignore[no-any-return]
    except BROKEN:
        value: Json = msgspec.json.decode(repaired(raw)[0])
        return value
