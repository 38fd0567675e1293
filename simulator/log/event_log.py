"""`EventLog`: all events of a run in order of arrival, in memory or in Parquet on disk.

A log on disk is one directory: `events.parquet` (text columns as dictionaries, so that any tool reads it),
`vocabulary.parquet` (each column's texts in order of first arrival) and `manifest.json` (what made it, and
the content digest).  A log that was opened from disk reads the row groups that it is asked for, so that its
length is not bounded by memory.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from scopedrift.simulator.log import storage
from scopedrift.simulator.log.events import CODED, COLUMNS, DTYPES, Array, EventBatch, Vocabulary

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


class Chunks(Protocol):
    """Storage of a log's columns: `starts` holds the positions at which its chunks begin, plus its length."""

    starts: list[int]
    names: tuple[str, ...]

    def read(self, chunk: int) -> Mapping[str, Array]:
        """The columns of one chunk."""
        ...

    def column(self, name: str) -> Array:
        """One whole column."""
        ...


class MemoryChunks:
    """A log held as one NumPy array a column."""

    def __init__(self, columns: Mapping[str, Array]) -> None:
        self.columns = columns
        self.names = tuple(columns)
        self.starts = [0, len(columns["time"])]

    def read(self, chunk: int) -> Mapping[str, Array]:
        """All columns: there is one chunk."""
        return self.columns

    def column(self, name: str) -> Array:
        """One whole column."""
        return self.columns[name]


class Digest:
    """The content digest of a log, fed window by window: independent of how the windows were cut."""

    def __init__(self) -> None:
        self._columns = {name: hashlib.sha256() for name in COLUMNS}

    def update(self, columns: Mapping[str, Array]) -> None:
        """Add the next events."""
        for name, column in columns.items():
            self._columns[name].update(np.ascontiguousarray(column).view(np.uint8).data)

    def hexdigest(self, vocabulary: Vocabulary) -> str:
        """The digest of everything added so far, with the texts that the codes stand for."""
        whole = hashlib.sha256()
        for name in COLUMNS:
            whole.update(f"{name}:{self._columns[name].hexdigest()}\n".encode())
        for name, texts in vocabulary.texts().items():
            whole.update(json.dumps([name, texts]).encode())
        return whole.hexdigest()


class EventLog:
    """All events of a run, in order of arrival.

    Positions (0 to `len(log)`) name events everywhere: in batches, in stored scores and in the truth table.
    """

    def __init__(self, chunks: Chunks, vocabulary: Vocabulary, manifest: Mapping[str, object] | None = None) -> None:
        self._chunks = chunks
        self._last: tuple[int, Mapping[str, Array]] | None = None
        self.vocabulary = vocabulary
        self.manifest: dict[str, Any] = dict(manifest or {})

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, Array], vocabulary: Vocabulary, manifest: Mapping[str, object] | None = None
    ) -> EventLog:
        """A log in memory; columns that are not given are absent.

        Raises `ValueError` if `time` or `arrived` is missing, if lengths differ, for an unknown column, or if
        the events are not in order of arrival.
        """
        if missing := {"time", "arrived"} - set(columns):
            raise ValueError(f"a log needs the columns time and arrived: {', '.join(sorted(missing))} missing")
        if unknown := set(columns) - set(COLUMNS):
            raise ValueError(f"unknown columns: {', '.join(sorted(unknown))}")
        held = {name: np.asarray(columns[name], DTYPES[name]) for name in COLUMNS if name in columns}
        if len({len(column) for column in held.values()}) > 1:
            raise ValueError("the columns of a log must have the same length")
        if len(held["arrived"]) and bool(np.any(np.diff(held["arrived"]) < 0)):
            raise ValueError("the events of a log must be in order of arrival (column `arrived` ascending)")
        return cls(MemoryChunks(held), vocabulary, manifest)

    @classmethod
    def load(cls, path: Path) -> EventLog:
        """Open a log that was saved in the directory `path`.

        Raises `storage.LogFormatError` if it is not one, or is damaged.
        """
        chunks, vocabulary, manifest = storage.open_log(Path(path))
        return cls(chunks, vocabulary, manifest)

    def save(self, path: Path) -> None:
        """Write the log into the directory `path` (made if missing)."""
        with storage.LogWriter(Path(path), self.vocabulary) as writer:
            for batch in self.batches(storage.ROW_GROUP):
                writer.append(batch.columns)
            writer.finish({**self.manifest, "digest": self.digest})

    def __len__(self) -> int:
        return self._chunks.starts[-1]

    @cached_property
    def arrived(self) -> Array:
        """All arrival times, ascending (microseconds)."""
        column = self._chunks.column("arrived")
        column.flags.writeable = False
        return column

    @cached_property
    def digest(self) -> str:
        """SHA-256 over columns and vocabulary, in hexadecimal."""
        if "digest" in self.manifest:
            return str(self.manifest["digest"])
        digest = Digest()
        for batch in self.batches(storage.ROW_GROUP):
            digest.update(batch.columns)
        return digest.hexdigest(self.vocabulary)

    def position(self, arrived: int) -> int:
        """The first position whose event arrived at or after the time `arrived`."""
        return int(np.searchsorted(self.arrived, arrived, side="left"))

    def batch(self, start: int, stop: int) -> EventBatch:
        """Events at positions `start` to `stop`, with the names that the stream had shown by then."""
        start, stop = max(0, start), min(stop, len(self))
        starts = self._chunks.starts
        parts: list[dict[str, Array]] = []
        chunk = max(bisect_right(starts, start) - 1, 0)
        while not parts or starts[chunk] < stop:
            if chunk >= len(starts) - 1:
                break
            columns, origin = self._read(chunk), starts[chunk]
            parts.append({n: c[max(start - origin, 0) : max(stop - origin, 0)] for n, c in columns.items()})
            chunk += 1
        columns = parts[0] if len(parts) == 1 else _concatenated(parts, self._chunks.names)
        return EventBatch(columns, self.vocabulary, self._seen(stop))

    def batches(self, size: int = 10_000, start: int = 0, stop: int | None = None) -> Iterator[EventBatch]:
        """The events from `start` to `stop`, cut into batches of `size`."""
        stop = len(self) if stop is None else min(stop, len(self))
        for first in range(start, stop, size):
            yield self.batch(first, min(first + size, stop))

    def arrow(self) -> pa.Table:
        """The whole log as an Arrow table: text as dictionaries, UTC timestamps, missing values null."""
        return storage.arrow_table(self.batch(0, len(self)).columns, self.vocabulary)

    def frame(self) -> pd.DataFrame:
        """The whole log as a pandas table: text as categories, UTC timestamps, missing values NaN."""
        table: pd.DataFrame = self.arrow().to_pandas()
        return table

    def _read(self, chunk: int) -> Mapping[str, Array]:
        if self._last is None or self._last[0] != chunk:
            self._last = (chunk, self._chunks.read(chunk))
        return self._last[1]

    def _seen(self, stop: int) -> dict[str, int]:
        return {n: int(np.searchsorted(first, stop, side="left")) for n, first in self._first_seen.items()}

    @cached_property
    def _first_seen(self) -> dict[str, Array]:
        """For each coded column: the position at which each of its codes first arrived."""
        named = [name for name in CODED if name in self._chunks.names]
        first: dict[str, Array] = {name: np.full(len(self.vocabulary[name]), len(self), np.int64) for name in named}
        for chunk, origin in enumerate(self._chunks.starts[:-1]):
            columns = self._read(chunk)
            for name, positions in first.items():
                codes = columns[name]
                at = np.searchsorted(np.maximum.accumulate(codes), np.arange(len(positions)), side="left")
                positions[:] = np.minimum(positions, np.where(at < len(codes), origin + at, len(self)))
        return first


def _concatenated(parts: list[dict[str, Array]], names: tuple[str, ...]) -> dict[str, Array]:
    if not parts:
        return {name: np.empty(0, DTYPES[name]) for name in names}
    return {name: np.concatenate([part[name] for part in parts]) for name in names}
