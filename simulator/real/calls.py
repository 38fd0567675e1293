"""From the catalogue's operations to those of a real log.

- *same*: the log has that operation of that service;
- *like*: it has another one of the service with the same access (the one named most alike, then the most frequent);
- *new*: its stream is in the log, but nothing like it: the catalogue's name is used;
- *unseen*: the log could not show it: no record of its stream is in it, or it is access to data and the log
  has none of that service (cloud audit records data access only where it is asked to).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.simulator.events import Array
from scopedrift.simulator.real.background import Background

How = Literal["same", "like", "new", "unseen"]


@dataclass(frozen=True)
class Call:
    """What stands in a log for an operation of the catalogue."""

    name: str
    how: How
    rows: Array
    """Real events of it, ascending: those of the learned part where there are any."""
    shown: str
    """`service operation` as the log has it."""

    @property
    def data(self) -> Any:
        """The catalogue's entry."""
        return catalogue.operations()[self.name].data


class Calls:
    """The calls of a log, found when first asked for."""

    def __init__(self, background: Background) -> None:
        self._background = background
        self._found: dict[str, Call] = {}

    def __getitem__(self, name: str) -> Call:
        """Raises `KeyError` if the catalogue has no such operation."""
        if name not in self._found:
            self._found[name] = self._find(name, catalogue.operations()[name].data)
        return self._found[name]

    def used(self) -> list[Call]:
        """All that were asked for, in that order."""
        return list(self._found.values())

    def _find(self, name: str, data: Any) -> Call:
        own, none = f"{data['service']} {data['operation']}", np.empty(0, np.int64)
        rows = self._background.of_call(data["service"], data["operation"])
        how: How = "same"
        if not len(rows):
            if data["stream"] not in self._streams or (data.get("data_event") and not self._records_data(data)):
                return Call(name, "unseen", none, own)
            rows, how = self._alike(data), "like"
        if not len(rows):
            return Call(name, "new", none, own)
        learned = rows[rows < self._background.until]
        shown = f"{self._background.text('service', rows[0])} {self._background.text('operation', rows[0])}"
        return Call(name, how, learned if len(learned) else rows, shown)

    @cached_property
    def _streams(self) -> set[str]:
        return {self._background.vocabulary["stream"][code] for code in self._background.ticks if code >= 0}

    def _records_data(self, data: Any) -> bool:
        return any(
            len(self._background.of_call(each.data["service"], each.data["operation"]))
            for each in catalogue.operations().values()
            if each.data["service"] == data["service"] and each.data.get("data_event")
        )

    def _alike(self, data: Any) -> Array:
        """The events of the operation with the same stream, service and access that is named most alike."""
        background, best = self._background, (0.0, 0)
        found = np.empty(0, np.int64)
        for row in background.calls.tolist():
            if all(background.text(column, row) == data[column] for column in ("stream", "service", "access")):
                rows = background.like(np.array([row]))
                operation = background.text("operation", row)
                likeness = (difflib.SequenceMatcher(None, operation, data["operation"]).ratio(), len(rows))
                if likeness > best:
                    best, found = likeness, rows
        return found
