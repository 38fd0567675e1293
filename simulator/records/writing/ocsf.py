"""Events as OCSF 1.3 records, with the required fields of each class: the one format that carries every stream but
`agent`.

API Activity (6003): `cloud_audit`, `kubernetes_audit`.  Authentication (3002): `issuance`.  Network Activity (4001):
`runtime`, metadata reads among it, to 169.254.169.254.

Kept by an import: arrived and time (to the millisecond), identity, workload, resource, project, source, image,
on_behalf_of, outcome, service, operation (exactly; issuance and runtime: the service and the operation as names of
their own fields); credential and task (one to one); bytes (runtime).
Renamed or narrowed: access (an import judges issuance as authentication, runtime as reading or writing,
a privileged pod as any other: there is no body), the streams
`kubernetes_audit` and `cloud_audit` (one class: an import takes both for cloud audit), the kind of a credential.
An authentication of nothing in particular gets the user as its resource.
Lost: task_kind; bytes of API Activity, which has no field for them.
"""

from __future__ import annotations

import re
from typing import Final

from scopedrift.simulator.log.events import DAY, Event
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.ocsf_schema import ACTIVITY_IDS, API, AUTHENTICATION, FAILURE, NETWORK, SUCCESS
from scopedrift.simulator.records.timestamps import iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames

CLASSES: Final = {"issuance": AUTHENTICATION, "runtime": NETWORK}
LOGON, OPEN, TRAFFIC, OTHER, UNKNOWN = 1, 1, 6, 99, 0
INFORMATIONAL: Final = 1
AWS_ACCOUNT: Final = 10
VERSION: Final = "1.3.0"
PRODUCTS: Final = {"kubernetes_audit": "Kubernetes", "issuance": "SPIRE", "runtime": "Node sensor"}
_ADDRESS: Final = re.compile(r"[0-9a-f.:]+", re.IGNORECASE)
_CATEGORIES: Final = {API: 6, AUTHENTICATION: 3, NETWORK: 4}


def _account(project: str) -> Record:
    return {"uid": project, "name": project, "type": "AWS Account", "type_id": AWS_ACCOUNT}


class OcsfWriter:
    """Turns events into OCSF records."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names

    def file(self, event: Event) -> str:
        """Where the record is written: one file a class and day."""
        day = iso_seconds(event.arrived // DAY * DAY)[:10].replace("-", "")
        return f"ocsf/class_uid={CLASSES.get(event.stream, API)}/eventDay={day}/events.jsonl.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return self._names.uuid("event", number)

    def record(self, event: Event, number: int) -> Record:
        """The record of the event at position `number`."""
        kind = CLASSES.get(event.stream, API)
        activity = LOGON if kind == AUTHENTICATION else TRAFFIC if kind == NETWORK else self._activity(event)
        status = {"success": SUCCESS, "denied": FAILURE, "error": FAILURE}.get(event.outcome or "", UNKNOWN)
        record: dict[str, Json] = {
            "metadata": {
                "version": VERSION,
                "product": {"name": _product(event), "vendor_name": "scopedrift"},
                "uid": self.identifier(number),
                "logged_time": event.arrived // 1_000,
                "profiles": [*(["cloud"] if event.project else []), *(["container"] if event.image else [])],
            },
            "category_uid": _CATEGORIES[kind],
            "class_uid": kind,
            "activity_id": activity,
            "type_uid": kind * 100 + activity,
            "severity_id": INFORMATIONAL,
            "time": event.time // 1_000,
            "status_id": status,
            "status_code": {"denied": "AccessDenied", "error": "InternalError"}.get(event.outcome or ""),
            "cloud": {"provider": "AWS", "account": _account(event.project)} if event.project else None,
            "actor": self._actor(event),
            "src_endpoint": _endpoint(event.source),
            "container": self._container(event) if event.image else None,
            "unmapped": {"delegation": {"user": {"uid": event.on_behalf_of}}} if event.on_behalf_of else None,
        }
        record |= {API: self._api, AUTHENTICATION: self._authentication, NETWORK: self._network}[kind](event)
        return {key: value for key, value in record.items() if value is not None}

    def _container(self, event: Event) -> Record:
        names = self._names
        image = {"name": event.image, "uid": names.digest("image", event.image).hex()[:12]}
        return {"uid": 2 * names.digest("container", event.workload, event.task, event.resource).hex(), "image": image}

    def _activity(self, event: Event) -> int:
        return ACTIVITY_IDS.get(event.access or "", OTHER)

    def _actor(self, event: Event) -> Record:
        names = self._names
        user: dict[str, Json] = {"uid": event.identity, "type_id": 3} if event.identity else {}
        if event.credential:
            prefix = "AKIA" if event.credential_kind == "static-key" else "ASIA"
            user["credential_uid"] = names.key_id(prefix, event.credential)
        actor: dict[str, Json] = {"user": user}
        if event.task:
            actor["session"] = {"uid": names.uuid("task", event.task)}
        if event.workload:
            actor["app_name"] = event.workload
        return actor

    def _api(self, event: Event) -> Record:
        api = {"operation": event.operation or "Unknown", "service": {"name": event.service or "unknown"}}
        found: dict[str, Json] = {"api": api}
        return found | ({"resources": [{"uid": event.resource}]} if event.resource else {})

    def _authentication(self, event: Event) -> Record:
        return {
            "user": {"uid": event.identity or event.resource or "unknown"},
            "service": {"name": event.service},
            "activity_name": event.operation,
            "auth_protocol_id": OTHER,
            "auth_protocol": event.operation,
            **({"resources": [{"uid": event.resource}]} if event.resource else {}),
        }

    def _network(self, event: Event) -> Record:
        metadata = event.service == "metadata"
        host, _, port = (event.resource or "").rpartition(":") if event.service == "network" else ("", "", "")
        target: dict[str, Json] = {"hostname": event.resource, "svc_name": event.service}
        if metadata:
            target |= {"ip": event.resource, "port": 80}
        if host and port.isdecimal() and int(port) < 65536:
            target["port"] = int(port)
        found: dict[str, Json] = {
            "activity_name": event.operation,
            "dst_endpoint": target,
            "connection_info": {"direction_id": 2, "protocol_num": 6},
        }
        return found | ({"traffic": {"bytes_out": event.bytes}} if event.bytes is not None else {})


def _endpoint(source: str | None) -> dict[str, str]:
    """Where a call came from: an address, or a service by its name (6003 requires one of them)."""
    if source is None:
        return {"uid": "unknown"}
    return {"ip" if _ADDRESS.fullmatch(source) else "svc_name": source}


def _product(event: Event) -> str:
    return PRODUCTS.get(event.stream, "Cloud audit")


writer: Final = OcsfWriter
