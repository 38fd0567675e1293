"""Events of the stream `runtime` as the JSON that Falco writes: what a sensor on the node sees.

Metadata reads, image pulls, processes and connections are in no cloud or Kubernetes audit log, so this is the only
export beside OCSF that has them.

Kept by an import: time (to the nanosecond that it has), operation, service, access, outcome, resource, source, image,
bytes, workload (exactly); identity, project, task (one to one or exactly).
Lost: arrived, credential and its kind (a sensor sees none), task_kind, on_behalf_of.
"""

from __future__ import annotations

from typing import Final

from scopedrift.simulator.log.events import DAY, Event
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import iso_nanoseconds, iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames

RULES: Final = {
    "metadata": ("Contact cloud metadata service from container", "Notice"),
    "network": ("Outbound connection from container", "Notice"),
    "process": ("Program run in container", "Informational"),
    "containerd": ("Image pulled to node", "Informational"),
}
"""Rule and priority by service."""


class FalcoWriter:
    """Turns events into Falco's JSON."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names

    def file(self, event: Event) -> str:
        """Where the record is written: one file a day."""
        return f"falco/events-{iso_seconds(event.arrived // DAY * DAY)[:10]}.jsonl.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return self._names.uuid("event", number)

    def record(self, event: Event, number: int) -> Record:
        """The record of the event at position `number`."""
        names = self._names
        rule, priority = RULES.get(event.service or "", (f"Activity of {event.service}", "Informational"))
        host, _, port = (event.resource or "").rpartition(":")
        address = event.resource if event.service == "metadata" else host or event.resource
        fields: dict[str, Json] = {
            "evt.type": event.operation,
            "evt.category": event.service,
            "evt.res": {"success": "SUCCESS", "denied": "EACCES", "error": "EFAILED"}.get(event.outcome or ""),
            "evt.arg.resource": event.resource,
            "evt.access": event.access,
            "evt.size": event.bytes,
            "fd.sip": address if event.service in ("metadata", "network") else None,
            "fd.sport": "80" if event.service == "metadata" else port if event.service == "network" else None,
            "fd.cip": event.source,
            "user.name": event.identity,
            "container.id": names.digest("task", event.task).hex()[:12] if event.task else None,
            "container.image.repository": event.image,
            "k8s.pod.label.app": event.workload,
            "k8s.ns.name": event.project,
        }
        moment = iso_nanoseconds(event.time, names.number("below", number))
        return {
            "uuid": self.identifier(number),
            "time": moment,
            "rule": rule,
            "priority": priority,
            "source": "syscall",
            "hostname": event.source,
            "output": f"{priority} {rule} (resource={event.resource} workload={event.workload})",
            "output_fields": {key: value for key, value in fields.items() if value is not None},
        }


writer: Final = FalcoWriter
