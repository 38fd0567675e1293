"""Mapping files: how any other JSON or CSV becomes events, declared in YAML.

    name: gateway                     # shown in reports; default: mapped
    format: json                      # json (default; lines, arrays, documents) or csv
    records: payload.entries          # json: path of the list of records in a value, where they are inside one
    delimiter: ";"                    # csv: default ,
    header: [ts, who, what, code]     # csv: names of the columns, where the file has no header line
    where: {kind: audit}              # only records with this value (or one of a list) there; others are counted
    columns:
      time: {path: ts, format: epoch_ms}   # required.  iso, epoch_s, epoch_ms, epoch_us, epoch_ns, a strptime
                                           # pattern such as "%d/%b/%Y:%H:%M:%S %z", or auto (default)
      arrived: received_at                 # when a detector could first see it; default: time
      identity: [user.name, user.id]       # a path, or several of which the first that holds something counts
      service: {value: gateway}            # the same text for every record
      operation: method
      outcome: {path: status, values: {200: success, 403: denied}, default: error}
      bytes: response.size

A path is a key, keys joined by dots, with list positions as numbers (`resources.0.arn`, `ips.-1`); for CSV it is a
column's name.  `values` translates texts (what it does not list becomes `default`, or is kept where any text is
allowed).  `stream` (default cloud_audit), `access` and `outcome` have fixed texts, so they need `values` or
`value`; without `access` the operation's name decides.  Nothing in a mapping file is executed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from scopedrift.simulator.log.events import ACCESS, OUTCOMES, STREAMS, TIMES
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.errors import Unreadable
from scopedrift.simulator.records.json_paths import Json, Record, at, first_text, text
from scopedrift.simulator.records.reading.field_mapper import Fields
from scopedrift.simulator.records.timestamps import BAD_TIME, EPOCH, NO_TIME

FIXED: Final = {"stream": STREAMS, "access": ACCESS, "outcome": OUTCOMES}
"""Columns whose texts are given."""
SCALES: Final = {
    "epoch_s": Decimal(1_000_000),
    "epoch_ms": Decimal(1_000),
    "epoch_us": Decimal(1),
    "epoch_ns": Decimal("0.001"),
}
"""Microseconds in each unit of a numeric time."""
NOT_SELECTED: Final = "not selected by the mapping (`where`)"

_LATEST: Final = 10**18


@dataclass(frozen=True)
class Column:
    """Where one column's text comes from."""

    paths: tuple[str, ...] = ()
    value: str | None = None
    values: Mapping[str, str] | None = None
    default: str | None = None
    format: str = "auto"

    def read(self, record: Record, fixed: bool) -> str | None:
        """The column's text in `record`."""
        if self.value is not None:
            return self.value
        found = _first(record, self.paths)
        if self.values is None:
            return found if found is not None else self.default
        return self.values.get(found or "", self.default if fixed or self.default is not None else found)


@dataclass(frozen=True)
class Mapped:
    """A mapping file, checked."""

    name: str = "mapped"
    format: str = "json"
    records: str | None = None
    delimiter: str = ","
    header: tuple[str, ...] = ()
    where: Mapping[str, frozenset[str]] = field(default_factory=dict)
    columns: Mapping[str, Column] = field(default_factory=dict)

    def read(self, record: Record) -> Fields | None:
        """The fields of one record; None for what has no time and may hold records inside.

        Raises `Unreadable` for a record without a time, or one that `where` leaves out.
        """
        if any(_first(record, (path,)) not in wanted for path, wanted in self.where.items()):
            if self.inside(record) is not None:
                return None
            raise Unreadable(NOT_SELECTED)
        fields: dict[str, Json] = {}
        for name, column in self.columns.items():
            if name in TIMES:
                moment = _first(record, column.paths)
                if moment is None and name == "time":
                    if self.inside(record) is not None:
                        return None
                    raise Unreadable(NO_TIME)
                fields[name] = _time(moment, column.format)
            else:
                fields[name] = column.read(record, name in FIXED)
        fields.setdefault("stream", "cloud_audit")
        if "access" not in self.columns and (operation := text(fields.get("operation"))):
            fields["access"], fields["listed"] = access_of(text(fields.get("service")) or "", operation)
        return fields

    def inside(self, record: Record) -> Sequence[Json] | None:
        """The list of records that a value holds at the mapping's `records` path."""
        found = at(record, self.records) if self.records else None
        return found if isinstance(found, list) else None


def _first(record: Record, paths: tuple[str, ...]) -> str | None:
    found = first_text(record, paths)
    if found is None:  # true and false are texts here
        return next((str(v).lower() for path in paths if isinstance(v := at(record, path), bool)), None)
    return found


def _time(moment: str | None, form: str) -> str | None:
    """A time as text that `Times` understands."""
    if moment is None or form in ("auto", "iso"):
        return moment
    try:
        if form not in SCALES:
            return datetime.strptime(moment, form).isoformat()
        micro = Decimal(moment) * SCALES[form]
        return (EPOCH + timedelta(microseconds=int(micro))).isoformat() if abs(micro) < _LATEST else moment
    except (ValueError, ArithmeticError):
        raise Unreadable(BAD_TIME) from None
