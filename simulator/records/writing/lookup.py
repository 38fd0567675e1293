"""From what an outside system says of an export back to the log: ids of records to events, names to identities.

Ids are hashes of the log's digest and the event's position, so no table of them is kept: the ids of all events are made
again, and those that are asked for are noted.  Names are found in records: a text that stands only in the records of
one identity names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final

import msgspec
import numpy as np

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import MISSING, Array, Event
from scopedrift.simulator.records.formats import FORMATS, Format
from scopedrift.simulator.records.json_paths import at, texts_in
from scopedrift.simulator.records.writing.entra import DIRECTORY
from scopedrift.simulator.records.writing.exporter import text_of
from scopedrift.simulator.records.writing.naming import ExportNames

STEP: Final = 100_000
"""Events between two calls of `progress`."""
_KINDS: Final = ("identity", "stream", "credential_kind", "service", "operation")
"""Events that are equal in these are called alike in records."""
_UUID: Final = 36
_BETWEEN: Final = re.compile(r"[\s,;]+")
_SHARED: Final = -2
"""In place of an identity: the name is that of several."""


def identifiers_among(texts: Iterable[str]) -> frozenset[str]:
    """Those texts that may be the id of a record that an export wrote, as `positions_of` takes them.

    A text may hold several, with commas, semicolons or blanks between them, as fields of CSV exports do.
    """
    plain = (one.removeprefix(DIRECTORY) for text in texts for one in _BETWEEN.split(text))
    return frozenset(text.lower() if len(text) == _UUID else text for text in plain if len(text) in _lengths())


@cache
def _lengths() -> frozenset[int]:
    names = ExportNames("")
    return frozenset(len(maker(0)) for each in FORMATS.values() if (maker := _identifier(each, names)))


def positions_of(
    log: EventLog, wanted: Collection[str], progress: Callable[[float], None] = lambda done: None
) -> dict[str, int]:
    """The positions of the events whose records, in any export of `log`, have these ids; of the others nothing.

    Takes a hash an event for each kind of id that is asked for (its kind is told by its length).
    """
    names = ExportNames.of(log)
    makers = {maker(0): maker for maker in (_identifier(each, names) for each in FORMATS.values()) if maker}
    found: dict[str, int] = {}
    for turn, (specimen, maker) in enumerate(makers.items()):
        asked = {text for text in wanted if len(text) == len(specimen)} - found.keys()
        for number in range(len(log) if asked else 0):
            if number % STEP == 0:
                progress((turn + number / len(log)) / len(makers))
            if (made := maker(number)) in asked:
                found[made] = number
    return found


def _identifier(format: Format, names: ExportNames) -> Callable[[int], str] | None:
    return format.writer(names).identifier if format.written else None


def identity_names(log: EventLog) -> Mapping[str, int]:
    """By a name in small letters that records give it: the code of the identity; its name in the log is one, too."""
    known: dict[str, int] = {}
    specimens = [(position, *log.batch(position, position + 1)) for position in _specimens(log)]
    for format in FORMATS.values():
        if format.written:
            for identity, text in _called(log, format, specimens):
                known[text] = identity if known.get(text, identity) == identity else _SHARED
    own = {name.casefold(): code for code, name in enumerate(log.vocabulary["identity"])}
    return {text: code for text, code in known.items() if code != _SHARED} | own


def _called(log: EventLog, format: Format, specimens: Sequence[tuple[int, Event]]) -> Iterator[tuple[int, str]]:
    """Identities, and texts in the records that a format has of these events (with their positions, ascending)."""
    made = text_of(format.writer(ExportNames.of(log)))
    for position, event in specimens:
        record = made(event, position) if event.stream in format.streams else None
        if record is not None:
            decoded, identity = msgspec.json.decode(record), log.vocabulary["identity"].find(event.identity)
            for path in format.told["identity"]:
                for text in texts_in(at(decoded, path)):
                    yield identity, text.casefold()


def _specimens(log: EventLog) -> list[int]:
    """The positions, ascending, of the first event of each kind of each identity."""
    if not {"identity", "stream"} <= set(log.batch(0, 1).columns):
        return []
    seen: dict[int, int] = {}
    sizes = [len(log.vocabulary[name]) + 1 for name in _KINDS]
    begin = 0
    for batch in log.batches(STEP):
        keys = np.zeros(len(batch), np.int64)
        for name, size in zip(_KINDS, sizes, strict=True):
            column: Array = batch.columns.get(name, np.full(len(batch), MISSING))
            keys = keys * size + column + 1
        keys[batch["identity"] == MISSING] = MISSING
        for key, first in zip(*(part.tolist() for part in np.unique(keys, return_index=True)), strict=True):
            if key != MISSING:
                seen.setdefault(key, begin + first)
        begin += len(batch)
    return sorted(seen.values())
