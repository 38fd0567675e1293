"""What alerts of other systems look like, by the table in `alert_formats.yaml`; or by a mapping file of the user's.

A record of any of these kinds becomes an `OutsideAlert`: when it was raised, and everything that it says of what it is
about.  Nothing is decided here: which event is meant is for `pointing`.

Units: times are microseconds since 1970 UTC, -1 where there is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

import msgspec

from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.errors import Unreadable
from scopedrift.simulator.records.json_paths import Json, Record, at, every, first, text, texts_in
from scopedrift.simulator.records.reading.mapping import MappingFile
from scopedrift.simulator.records.timestamps import NO_TIME, parse_time

HINTS: Final = ("operation", "source", "resource")
"""Columns that tell events of one identity apart."""
LONGEST: Final = 200
"""Characters of a text that an alert says of itself."""
MOST: Final = 20
"""Texts of an alert that are kept although they are no ids."""
POINTLESS: Final = "says neither which record it is about, nor who and when"
UNNAMED: Final = "no rule named"
"""The rule of an alert that names none."""


@dataclass(frozen=True)
class OutsideAlert:
    """What an alert says; two that say the same are one alert."""

    raised: int
    happened: int
    """When what it is about happened."""
    records: frozenset[str]
    """Texts that may be ids of records."""
    identity: tuple[str, ...]
    hints: tuple[str, ...]
    """Operation, source and resource, in small letters; empty where unknown."""
    rules: tuple[str, ...]
    level: str
    score: float
    """NaN: none."""
    reason: str
    strange: tuple[str, ...] = ()
    """Where no text may be an id of a record: the first texts that stand where such ids should be."""
    odd_time: str = ""
    """A time that cannot be read, where the alert has no other in its place."""

    @property
    def points(self) -> bool:
        """Whether it says anything that may lead to an event."""
        return bool(self.records) or bool(self.identity and max(self.raised, self.happened) >= 0)


class PointlessError(Unreadable):
    """An alert that says nothing of what it is about, unless alerts are inside it."""

    def __init__(self, alert: OutsideAlert) -> None:
        super().__init__(POINTLESS)
        self.alert = alert if alert.rules != (UNNAMED,) or alert.raised >= 0 else None
        """None if it says nothing at all: then it is none."""


Read = Callable[[Record], Iterator[OutsideAlert]]
"""From a record to its alerts.  Raises `Unreadable` for what is none."""


class AlertPaths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the columns of an alert are."""

    raised: list[str] = []
    happened: list[str] = []
    records: list[str] = []
    identity: list[str] = []
    operation: list[str] = []
    source: list[str] = []
    resource: list[str] = []
    rule: list[str] = []
    level: list[str] = []
    score: list[str] = []
    reason: list[str] = []


class AlertFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of alert."""

    name: str
    title: str
    paths: AlertPaths
    has: list[str] = []
    when: dict[str, list[str]] = {}
    each: list[str] = []

    def recognises(self, record: Record) -> bool:
        """Whether a record is an alert of this kind."""
        there = all(any(at(record, path) is not None for path in one.split("|")) for one in self.has)
        return there and all(_text_at(record, [path]) in texts for path, texts in self.when.items())


class AlertFormats(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`alert_formats.yaml`."""

    wrappers: list[str]
    formats: list[AlertFormat]


@cache
def table() -> AlertFormats:
    """The table of kinds of alerts."""
    found: AlertFormats = load_data(__package__, "alert_formats.yaml", AlertFormats)
    return found


def read(record: Record) -> Iterator[OutsideAlert]:
    """The alerts in a record of any kind in the table.

    Raises `PointlessError` for what says nothing that could lead to an event.
    """
    kind = next(each for each in table().formats if each.recognises(record))
    found = [_alert(one, kind.paths) for one in _apart(record, kind.each)]
    if len(found) == 1 and not found[0].points:
        raise PointlessError(found[0])
    yield from found


def read_by(mapping: MappingFile) -> Read:
    """What reads alerts that a mapping file describes.

    `arrived` is when an alert was raised, `time` when what it is about happened, `id` the id of the record.  Without
    `arrived`, `time` is when it was raised.
    """

    def mapped(record: Record) -> Iterator[OutsideAlert]:
        fields = mapping.read(record)
        if fields is None:
            raise Unreadable(NO_TIME)
        told = mapping.alert
        (moment, odd), (raised, odd_raised) = _time([fields.get("time")]), _time([fields.get("arrived")])
        records, strange = _ids([fields.get("id"), *(found for path in told.records for found in every(record, path))])
        yield OutsideAlert(
            raised=moment if raised < 0 else raised,
            happened=-1 if raised < 0 else moment,
            records=records,
            identity=_texts([fields.get("identity")]),
            hints=tuple((text(fields.get(name)) or "").casefold() for name in HINTS),
            rules=_texts(_found(record, told.rule)) or (UNNAMED,),
            level=_text_at(record, told.level),
            score=_number(_found(record, told.score)),
            reason=_text_at(record, told.reason),
            strange=strange,
            odd_time=odd_raised or odd,
        )

    return mapped


def _alert(record: Record, paths: AlertPaths) -> OutsideAlert:
    raised, odd_raised = _time(_found(record, paths.raised))
    happened, odd = _time(_found(record, paths.happened))
    records, strange = _ids(_found(record, paths.records))
    return OutsideAlert(
        raised=raised,
        happened=happened,
        records=records,
        identity=_texts(_found(record, paths.identity)),
        hints=tuple(_text_at(record, getattr(paths, name)).casefold() for name in HINTS),
        rules=_texts(_found(record, paths.rule)) or (UNNAMED,),
        level=_text_at(record, paths.level),
        score=_number(_found(record, paths.score)),
        reason=_text_at(record, paths.reason),
        strange=strange,
        odd_time=odd_raised or odd,
    )


def _apart(record: Record, lists: Sequence[str]) -> Iterator[Record]:
    """The record once for each element of its lists, which stands in place of the list."""
    if not lists:
        yield record
        return
    name, *inner = lists
    elements = at(record, name)
    for element in elements if isinstance(elements, list) else []:
        if isinstance(element, dict):
            for one in _apart(element, inner):
                yield {**record, name: one}


def _found(record: Record, paths: Sequence[str]) -> list[Json]:
    return [found for path in paths for found in every(record, path)]


def _shown(value: Json) -> str:
    """A text as it may be kept; of a list its first element, as some interfaces write every field."""
    while isinstance(value, list):
        value = first(value)
    return (text(value) or "").strip()[:LONGEST]


def _text_at(record: Record, paths: Sequence[str]) -> str:
    return next(filter(None, map(_shown, _found(record, paths))), "")


def _texts(values: Sequence[Json]) -> tuple[str, ...]:
    flat = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(filter(None, map(_shown, flat))))


def _time(values: Sequence[Json]) -> tuple[int, str]:
    """The first of some values that is a time, or -1 and the first that should have been one."""
    odd = ""
    for shown in map(_shown, values):
        try:
            return parse_time(shown), ""
        except Unreadable:
            odd = odd or shown
    return -1, odd


def _number(values: Sequence[Json]) -> float:
    """The first of some values that is a finite number; NaN: none is."""
    for value in values:
        try:
            number = float(_shown(value))
        except ValueError:
            continue
        if math.isfinite(number):
            return number
    return math.nan


def _ids(values: Sequence[Json]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The texts that may be ids of records; where there are none, the first texts that are there instead."""
    from scopedrift.simulator.records.writing.lookup import identifiers_among

    found = identifiers_among(each for value in values for each in texts_in(value))
    if found:
        return found, ()
    flat = (each for value in values for each in (value if isinstance(value, list) else [value]))
    told = (_shown(each) for one in flat for each in ([one] if isinstance(one, int | float) else texts_in(one)))
    return found, tuple(islice(dict.fromkeys(filter(None, told)), MOST))
