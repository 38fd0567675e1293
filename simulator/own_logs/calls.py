"""From the catalogue's operations to those of a real log.

- *same*: the log has that operation of that service;
- *like*: it has another one of the service with the same access (the one named most alike, then the most frequent);
- *new*: its stream is in the log, but nothing like it: nobody in the log makes such a call, so it alone would give an
  incident away.  It is left out (*absent*), unless new calls are wanted: then the catalogue's name is used;
- *unseen*: the log could not show it: no record of its stream is in it, or it is access to data and the log
  has none of that service (cloud audit records data access only where it is asked to).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.forms import Form, google_form, is_google, own_form

How = Literal["same", "like", "new", "absent", "unseen"]


@dataclass(frozen=True)
class Call:
    """What stands in a log for an operation of the catalogue."""

    name: str
    how: How
    rows: Array
    """Real events of it, ascending: those of the learned part where there are any."""
    shown: str
    """`service operation` as the log has it."""
    form: Form
    """How the log would write the catalogue's operation."""

    @property
    def left_out(self) -> bool:
        """Whether incidents go without it."""
        return self.how in ("absent", "unseen")

    @property
    def operation(self) -> Operation:
        """The catalogue's entry."""
        return catalogue.operations()[self.name]


class Calls:
    """The calls of a log, found when first asked for."""

    def __init__(self, background: Background, new: bool = False) -> None:
        self._background = background
        self._new: How = "new" if new else "absent"
        self._form = google_form if is_google(background) else own_form
        self._found: dict[str, Call] = {}

    def __getitem__(self, name: str) -> Call:
        """Raises `KeyError` if the catalogue has no such operation."""
        if name not in self._found:
            self._found[name] = self._find(catalogue.operations()[name])
        return self._found[name]

    def used(self) -> list[Call]:
        """All that were asked for, in that order."""
        return list(self._found.values())

    def _find(self, operation: Operation) -> Call:
        name = operation.name
        form, none = self._form(name), np.empty(0, np.int64)
        rows = self._background.of_call(form.service, form.operation)
        how: How = "same"
        if not len(rows):
            if operation.stream not in self._streams or (operation.data_event and not self._records_data(form)):
                return Call(name, "unseen", none, form.shown, form)
            rows, how = self._alike(operation.stream, form), "like"
        if not len(rows):
            return Call(name, self._new, none, form.shown, form)
        learned = rows[rows < self._background.until]
        shown = f"{self._background.text('service', rows[0])} {self._background.text('operation', rows[0])}"
        return Call(name, how, learned if len(learned) else rows, shown, form)

    @cached_property
    def _streams(self) -> set[str]:
        return {self._background.vocabulary["stream"][code] for code in self._background.ticks if code >= 0}

    def _records_data(self, form: Form) -> bool:
        forms = {name: self._form(name) for name, each in catalogue.operations().items() if each.data_event}
        alike = [each for each in forms.values() if each.service == form.service]
        return any(len(self._background.of_call(each.service, each.operation)) for each in alike)

    def _alike(self, stream: str, form: Form) -> Array:
        """The events of the operation with the same stream, service and access that is named most alike."""
        background, best = self._background, (0.0, 0)
        wanted = {"stream": stream, "service": form.service, "access": form.access}
        found = np.empty(0, np.int64)
        for row in background.calls.tolist():
            if all(background.text(column, row) == value for column, value in wanted.items()):
                rows = background.like(np.array([row]))
                operation = background.text("operation", row)
                likeness = (difflib.SequenceMatcher(None, operation, form.operation).ratio(), len(rows))
                if likeness > best:
                    best, found = likeness, rows
        return found
