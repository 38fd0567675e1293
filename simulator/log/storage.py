"""Logs on disk: Parquet written window by window, a vocabulary and a manifest.

Encodings were chosen by measurement: zstd level 1; times as deltas; text as dictionaries that hold what the
row group uses.  A log appears under its name only when it is complete.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scopedrift.simulator.log.events import CODED, COLUMNS, DTYPES, MISSING, OPAQUE, TIMES, Array, Vocabulary

FORMAT: Final = "scopedrift-log/1"
ROW_GROUP: Final = 524_288
SMALL: Final = 2_048
EVENTS, VOCABULARY, MANIFEST = "events.parquet", "vocabulary.parquet", "manifest.json"
_VOCABULARY: Final = pa.schema([("column", pa.string()), ("text", pa.string())])


class LogFormatError(ValueError):
    """A directory that is not a readable log."""


def _type(name: str) -> pa.DataType:
    if name in TIMES:
        return pa.timestamp("us", tz="UTC")
    return pa.dictionary(pa.int32(), pa.string()) if name in CODED else pa.int64()


class LogWriter:
    """Writes a log's events as they come; `finish` completes it, and leaving without it removes everything."""

    def __init__(self, path: Path, vocabulary: Vocabulary) -> None:
        self._path = path
        self._vocabulary = vocabulary
        self._writer: pq.ParquetWriter | None = None
        self._names: tuple[str, ...] = ()
        path.mkdir(parents=True, exist_ok=True)
        self._partial = path / f".{EVENTS}.{os.getpid()}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close; remove the log if it was not finished."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        self._partial.unlink(missing_ok=True)

    def append(self, columns: Mapping[str, Array]) -> None:
        """Write the next events as one row group."""
        if self._writer is None:
            self._names = tuple(name for name in COLUMNS if name in columns)
            self._writer = _parquet_writer(self._partial, self._names)
        arrays = [self._array(name, columns[name]) for name in self._names]
        self._writer.write_batch(pa.record_batch(arrays, names=list(self._names)), row_group_size=ROW_GROUP)

    def finish(self, manifest: Mapping[str, object]) -> None:
        """Close the file and put the log in its place."""
        if self._writer is None:
            self.append({name: np.empty(0, DTYPES[name]) for name in COLUMNS})
        assert self._writer is not None
        self._writer.close()
        self._writer = None
        texts = self._vocabulary.texts()
        pairs = {
            "column": [name for name, values in texts.items() for _ in values],
            "text": [text for values in texts.values() for text in values],
        }
        table = pa.table(pairs, schema=_VOCABULARY)
        (self._path / MANIFEST).unlink(missing_ok=True)  # what was here is no log until its successor is whole
        pq.write_table(table, self._path / VOCABULARY, compression="zstd", write_page_checksum=True)
        self._partial.replace(self._path / EVENTS)
        record = {"format": FORMAT, **manifest}
        (self._path / MANIFEST).write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def _array(self, name: str, values: Array) -> pa.Array:
        if name in TIMES:
            return pa.array(values).view(_type(name))
        if name not in CODED:
            return pa.array(values)
        names = self._vocabulary[name]
        texts: list[str]
        if len(names) <= SMALL:
            texts, codes = names.texts(), values
        else:  # a row group's dictionary holds what it uses, not all that the run has ever shown
            used = np.zeros(len(names) + 1, np.int32)
            used[values] = 1
            used[-1] = 0
            present = np.flatnonzero(used)
            local = np.cumsum(used, dtype=np.int32) - 1
            local[-1] = -1
            texts, codes = [names[i] for i in present.tolist()], local[values]
        return _dictionary(codes, texts)


def _dictionary(codes: Array, texts: list[str]) -> pa.DictionaryArray:
    """Text as codes (negative: missing) into the list of texts that occur."""
    mask = codes < 0
    indices = pa.array(codes, mask=mask) if mask.any() else pa.array(codes)
    return pa.DictionaryArray.from_arrays(indices, pa.array(texts, pa.string()), safe=False)


def arrow_table(columns: Mapping[str, Array], vocabulary: Vocabulary) -> pa.Table:
    """Columns of events as people read them: text as dictionaries, UTC timestamps, missing values null."""
    arrays = {}
    for name, values in columns.items():
        if name in TIMES:
            arrays[name] = pa.array(values).view(_type(name))
        elif name in CODED:
            arrays[name] = _dictionary(values, vocabulary[name].texts())
        elif name in OPAQUE:
            found, at = np.unique(values, return_inverse=True)
            absent = int(np.searchsorted(found, 0))  # negative ids are missing
            arrays[name] = _dictionary(at.astype(np.int32) - absent, [f"{i:016x}" for i in found[absent:].tolist()])
        else:
            arrays[name] = pa.array(values, mask=values < 0)
    return pa.table(arrays)


def _parquet_writer(path: Path, names: tuple[str, ...]) -> pq.ParquetWriter:
    schema = pa.schema([(name, _type(name)) for name in names])
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in names if name not in TIMES],
        column_encoding={name: "DELTA_BINARY_PACKED" for name in names if name in TIMES},
        dictionary_pagesize_limit=1 << 26,
        write_statistics=[name for name in names if name in TIMES],
        write_page_checksum=True,
    )


class ParquetChunks:
    """A log on disk: one chunk a row group.

    Every method raises `LogFormatError` if the file is damaged.
    """

    def __init__(self, path: Path, vocabulary: Vocabulary) -> None:
        self._path = path
        self._vocabulary = vocabulary
        with _damage_of(path):
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        meta, schema = self._file.metadata, self._file.schema_arrow
        sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
        self.starts = [0, *np.cumsum(sizes).tolist()] if sizes else [0, 0]
        self.names = tuple(name for name in COLUMNS if name in schema.names)
        if missing := [name for name in TIMES if name not in self.names]:
            raise LogFormatError(f"{path}: damaged log (no column {', '.join(missing)})")
        for name in self.names:
            if schema.field(name).type != _type(name):
                found = schema.field(name).type
                raise LogFormatError(f"{path}: damaged log (column {name}: expected {_type(name)}, not {found})")

    def __reduce__(self) -> tuple[type[ParquetChunks], tuple[Path, Vocabulary]]:
        """Another process opens the file again."""
        return type(self), (self._path, self._vocabulary)

    def read(self, chunk: int) -> Mapping[str, Array]:
        """The columns of one row group."""
        if not self._file.metadata.num_row_groups:
            return {name: np.empty(0, DTYPES[name]) for name in self.names}
        with _damage_of(self._path):
            table = self._file.read_row_group(chunk, columns=list(self.names))
        return {name: self._values(name, table.column(name)) for name in self.names}

    def column(self, name: str) -> Array:
        """One whole column."""
        with _damage_of(self._path):
            column = self._file.read(columns=[name]).column(name)
        return self._values(name, column)

    def _values(self, name: str, column: pa.ChunkedArray) -> Array:
        if name not in CODED:
            if column.null_count:
                raise LogFormatError(f"{self._path}: damaged log (column {name} has nulls)")
            return np.asarray((column.cast(pa.int64()) if name in TIMES else column).to_numpy())
        names = self._vocabulary[name]
        parts = []
        for chunk in column.chunks:
            texts = chunk.dictionary.to_pylist()
            codes = np.array([*(names.find(text) for text in texts), MISSING], np.int32)
            if (codes[:-1] == MISSING).any():
                text = texts[int(np.argmax(codes == MISSING))]
                raise LogFormatError(f"{self._path}: damaged log (column {name}: {text!r} is not in its vocabulary)")
            parts.append(codes[chunk.indices.fill_null(MISSING).to_numpy()])
        return np.concatenate(parts) if parts else np.empty(0, np.int32)


def open_log(path: Path) -> tuple[ParquetChunks, Vocabulary, dict[str, object]]:
    """The parts of the log in the directory `path`.

    Raises `LogFormatError` if it is not a log of this format, or cannot be read.
    """
    for name in (MANIFEST, VOCABULARY, EVENTS):
        if not (path / name).is_file():
            raise LogFormatError(f"{path}: not a saved log ({name} is missing)")
    with _damage_of(path / MANIFEST):
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise LogFormatError(f"{path / MANIFEST}: expected the format {FORMAT!r}")
    with _damage_of(path / VOCABULARY):
        table = pq.read_table(path / VOCABULARY, schema=_VOCABULARY, page_checksum_verification=True).to_pydict()
        texts: dict[str, list[str]] = {name: [] for name in CODED}
        for column, text in zip(table["column"], table["text"], strict=True):
            texts[column].append(text)
        for column, listed in texts.items():
            if None in listed or len(set(listed)) < len(listed):
                raise ValueError(f"column {column} has a duplicate or missing text")
    vocabulary = Vocabulary(texts)
    return ParquetChunks(path / EVENTS, vocabulary), vocabulary, manifest


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    """Turns any library's error into one that says where the damage is."""
    try:
        yield
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise LogFormatError(f"{path}: damaged log ({reason})") from None
