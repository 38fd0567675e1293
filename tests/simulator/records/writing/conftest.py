"""Small logs by hand, and what an import makes of an export."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, COLUMNS, Vocabulary
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.row_builder import Codes
from scopedrift.simulator.records.writing.exporter import export_log
from scopedrift.simulator.records.writing.naming import ExportNames

START = 1_767_571_200_000_000
PLAIN = {
    "time": START,
    "stream": "cloud_audit",
    "identity": "spiffe://acme.example/ns/vision/sa/train",
    "credential": 0x5EB54B01740A97E2,
    "credential_kind": "x509-svid",
    "workload": "vision-train",
    "task": 0x6EB54B01740A97E2,
    "task_kind": "train",
    "service": "s3",
    "operation": "GetObject",
    "access": "read",
    "resource": "s3://acme-vision-data/cars/part-0001",
    "project": "vision",
    "source": "10.0.0.7",
    "outcome": "success",
    "bytes": 1_000,
}


@pytest.fixture(scope="session")
def log_of():
    """A log of events given as what differs from `PLAIN`, a millisecond apart."""

    def made(*rows) -> EventLog:
        whole = [{**PLAIN, "time": START + 1_000 * i, **row} for i, row in enumerate(rows)]
        whole = [{"arrived": row["time"] + 500, **row} for row in whole]
        whole.sort(key=lambda row: row["arrived"])
        codes = {name: Codes() for name in CODED}
        columns = {
            name: np.array(
                [
                    codes[name][row.get(name)] if name in CODED else -1 if row.get(name) is None else row[name]
                    for row in whole
                ],
                np.int64,
            )
            for name in COLUMNS
        }
        return EventLog.from_columns(columns, Vocabulary({name: code.texts for name, code in codes.items()}))

    return made


def mark(record) -> str:
    """What tells one exported record from all others."""
    if "resourceSpans" in record:
        record = record["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    for name in ("eventID", "auditID", "insertId", "spanId", "uuid", "_document_id"):
        if name in record:
            return record[name]
    inner = record.get("properties", record.get("metadata"))
    return next(inner[name] for name in ("eventDataId", "id", "uid") if name in inner)


@pytest.fixture(scope="session")
def round_trip():
    """Export and import a log: the events that the format carries, and what came back of each, in the same order."""

    def made(log: EventLog, format: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        with tempfile.TemporaryDirectory() as folder:
            exported = export_log(log, format, Path(folder))
            imported = import_log(Path(folder))
            assert imported.report.records == imported.report.events == exported.records
            assert not imported.report.repaired
            assert dict(imported.report.formats) == {format: exported.records}
            back = {mark(imported.original(i)): i for i in range(len(imported.log))}
            frame = imported.log.frame()
        carried, writing = FORMATS[format].streams, FORMATS[format].writer(ExportNames.of(log))
        pairs = [
            (number, back[mark(record)])
            for number, event in enumerate(log.batch(0, len(log)))
            if event.stream in carried and (record := writing.record(event, number)) is not None
        ]
        assert len(pairs) == len({at for _, at in pairs}) == len(frame)
        before, after = zip(*pairs, strict=True)
        whole = log.frame()
        return whole.iloc[list(before)].reset_index(drop=True), frame.iloc[list(after)].reset_index(drop=True)

    return made
