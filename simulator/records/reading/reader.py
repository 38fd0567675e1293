"""From JSON values to rows: which format a record has, what is wrapped around it, and what can be repaired.

The mapper that took the last record is asked first.  A value that no mapper knows is unwrapped (`records`) and
its parts are asked for in turn; what is not strict JSON, or has a field of an unexpected type, is repaired and
asked for once more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from scopedrift.simulator.records.errors import LogError, Unreadable
from scopedrift.simulator.records.json_paths import Json, Record, lenient
from scopedrift.simulator.records.reading import parquet
from scopedrift.simulator.records.reading.field_mapper import FieldMapper
from scopedrift.simulator.records.reading.origin import value_at
from scopedrift.simulator.records.reading.repair import fitted, repaired
from scopedrift.simulator.records.reading.row_builder import Packed
from scopedrift.simulator.records.reading.sources import Source
from scopedrift.simulator.records.reading.splitting import NOT_JSON, Value, complete, values
from scopedrift.simulator.records.reading.wrappers import DEPTH, LIST, cluster_of, unwrap

UNKNOWN: Final = "no known kind of audit record"
NOT_AN_OBJECT: Final = "not a JSON object"
IGNORED_FIELD: Final = "a field of an unexpected type was ignored"

BROKEN: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a mapper may raise beside `Unreadable`, for a record that is not strict JSON of the expected shape."""


class RecordMapper(Protocol):
    """What a format provides: raw record to row."""

    cluster: str | None
    """The cluster whose records come next, if what is around them says so."""

    @property
    def name(self) -> str:
        """The format's name."""
        ...

    @property
    def shape(self) -> type[msgspec.Struct] | None:
        """The fields that are decoded with their types, if the format does so."""
        ...

    def row(self, raw: bytes) -> Packed | None:
        """The row of one record; None if it is not of this format."""
        ...


def _values(source: Source) -> Iterator[Value]:
    return parquet.values(source) if parquet.is_parquet(source.path) else values(source)


def _value_at(file: Path, offset: int) -> bytes:
    return parquet.value_at(file, offset) if parquet.is_parquet(file) else value_at(file, offset)


@dataclass(frozen=True)
class Layout:
    """How a file is cut into values, and a value into what it holds; by default JSON or Parquet with known wrappers."""

    values: Callable[[Source], Iterator[Value]] = _values
    value_at: Callable[[Path, int], bytes] = _value_at
    unwrap: Callable[[bytes], list[bytes] | None] = unwrap


class Leaf(NamedTuple):
    """One record: its row, or the reason why it has none."""

    raw: bytes
    row: Packed | None
    reason: str = ""
    format: str = ""
    repair: str = ""
    inside: bool = False
    """Whether it was wrapped in something, or one of a list."""


class Reader:
    """Maps values to rows by trying the formats it was given."""

    def __init__(self, mappers: Sequence[RecordMapper], layout: Layout) -> None:
        self._mappers = list(mappers)
        self.layout = layout
        self._opened: tuple[tuple[Path, int], list[bytes]] | None = None

    @property
    def current(self) -> RecordMapper:
        """The mapper that took the last record."""
        return self._mappers[0]

    def leaves(self, raw: bytes, depth: int = DEPTH, inside: bool = False) -> Iterator[Leaf]:
        """The records in a value, in order."""
        leaf = self._leaf(raw)
        parts = None
        if leaf.row is None and leaf.reason in (UNKNOWN, NOT_AN_OBJECT, NOT_JSON) and depth:
            parts = self.layout.unwrap(leaf.raw)
        if parts is None:
            yield leaf._replace(inside=inside)
            return
        named = cluster_of(leaf.raw)
        if named is not None:
            self._name(named)
        yield from self._parts(parts, depth)
        if named is not None:
            self._name(None)

    def _name(self, cluster: str | None) -> None:
        """Tell the mappers which cluster the next records are of."""
        for mapper in self._mappers:
            mapper.cluster = cluster

    def _parts(self, parts: list[bytes], depth: int) -> Iterator[Leaf]:
        for part in parts:
            try:  # as the last one was, most are
                row = self.current.row(part)
            except (*BROKEN, Unreadable):
                row = None
            if row is None:
                yield from self.leaves(part, depth - 1, inside=True)
            else:
                yield Leaf(part, row, format=self.current.name, inside=True)

    def record(self, file: Path, offset: int, item: int) -> Record:
        """The record at a place that an import noted.

        Raises `LogError` if it is gone.
        """
        if self._opened is None or self._opened[0] != (file, offset):
            self._opened = ((file, offset), [leaf.raw for leaf in self.leaves(self.layout.value_at(file, offset))])
        found = self._opened[1]
        record = lenient(found[item].decode("utf-8", "replace")) if item < len(found) else None
        if not isinstance(record, dict):
            raise LogError(f"{file}: the record at byte {offset} has changed since the import")
        return record

    def _leaf(self, raw: bytes) -> Leaf:
        try:
            try:
                return self._strict(raw)
            except BROKEN:
                fixed, what = repaired(raw)
                leaf = self._strict(fixed)
                return leaf if leaf.row is None else leaf._replace(repair=what)
        except Unreadable as error:
            return Leaf(raw, None, str(error))
        except BROKEN:
            return Leaf(raw, None, NOT_JSON)

    def _strict(self, raw: bytes) -> Leaf:
        if LIST.match(raw):
            if not complete(raw):
                raise msgspec.DecodeError(NOT_JSON)
            return Leaf(raw, None, NOT_AN_OBJECT)
        value: Json = None
        for index, mapper in enumerate(self._mappers):
            repair = ""
            try:
                if isinstance(mapper, FieldMapper):
                    value = msgspec.json.decode(raw) if value is None else value
                    row = mapper.of(value)
                else:
                    row = mapper.row(raw)
            except msgspec.ValidationError:
                fit, ignored = fitted(raw, mapper.shape)
                row, repair = mapper.row(fit), IGNORED_FIELD if ignored else ""
            if row is not None:
                self._mappers.insert(0, self._mappers.pop(index))
                return Leaf(raw, row, format=mapper.name, repair=repair)
        return Leaf(raw, None, UNKNOWN)


def whole(raw: bytes) -> Record | None:
    """All of a record; None if it is nested too deeply, or is no object."""
    try:
        record = lenient(raw.decode("utf-8", "replace"))
    except (RecursionError, ValueError):
        return None
    return record if isinstance(record, dict) else None
