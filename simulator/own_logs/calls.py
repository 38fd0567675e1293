"""From the catalogue's operations to those of a real log.

- *same*: the log has that operation of that service;
- *like*: it has another version of it (`ListObjectsV2`, `UpdateFunctionCode20150331v2`).  A log without any service of
  the catalogue has words of its own: there, the operation with the same access that is named most alike;
- *new*: its stream is in the log, but nothing like it: nobody in the log makes such a call, so it alone would give an
  incident away.  It is left out (*absent*), unless new calls are wanted: then the catalogue's name is used;
  So is what only the provider's own services can do there, such as assuming service-linked roles;
- *unseen*: the log could not show it: no record of its stream is in it, or it is access to data and the log
  has none of that service (cloud audit records data access only where it is asked to).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.forms import Form, google_form, is_google, own_form

VERSION: Final = re.compile(r"(20\d{6})?(_?v\d+)?$", re.IGNORECASE)
"""What a version adds to the name of an operation."""
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
            shows = operation.stream in self._streams and (not operation.data_event or self._records_data(form))
            if not shows and not self._foreign:
                return Call(name, "unseen", none, form.shown, form)
            rows, how = self._alike(operation.stream, form), "like"
        rows = rows[~self._background.provided[rows]]
        if not len(rows):
            return Call(name, "absent" if self._foreign else self._new, none, form.shown, form)
        learned = rows[rows < self._background.until]
        shown = f"{self._background.text('service', rows[0])} {self._background.text('operation', rows[0])}"
        return Call(name, how, learned if len(learned) else rows, shown, form)

    @cached_property
    def _foreign(self) -> bool:
        """Whether the log names no service of the catalogue: it has words of its own."""
        return not {self._form(name).service for name in catalogue.operations()} & {
            self._background.text("service", row) for row in self._background.calls.tolist()
        }

    @cached_property
    def _streams(self) -> set[str]:
        return {self._background.vocabulary["stream"][code] for code in self._background.ticks if code >= 0}

    def _records_data(self, form: Form) -> bool:
        forms = {name: self._form(name) for name, each in catalogue.operations().items() if each.data_event}
        alike = [each for each in forms.values() if each.service == form.service]
        return any(len(self._background.of_call(each.service, each.operation)) for each in alike)

    def _alike(self, stream: str, form: Form) -> Array:
        """The events of another version of the operation; in a log of other words, of the one named most alike."""
        background, best = self._background, (0.0, 0)
        wanted = {"access": form.access} if self._foreign else {"stream": stream, "service": form.service}
        found = np.empty(0, np.int64)
        for row in background.calls.tolist():
            operation = background.text("operation", row)
            if any(background.text(column, row) != value for column, value in wanted.items()):
                continue
            if not self._foreign and _unversioned(operation) != _unversioned(form.operation):
                continue
            rows = background.like(np.array([row]))
            likeness = (difflib.SequenceMatcher(None, operation, form.operation).ratio(), len(rows))
            if likeness > best:
                best, found = likeness, rows
        return found


def _unversioned(operation: str) -> str:
    return VERSION.sub("", operation)
