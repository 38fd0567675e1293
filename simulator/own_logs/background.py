"""What a real log shows of its platform: who did what, when, how fast, and at what precision.

Everything is rows (positions in the log): of an identity, of an operation, of both.  Injected events are built from
rows, so that what a record lacks, how it is rounded and how late it arrives are those of real records.

Units: times in microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import numpy as np

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import COLUMNS, DTYPES, MINUTE, MISSING, SECOND, Array, Vocabulary

PROVIDER: Final = ".amazonaws.com"
"""How the names of the provider's own services end."""
SERVICE_LINKED: Final = "aws-service-role/"
"""What the names of roles have in them that only these services may assume."""
PAUSE: Final = 5 * MINUTE
"""A longer pause ends a burst of an identity (assumed)."""


class Background:
    """All columns of a log, indexed by identity and by operation; the test part begins at position `until`."""

    def __init__(self, log: EventLog, until: int) -> None:
        batch = log.batch(0, len(log))
        self.columns: Mapping[str, Array] = {
            name: batch.columns.get(name, np.full(len(batch), MISSING, DTYPES[name])) for name in COLUMNS
        }
        self.present = tuple(batch.columns)
        self.vocabulary: Vocabulary = log.vocabulary
        self.until = until
        self._by_identity = _Groups(self.columns["identity"])
        self._calls = self.columns["service"].astype(np.int64) * (len(self.vocabulary["operation"]) + 1)
        self._calls += self.columns["operation"]
        self._by_call = _Groups(self._calls)
        self._made: dict[tuple[int, int, int], Array] = {}

    def __len__(self) -> int:
        return len(self.columns["time"])

    def of_identity(self, code: int) -> Array:
        """The rows of an identity, ascending."""
        return self._by_identity.rows(code)

    def of_call(self, service: str, operation: str) -> Array:
        """The rows of an operation of a service, ascending."""
        codes = self.vocabulary["service"].find(service), self.vocabulary["operation"].find(operation)
        if MISSING in codes:
            return np.empty(0, np.int64)
        return self._by_call.rows(codes[0] * (len(self.vocabulary["operation"]) + 1) + codes[1])

    def made(self, identity: int, rows: Array) -> Array:
        """Those of the rows of one operation that are the identity's."""
        if not len(rows):
            return rows
        case = (identity, int(rows[0]), len(rows))
        if case not in self._made:
            self._made[case] = rows[self.columns["identity"][rows] == identity]
        return self._made[case]

    def like(self, rows: Array) -> Array:
        """The rows of the operation of the first of `rows`."""
        return self._by_call.rows(int(self._calls[rows[0]]))

    @cached_property
    def calls(self) -> Array:
        """One row of each operation of each service, in order of first arrival."""
        return np.sort(np.unique(self._calls, return_index=True)[1])

    def text(self, column: str, row: int) -> str:
        """One value; empty if missing."""
        code = int(self.columns[column][row])
        return self.vocabulary[column][code] if code >= 0 else ""

    @cached_property
    def ticks(self) -> Mapping[int, int]:
        """For each stream (by code): the length of time, up to a second, that all its times are multiples of."""
        streams, times = self.columns["stream"], self.columns["time"]
        return {
            code: next(t for t in (SECOND, SECOND // 1_000, 1) if not (times[streams == code] % t).any())
            for code in np.unique(streams).tolist()
        }

    @cached_property
    def provided(self) -> Array:
        """Which events only the provider's services can cause: made by them, or on service-linked roles."""
        services = np.array([text.endswith(PROVIDER) for text in self.vocabulary["identity"]] + [False])
        linked = np.array([SERVICE_LINKED in text for text in self.vocabulary["resource"]] + [False])
        return np.asarray(services[self.columns["identity"]] | linked[self.columns["resource"]])

    @cached_property
    def clock(self) -> Array:
        """The times of all events, ascending."""
        return np.sort(self.columns["time"])

    def gaps(self, rows: Array) -> Array:
        """The times between an identity's events within its bursts."""
        gaps = np.diff(np.sort(self.columns["time"][rows]))
        return gaps[gaps <= PAUSE]

    def burst(self, rows: Array) -> tuple[float, float]:
        """How many events a burst of an identity has, and how long it takes (the means over bursts)."""
        gaps = self.gaps(rows)
        bursts = len(rows) - len(gaps)
        return len(rows) / bursts, float(gaps.sum()) / bursts


class _Groups:
    """Positions by value."""

    def __init__(self, values: Array) -> None:
        self._order = np.argsort(values, kind="stable")
        self._sorted = values[self._order]

    def rows(self, value: int) -> Array:
        low, high = np.searchsorted(self._sorted, [value, value + 1])
        return self._order[low:high]
