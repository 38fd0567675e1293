"""Parquet files as JSON records: every row an object, as a security lake keeps OCSF events.

Rows are read a group at a time; a record's place is the number of its row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.json_paths import Json
from scopedrift.simulator.records.reading.sources import Source
from scopedrift.simulator.records.reading.splitting import Value

SUFFIX = ".parquet"
UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, TypeError)
"""What pyarrow raises for damaged files: also for names that are not text, and for times beyond the calendar."""
_BATCH = 4_096


def is_parquet(file: Path) -> bool:
    """Whether a file's name says that it is Parquet."""
    return file.name.lower().endswith(SUFFIX)


def values(source: Source) -> Iterator[Value]:
    """The rows of a file as JSON objects; `source.problem` is set if it cannot be read to its end."""
    row = 0
    try:
        with pq.ParquetFile(source.path) as file:
            for batch in file.iter_batches(_BATCH):
                for record in batch.to_pylist(maps_as_pydicts="lossy"):
                    yield row, row + 1, msgspec.json.encode(_held(record)), None
                    row += 1
    except UNREADABLE as error:
        source.problem = f"not Parquet that can be read: {str(error).partition(chr(10))[0]}"


def value_at(file: Path, row: int) -> bytes:
    """The row of that number, as a JSON object.  Raises `LogError` if the file is gone or has changed."""
    try:
        with pq.ParquetFile(file) as opened:
            before = 0
            for group in range(opened.num_row_groups):
                count = opened.metadata.row_group(group).num_rows
                if row < before + count:
                    rows = opened.read_row_group(group).slice(row - before, 1).to_pylist(maps_as_pydicts="lossy")
                    return msgspec.json.encode(_held(rows[0]))
                before += count
    except UNREADABLE as error:
        raise LogError(f"{file}: {error}") from None
    raise LogError(f"{file}: row {row + 1} is gone")


def _held(value: Json) -> Json:
    """A row without the fields that it does not have, which every row of a table has as null."""
    if isinstance(value, dict):
        return {name: _held(inner) for name, inner in value.items() if inner is not None}
    return [_held(item) for item in value] if isinstance(value, list) else value
