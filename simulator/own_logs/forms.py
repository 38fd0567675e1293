"""How a log writes the catalogue's operations: under the catalogue's own names or under Google Cloud's.

The catalogue names calls as CloudTrail and Kubernetes audit do.  In a Google Cloud log the same calls go by other
services and methods: those that an export writes and an import reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

from scopedrift.scenarios import catalogue
from scopedrift.simulator.log.events import CODED, Event
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.reading import gcp
from scopedrift.simulator.records.writing.naming import ExportNames

RESOURCE: Final = "s3://bucket/key"
"""Any resource will do: the name of a method does not depend on it."""


@dataclass(frozen=True)
class Form:
    """The values of a call's columns."""

    service: str
    operation: str
    access: str

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.service} {self.operation}"


def own_form(name: str) -> Form:
    """The catalogue's."""
    operation = catalogue.operations()[name]
    return Form(operation.service, operation.operation, operation.access)


@cache
def google_form(name: str) -> Form:
    """Google Cloud's; the catalogue's for what is in no audit log there."""
    operation = catalogue.operations()[name]
    if operation.stream not in FORMATS["gcp"].streams:
        return own_form(name)
    texts: dict[str, list[str | None]] = {column: [None] for column in CODED}
    texts |= {column: [getattr(operation, column)] for column in ("stream", "service", "operation", "access")}
    texts |= {"resource": [RESOURCE], "project": ["p"], "outcome": ["success"], "identity": ["spiffe://x/ns/a/sa/b"]}
    numbers = {"time": [0], "arrived": [0], "credential": [-1], "task": [-1], "bytes": [-1]}
    event = Event({**numbers, **{column: [0] for column in texts}}, texts, 0)
    record = FORMATS["gcp"].writer(ExportNames("form")).record(event, 0)
    if record is None:
        return own_form(name)
    fields = gcp.read(record)
    assert fields is not None
    return Form(*(str(fields[column]) for column in ("service", "operation", "access")))


def is_google(background: Background) -> bool:
    """Whether more of the log's calls are known under Google Cloud's names than under the catalogue's."""
    own = google = 0
    for name in catalogue.operations():
        forms = own_form(name), google_form(name)
        counts = [
            len(background.of_call(form.service, form.operation)) if forms[0] != forms[1] else 0 for form in forms
        ]
        own, google = own + counts[0], google + counts[1]
    return google > own
