"""Google Cloud audit log entries (`LogEntry` with an `AuditLog` payload) to events.

Who: `authenticationInfo.principalEmail`, else the principal's subject; `on_behalf_of` is the first of a
delegation chain.  Credential: a service account's key, if one was used.  An event is seen at `receiveTimestamp`.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.identities import resolve
from scopedrift.simulator.records.json_paths import Json, Record, at, child, decoded, first_text, text
from scopedrift.simulator.records.reading import kubernetes
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields
from scopedrift.simulator.records.reading.images import image_of

_DELEGATION: Final = "authenticationInfo.serviceAccountDelegationInfo.0"
_VERSION: Final = re.compile(r"\.v\d+(?:(?:alpha|beta)\d+)?\.")
"""Of an API of a cluster, in the name of a method."""


def read(record: Record) -> Fields | None:
    """The fields of one entry; None if it names no method."""
    payload = record.get("protoPayload", record.get("jsonPayload"))
    service, method = text(child(payload, "serviceName")), text(child(payload, "methodName"))
    if service is None or method is None:
        return None
    short = service.removesuffix(".googleapis.com")
    cluster = service == "k8s.io"
    request = decoded(child(payload, "request"))
    access, listed = (_cluster_access(method), True) if cluster else access_of(short, _name(method))
    if cluster and access in ("create", "write") and kubernetes.privileged(request):
        access = "admin"
    key = text(at(payload, "authenticationInfo.serviceAccountKeyName"))
    project = first_text(record, ("resource.labels.project_id",)) or _project(text(record.get("logName")))
    return {
        "time": first_text(record, ("timestamp", "receiveTimestamp")),
        "arrived": record.get("receiveTimestamp"),
        "stream": "kubernetes_audit" if cluster else "cloud_audit",
        "identity": resolve(_facts(record, payload, cluster)).identity,
        "credential": key,
        "credential_kind": "static-key" if key else None,
        "on_behalf_of": first_text(
            payload,
            (
                f"{_DELEGATION}.firstPartyPrincipal.principalEmail",
                f"{_DELEGATION}.principalSubject",
                f"{_DELEGATION}.thirdPartyPrincipal.thirdPartyClaims.sub",
            ),
        ),
        "workload": text(child(record.get("labels"), "compute.googleapis.com/resource_name")),
        "id": text(record.get("insertId")),
        "parts_of": _operation(record),
        "task": at(record, "operation.id"),
        "service": short,
        "operation": method,
        "access": access,
        "listed": listed,
        "resource": text(child(payload, "resourceName")),
        "project": project,
        "image": image_of(request) if access not in ("read", "delete") else None,
        "source": at(payload, "requestMetadata.callerIp"),
        "outcome": _outcome(payload),
    }


def _facts(record: Record, payload: Json, cluster: bool) -> dict[str, str | None]:
    """What the entry states of who acted; in a cluster, the cluster's name for it."""
    email = text(at(payload, "authenticationInfo.principalEmail"))
    subject = text(at(payload, "authenticationInfo.principalSubject"))
    if not cluster or not (email or subject or "").startswith("system:"):
        return {"email": email, "subject": subject}
    place = [text(at(record, f"resource.labels.{name}")) for name in ("project_id", "location", "cluster_name")]
    return {"cluster_user": email or subject, "cluster": "/".join(filter(None, place)) if place[2] else None}


def _operation(record: Record) -> str | None:
    """The operation whose begin or end the entry tells, if another entry tells the other."""
    operation = record.get("operation")
    first, last = child(operation, "first"), child(operation, "last")
    if bool(first) == bool(last):
        return None
    return first_text({"of": f"{child(operation, 'producer')} {child(operation, 'id')}"}, ("of",))


def _name(method: str) -> str:
    """The name that tables list: `instances.insert` of `v1.compute.instances.insert`, the last part of a gRPC name."""
    *_, kind, verb = ("", *method.split("."))
    return verb if verb[:1].isupper() or not kind else f"{kind}.{verb}"


def _cluster_access(method: str) -> str:
    """The class of access of a request to a cluster, such as `io.k8s.core.v1.pods.exec.create`."""
    group, *rest = _VERSION.split(method, maxsplit=1)
    *kind, verb = (rest[0] if rest else method).split(".")
    words = group.split(".") if group.startswith("io.k8s.") else []
    group = next((name for name in kubernetes.ADMIN_GROUPS if name.partition(".")[0] in words), None)
    return kubernetes.access_of(verb, group, "/".join(kind))


def _project(log: str | None) -> str | None:
    parts = (log or "").split("/")
    return parts[1] if len(parts) > 1 and parts[0] in ("projects", "folders", "organizations") else None


def _outcome(payload: Json) -> str:
    code = text(at(payload, "status.code"))
    granted = at(payload, "authorizationInfo.0.granted")
    if (text(child(payload, "methodName")) or "").lower() in outcomes.denied("methods"):
        return "denied"
    if code in (None, "0"):
        return "success"
    return "denied" if granted is False else outcomes.of_code("grpc", code)


mapper: Final = partial(FieldMapper, "gcp", read)
