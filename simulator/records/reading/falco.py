"""Falco's JSON output (and what is shaped like it) to events: what a sensor on the node saw.

Field names are Falco's (`evt.type`, `container.image.repository`, `k8s.ns.name`); a rule that names a program or a
file instead of `evt.arg.resource` is read as far as it does.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from scopedrift.simulator.log.events import ACCESS
from scopedrift.simulator.records.json_paths import Record, child, first_text, text
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields

METADATA: Final = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
DENIED: Final = ("EACCES", "EPERM")


def read(record: Record) -> Fields | None:
    """The fields of one alert."""
    fields = record.get("output_fields")

    def found(*names: str) -> str | None:
        return first_text(fields, names)

    address = found("fd.sip", "fd.sip.name")
    service = found("evt.category") or ("metadata" if address in METADATA else "process")
    image, tag = found("container.image.repository"), found("container.image.tag")
    result, access = found("evt.res"), found("evt.access")
    return {
        "time": text(record.get("time")) or found("evt.time", "evt.time.iso8601", "evt.rawtime"),
        "id": text(record.get("uuid")),
        "stream": "runtime",
        "identity": found("user.name", "k8s.sa.name"),
        "workload": found("k8s.pod.label.app", "container.name", "k8s.pod.name", "proc.name"),
        "task": found("container.id", "k8s.pod.uid"),
        "service": service,
        "operation": found("evt.type") or text(record.get("rule")),
        "access": access if access in ACCESS else "read" if service == "metadata" else None,
        "resource": found("evt.arg.resource", "fd.name", "proc.exepath") or address,
        "project": found("k8s.ns.name"),
        "image": f"{image}:{tag}" if image and tag else image,
        "source": found("fd.cip") or text(record.get("hostname")),
        "outcome": None if result is None else _outcome(result),
        "bytes": child(fields, "evt.size"),
    }


def _outcome(result: str) -> str:
    return "success" if result in ("SUCCESS", "0") else "denied" if result in DENIED else "error"


mapper: Final = partial(FieldMapper, "falco", read)
