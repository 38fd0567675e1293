"""Formats that are mapped field by field: a function from the decoded record to the texts of columns.

CloudTrail and Kubernetes, which come in millions, have mappers of their own that decode less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from scopedrift.simulator.log.events import CODED, COLUMNS, OPAQUE
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.json_paths import Json, Record, at, decoded, text
from scopedrift.simulator.records.reading import acts
from scopedrift.simulator.records.reading.row_builder import Packed, RowBuilder, opaque, packed

Fields: TypeAlias = Mapping[str, Json]
"""What a record says, by column: texts, times as the record writes them, bytes as a number; anything may be missing.

Beside the columns: `listed`, whether a table lists the operation's access; `id`, the record's own, and `parts_of`, the
id of an act that several records tell of in turn (`acts`).
"""
Read: TypeAlias = Callable[[Record], Fields | None]
"""From a record to its fields; None if it is not of the format.  Raises `Unreadable` for one that is no event."""

_LARGEST: Final = 1 << 62


class FieldMapper:
    """Turns raw records into rows of one table by means of a `Read` function."""

    shape = None

    def __init__(self, name: str, read: Read, rows: RowBuilder) -> None:
        self.name = name
        self.cluster: str | None = None
        self._format = FORMATS.get(name)  # none: a mapping file's
        self._read = read
        self._times = rows.times
        self._codes = rows.codes
        self._unlisted = rows.unlisted
        self._unused = rows.unused

    def row(self, raw: bytes) -> Packed | None:
        """The row of one record; None if it is not of this format.

        Raises `Unreadable` for a record without a usable time.
        """
        return self.of(msgspec.json.decode(raw))

    def of(self, record: Json) -> Packed | None:
        """The same of a record that is decoded already: those of several formats are tried on one."""
        if not isinstance(record, dict):
            return None
        if any(type(value) is str and value[:1] in ("{", "[") for value in record.values()):
            record = {name: decoded(value) for name, value in record.items()}
        if self._format and not self._format.recognises(record):
            return None
        fields = self._read(record)
        if fields is None:
            return None
        row = self.encode(fields)
        for column, paths in self._format.told.items() if self._format else ():
            if text(fields.get(column)) is None:
                self._unused.update(f"{path} ({column})" for path in paths if at(record, path))
        return row

    def encode(self, fields: Fields) -> Packed:
        """Texts to codes, times to microseconds."""
        time = self._times[_scalar(fields.get("time"))]
        arrived = fields.get("arrived")
        row = [time, time if arrived is None else max(time, self._times[_scalar(arrived)])]
        for column in COLUMNS[2:]:
            value = fields.get(column)
            if column in CODED:
                row.append(self._codes[column][text(value)])
            elif column in OPAQUE:
                row.append(opaque(text(value)))
            else:
                row.append(size(value))
        if fields.get("listed") is False:
            self._unlisted.add(f"{text(fields.get('service')) or '-'} {text(fields.get('operation')) or '-'}")
        parts = fields.get("parts_of")
        told = (
            acts.part(parts, fields.get("operation")) if parts else acts.whole(text(fields.get("id")), row[0], *row[2:])
        )
        return packed(*row, *told)


def size(value: Json) -> int:
    """A number of bytes, or -1 for what is none."""
    try:
        number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else -1.0
    except (ValueError, OverflowError):
        return -1
    return int(number) if 0 <= number < _LARGEST else -1


def _scalar(value: Json) -> str | int | float | None:
    """Times are looked up by value: a list or an object, which cannot be, becomes text that is no time."""
    return value if isinstance(value, (str, int, float)) or value is None else "?"
