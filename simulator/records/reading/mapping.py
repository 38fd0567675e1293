"""Mapping files: how any other JSON or CSV becomes events, declared in YAML (`scopedrift schema mapping`).

    name: gateway
    where: {kind: audit}
    columns:
      time: {path: ts, format: epoch_ms}
      identity: [user.name, user.id]
      operation: "{verb} {kind}"
      outcome: {path: status, values: {200: success, 403: denied}, default: error}

A path is a key, keys joined by dots, with list positions as numbers (`resources.0.arn`, `ips.-1`); for CSV it is a
column's name.  A path with braces is a template.  Without `access` the operation's words decide.  Nothing in a mapping
file is executed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from scopedrift.scenarios.documents import Problem, ScenarioError, parse, read_text, suggestion
from scopedrift.scenarios.explain import validated
from scopedrift.scenarios.fields import Model, Text, fail
from scopedrift.simulator.log.events import ACCESS, OUTCOMES, STREAMS
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.errors import LogError, Unreadable
from scopedrift.simulator.records.json_paths import Json, Record, at, first_text, text
from scopedrift.simulator.records.reading.field_mapper import Fields
from scopedrift.simulator.records.timestamps import BAD_TIME, EPOCH, NO_TIME

FIXED: Final = {"stream": STREAMS, "access": ACCESS, "outcome": OUTCOMES}
"""MappedColumns whose texts are given."""
SCALES: Final = {
    "epoch_s": Decimal(1_000_000),
    "epoch_ms": Decimal(1_000),
    "epoch_us": Decimal(1),
    "epoch_ns": Decimal("0.001"),
}
"""Microseconds in each unit of a numeric time."""
SHIPPED: Final = "mappings"
"""The folder of the mappings that can be named without a path."""
NOT_SELECTED: Final = "not selected by the mapping (`where`)"
_LATEST: Final = 10**18
_FIELD: Final = re.compile(r"\{([^{}]+)\}")


def _plain(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, (int, float)) else value


def _listed(value: Any) -> Any:
    return [_plain(each) for each in value] if isinstance(value, list) else [_plain(value)]


Plain = Annotated[Text, BeforeValidator(_plain)]
"""A text; numbers and truth values are written as records write them."""


def _some(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not all(value):
        raise ValueError("expected a path (text such as user.name), or a list of them")
    return value


Paths = Annotated[tuple[Text, ...], BeforeValidator(_listed), AfterValidator(_some)]


class TimeColumn(Model):
    """Where a time is, and how it is written."""

    path: Paths = Field(description="A path, or several of which the first that holds something counts.")
    format: Text = Field(default="auto", description="iso, epoch_s, epoch_ms, epoch_us, epoch_ns, auto, or strptime's.")

    @model_validator(mode="after")
    def _known(self) -> Self:
        known = ("auto", "iso", *SCALES)
        if self.format not in known and "%" not in self.format:
            fail([Problem(f"unknown time format{suggestion(self.format, known)}", ("format",))])
        return self

    def read(self, record: Record) -> str | None:
        """The time as text that `Times` understands; raises `Unreadable` for what is not as `format` says."""
        moment = _first(record, self.path)
        if moment is None or self.format in ("auto", "iso"):
            return moment
        try:
            if self.format not in SCALES:
                return datetime.strptime(moment, self.format).isoformat()
            micro = Decimal(moment) * SCALES[self.format]
            return (EPOCH + timedelta(microseconds=int(micro))).isoformat() if abs(micro) < _LATEST else moment
        except (ValueError, ArithmeticError):
            raise Unreadable(BAD_TIME) from None


class Column(Model):
    """Where a column's text comes from."""

    path: Paths | None = Field(default=None, description="A path or template, or several: the first that is filled.")
    value: Plain | None = Field(default=None, description="The same text for every record.")
    values: dict[Plain, Plain] | None = Field(default=None, description="Our text for each text of the record.")
    default: Plain | None = Field(default=None, description="The text where there is none, or none that `values` has.")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if self.path is None and self.value is None:
            raise ValueError("expected a `path` or a `value`")
        return self

    def read(self, record: Record, fixed: bool) -> str | None:
        """The column's text in `record`."""
        if self.value is not None:
            return self.value
        found = _first(record, self.path or ())
        if self.values is None:
            return found if found is not None else self.default
        return self.values.get(found or "", self.default if fixed or self.default is not None else found)


def _as_column(value: Any) -> Any:
    return {"path": value} if isinstance(value, (str, list)) else value


Of = Annotated[Column, BeforeValidator(_as_column)]
OfTime = Annotated[TimeColumn, BeforeValidator(_as_column)]


class MappedColumns(Model):
    """Our columns, and where each comes from."""

    time: OfTime = Field(description="When it happened.")
    arrived: OfTime | None = Field(default=None, description="When a detector could first see it. By default `time`.")
    id: Of | None = Field(default=None, description="The record's own id: one that comes again is the same act.")
    stream: Of = Field(default=Column(value="cloud_audit"), description=f"One of {', '.join(STREAMS)}.")
    identity: Of | None = Field(default=None, description="Who acted.")
    credential: Of | None = Field(default=None, description="With which credential.")
    credential_kind: Of | None = Field(default=None, description="Of which kind.")
    workload: Of | None = Field(default=None, description="What ran.")
    task: Of | None = Field(default=None, description="In which execution.")
    task_kind: Of | None = Field(default=None, description="With which declared purpose.")
    on_behalf_of: Of | None = Field(default=None, description="On whose behalf.")
    service: Of | None = Field(default=None, description="Of which service.")
    operation: Of | None = Field(default=None, description="What was called.")
    access: Of | None = Field(default=None, description=f"One of {', '.join(ACCESS)}. By default by the operation.")
    resource: Of | None = Field(default=None, description="On what.")
    project: Of | None = Field(default=None, description="In which account, project or namespace.")
    image: Of | None = Field(default=None, description="The image that it would run.")
    source: Of | None = Field(default=None, description="From where.")
    outcome: Of | None = Field(default=None, description=f"One of {', '.join(OUTCOMES)}.")
    bytes: Of | None = Field(default=None, description="How many bytes.")

    @model_validator(mode="after")
    def _fixed(self) -> Self:
        for name, texts in FIXED.items():
            column: Column | None = getattr(self, name)
            if column is None:
                continue
            if column.values is None and column.value is None:
                fail([Problem(f"expected `values` that say which of {', '.join(texts)} each text means", (name,))])
            for chosen in (column.value, column.default, *(column.values or {}).values()):
                if chosen is not None and chosen not in texts:
                    fail([Problem(f"unknown choice {chosen!r}{suggestion(chosen, texts)}", (name,))])
        return self


class MappedAlert(Model):
    """What `scopedrift judge` reads of an alert beside the columns."""

    records: Paths = Field(default=(), description="Paths of further ids of records; `*`: every element.")
    rule: Paths = Field(default=(), description="Paths of the names of the rules that raised it.")
    level: Paths = Field(default=(), description="Paths of its level; the first that is filled.")
    score: Paths = Field(default=(), description="Paths of its score; the first that is a number.")
    reason: Paths = Field(default=(), description="Paths of what it says; the first that is filled.")


class MappingFile(Model):
    """A mapping file."""

    name: Text = Field(default="mapped", description="Shown in reports.")
    description: Text = Field(default="", description="What it is for.")
    format: Literal["json", "csv"] = Field(default="json", description="json (lines, arrays, documents) or csv.")
    records: Text | None = Field(default=None, description="json: path of the list of records inside a value.")
    delimiter: Text = Field(default=",", description="csv: what separates fields.")
    header: tuple[Text, ...] = Field(default=(), description="csv: names of the columns, if no header line has them.")
    where: dict[Text, Paths] = Field(default={}, description="Only records with this text, or one of a list, there.")
    columns: MappedColumns = Field(description="Where each of our columns comes from.")
    alert: MappedAlert = Field(default=MappedAlert(), description="For `judge`: what else an alert says.")

    @model_validator(mode="after")
    def _cut(self) -> Self:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            fail([Problem("expected a single character", ("delimiter",))])
        if len(set(self.header)) < len(self.header):
            fail([Problem("a name is there twice", ("header",))])
        return self

    def read(self, record: Record) -> Fields | None:
        """The fields of one record; None for what has no time and may hold records inside.

        Raises `Unreadable` for a record without a time, or one that `where` leaves out.
        """
        selected = all(_first(record, (path,)) in wanted for path, wanted in self.where.items())
        moment = self.columns.time.read(record) if selected else None
        if moment is None:
            if self.inside(record) is not None:
                return None
            raise Unreadable(NO_TIME if selected else NOT_SELECTED)
        arrived = self.columns.arrived
        fields: dict[str, Json] = {"time": moment, "arrived": arrived.read(record) if arrived else None}
        fields |= {name: column.read(record, name in FIXED) for name, column in self._texts}
        if self.columns.access is None and (operation := text(fields.get("operation"))):
            fields["access"], fields["listed"] = access_of(text(fields.get("service")) or "", operation)
        return fields

    @cached_property
    def _texts(self) -> list[tuple[str, Column]]:
        given = ((name, getattr(self.columns, name)) for name in MappedColumns.model_fields)
        return [(name, column) for name, column in given if isinstance(column, Column)]

    def inside(self, record: Record) -> Sequence[Json] | None:
        """The list of records that a value holds at the mapping's `records` path."""
        found = at(record, self.records) if self.records else None
        return found if isinstance(found, list) else None


def load_mapping(path: Path) -> MappingFile:
    """Read and check a mapping file, or the shipped one of that name.

    Raises `LogError` with file, line and key for one that makes no sense.
    """
    known = shipped()
    file = known.get(str(path), path)
    try:
        document = parse(read_text(file, str(path)), str(path), number_keys=True)
        return validated(MappingFile, document.value, document)
    except ScenarioError as error:
        hint = f"\nshipped mappings: {', '.join(known)}" if not path.exists() else ""
        raise LogError(f"{error}{hint}") from None


def shipped() -> Mapping[str, Any]:
    """The files of the mappings that come with the package, by name."""
    folder = resources.files("scopedrift.simulator.records") / SHIPPED
    return {file.name.removesuffix(".yaml"): file for file in sorted(folder.iterdir(), key=lambda file: file.name)}


def _first(record: Record, paths: Sequence[str]) -> str | None:
    """The text of the first path that holds one, or of the first template all of whose fields do."""
    for path in paths:
        if "{" in path:
            texts = [_first(record, (name,)) for name in _FIELD.findall(path)]
            if None not in texts:
                return "".join(part for pair in zip_longest(_FIELD.split(path)[::2], texts) for part in pair if part)
        elif (found := first_text(record, (path,))) is not None:
            return found
        elif isinstance(value := at(record, path), bool):
            return str(value).lower()
    return None
