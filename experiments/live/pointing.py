"""Which events an alert points at: by the ids of records, else by who and when.

An alert names events by the ids that an export gave their records.  One without such an id names an identity and a
time: the event meant is the one of that identity that is closest to the time when it happened or, if the alert tells
only when it was raised, the last one before.  Among events within the window, those that agree in operation, source
and resource come first.  The truth has no say in this.

Units: microseconds; positions count from the start of the log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from scopedrift.experiments.live.alert_formats import HINTS, OutsideAlert
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import MISSING, SECOND, Array
from scopedrift.simulator.records.identities import arn_facts, resolve
from scopedrift.simulator.records.writing.lookup import identity_names, positions_of

BY_ID, BY_EVIDENCE, BY_TIME, NOTHING = "record id", "several record ids", "identity and time", "nothing"
PRECISION: Final = SECOND
"""How exact the times of records are: what is closer is simultaneous."""
_BATCH: Final = 500_000


@dataclass(frozen=True)
class Pointed:
    """What one alert points at."""

    by: str
    positions: tuple[int, ...] = ()
    """Ascending."""
    why: str = ""
    """Why it points at nothing, or what is doubtful about it."""
    rivals: tuple[int, ...] = ()
    """Other events that fit as well."""


@dataclass
class Pointer:
    """Finds the events of one log."""

    log: EventLog
    window_us: int
    _known: dict[int, tuple[Array, Array]] = field(default_factory=dict)
    """The events of the identities that were asked for."""

    def point(
        self, alerts: Collection[OutsideAlert], progress: Callable[[float], None] = lambda done: None
    ) -> dict[OutsideAlert, Pointed]:
        """What each alert points at."""
        known = positions_of(self.log, {text for alert in alerts for text in alert.records}, progress)
        return {alert: self._one(alert, known) for alert in alerts}

    def _one(self, alert: OutsideAlert, known: Mapping[str, int]) -> Pointed:
        found = sorted({known[text] for text in alert.records if text in known})
        if found:
            return Pointed(BY_ID if len(found) == 1 else BY_EVIDENCE, tuple(found))
        said = "none of its ids is that of a record of this world" if alert.records else "it names no record"
        if alert.strange:
            said = f"its ids look like none of an export: {alert.strange[0]!r}"
        if not alert.identity:
            return Pointed(NOTHING, why=f"{said}, and nobody")
        who = {code for name in alert.identity if (code := self._identity(name)) is not None}
        if not who:
            return Pointed(NOTHING, why=f"{said}, and nobody of this world")
        if len(who) > 1:
            return Pointed(NOTHING, why=f"{said}, and {len(who)} identities")
        if max(alert.happened, alert.raised) < 0:
            return Pointed(NOTHING, why=f"{said}, and no time")
        return self._by_time(alert, who.pop(), said)

    def _by_time(self, alert: OutsideAlert, identity: int, said: str) -> Pointed:
        rows, times = self._events_of(identity)
        at = alert.happened if alert.happened >= 0 else alert.raised
        latest = at + (self.window_us if alert.happened >= 0 else PRECISION)
        here = slice(*np.searchsorted(times, [at - self.window_us, latest + 1]))
        rows, times = rows[here], times[here]
        if not len(rows):
            seconds = self.window_us / SECOND
            return Pointed(NOTHING, why=f"{said}, and its identity did nothing within {seconds:g} s")
        agree = self._agreement(alert, rows)
        distance = np.abs(times - at)
        cut = np.where((times >= at) & (distance < PRECISION), 0, distance)  # records may tell whole seconds only
        best = int(np.lexsort((rows, distance, cut, -agree))[0])
        equal = (agree == agree[best]) & (cut <= cut[best] + PRECISION)
        equal[best] = False
        return Pointed(BY_TIME, (int(rows[best]),), rivals=tuple(rows[equal].tolist()))

    def _agreement(self, alert: OutsideAlert, rows: Array) -> Array:
        """How many of the alert's operation, source and resource each event has."""
        found = np.zeros(len(rows), np.int64)
        for name, hint in zip(HINTS, alert.hints, strict=True):
            if hint and name in self._hints:
                code = self._codes[name].get(hint, _UNKNOWN)
                found += self._hints[name][rows] == code
        return found

    def _identity(self, name: str) -> int | None:
        """The identity that a name means: itself, without its session, or the role of an ARN."""
        plain = name.casefold()
        for text in (plain, plain.partition(":")[0], (resolve(arn_facts(name)).identity or "").casefold()):
            if text in self._names:
                return self._names[text]
        return None

    @cached_property
    def _names(self) -> Mapping[str, int]:
        return identity_names(self.log)

    @cached_property
    def _codes(self) -> dict[str, dict[str, int]]:
        return {name: {text.casefold(): code for code, text in enumerate(self.log.vocabulary[name])} for name in HINTS}

    @cached_property
    def _columns(self) -> dict[str, Array]:
        parts = [batch.columns for batch in self.log.batches(_BATCH)]
        wanted = [name for name in ("time", "identity", *HINTS) if parts and name in parts[0]]
        return {name: np.concatenate([part[name] for part in parts]) for name in wanted}

    @property
    def _hints(self) -> dict[str, Array]:
        return {name: self._columns[name] for name in HINTS if name in self._columns}

    @cached_property
    def _sorted(self) -> tuple[Array, Array]:
        """The positions of all events by identity and then by time, and their identities."""
        identity = self._columns.get("identity", np.full(len(self.log), MISSING))
        order = np.lexsort((self._columns["time"], identity))
        return order, identity[order]

    def _events_of(self, identity: int) -> tuple[Array, Array]:
        """The positions of an identity's events by time, and their times."""
        if identity not in self._known:
            order, owners = self._sorted
            rows = order[slice(*np.searchsorted(owners, np.array([identity, identity + 1], owners.dtype)))]
            self._known[identity] = rows, self._columns["time"][rows]
        return self._known[identity]


_UNKNOWN: Final = -2
