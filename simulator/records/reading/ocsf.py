"""OCSF events to ours: API Activity (6003), Authentication (3002), Network and HTTP Activity (4001, 4002).

Field names are those of OCSF 1.1 and later; `ai_agent` and `delegation` of 1.9 give the task of an agent.  Other
classes are read as far as they have the same fields.  An event is seen when it was logged (`metadata.logged_time`).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.json_paths import Json, Record, at, child, first_text, text
from scopedrift.simulator.records.reading import kubernetes
from scopedrift.simulator.records.reading.cloudtrail import DENIED
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields
from scopedrift.simulator.records.reading.images import image_of

API, AUTHENTICATION, NETWORK, HTTP = 6003, 3002, 4001, 4002
STREAMS: Final = {AUTHENTICATION: "issuance", NETWORK: "runtime", HTTP: "runtime"}
"""The stream of a class; every other class is cloud audit, or Kubernetes audit if its product is Kubernetes."""
ACTIVITY: Final = {1: "create", 2: "read", 3: "write", 4: "delete"}
"""Access by `activity_id` of API Activity."""
SUCCESS, FAILURE = 1, 2


def read(record: Record) -> Fields | None:
    """The fields of one event; None if it is not OCSF."""
    kind = record.get("class_uid")
    if not isinstance(kind, int):
        return None
    actor = record.get("actor")
    network = kind in (NETWORK, HTTP)
    service = first_text(record, ("api.service.name", "service.name", "dst_endpoint.svc_name"))
    operation = first_text(record, ("api.operation", "http_request.http_method", "activity_name"))
    short = service.removesuffix(".amazonaws.com").removesuffix(".googleapis.com") if service else None
    key = first_text(actor, ("user.credential_uid", "session.credential_uid"))
    cluster = not network and "kubernetes" in (text(at(record, "metadata.product.name")) or "").lower()
    return {
        "time": record.get("time", record.get("time_dt")),
        "arrived": first_text(record, ("metadata.logged_time", "metadata.processed_time")),
        "stream": "kubernetes_audit" if cluster else STREAMS.get(kind, "cloud_audit"),
        "identity": _identity(record),
        "credential": key,
        "credential_kind": None if key is None else "static-key" if key.startswith("AKIA") else "session",
        "workload": first_text(record, ("actor.app_name", "container.name", "actor.process.name", "device.hostname")),
        "task": first_text(record, ("delegation.uid", "ai_agent.session.uid", "actor.session.uid", "session.uid")),
        "on_behalf_of": first_text(record, ("delegation.delegator.uid", "delegation.user.uid", "actor.invoked_by")),
        "service": short or ("network" if network else None),
        "operation": operation,
        "access": _cluster_access(operation or "")
        if cluster
        else _access(kind, short or "", operation or "", record.get("activity_id")),
        "resource": first_text(
            record,
            (
                "resources.0.uid",
                "resources.0.name",
                "http_request.url.url_string",
                "dst_endpoint.hostname",
                "dst_endpoint.ip",
                "user.uid",
            ),
        ),
        "project": first_text(record, ("cloud.account.uid", "cloud.project_uid", "resources.0.namespace")),
        "image": first_text(record, ("container.image.name", "container.image.uid"))
        or image_of(child(child(record.get("api"), "request"), "data")),
        "source": first_text(record, ("src_endpoint.ip", "src_endpoint.domain", "src_endpoint.svc_name")),
        "outcome": _outcome(record),
        "bytes": at(record, "traffic.bytes_out"),
    }


def _identity(record: Record) -> str | None:
    """The role behind a session, the user, or (Authentication) the user that is being authenticated."""
    return first_text(
        record,
        (
            "actor.session.issuer",
            "ai_agent.uid",
            "actor.user.uid_alt",
            "actor.user.uid",
            "actor.user.name",
            "actor.user.email_addr",
            "user.uid",
            "user.name",
            "user.email_addr",
            "actor.invoked_by",
            "actor.process.user.name",
        ),
    )


def _access(kind: int, service: str, operation: str, activity: Json) -> str | None:
    if kind == AUTHENTICATION:
        return "auth"
    if kind in (NETWORK, HTTP):
        return "read" if operation.upper() in ("GET", "HEAD") else access_of(service, operation)
    named = access_of(service, operation)
    if named in ("auth", "admin"):
        return named
    return ACTIVITY.get(activity, named) if isinstance(activity, int) else named


def _cluster_access(operation: str) -> str:
    """The class of access of `create pods/exec`."""
    verb, _, what = operation.partition(" ")
    return kubernetes.access_of(verb, kubernetes.GROUPS.get(what), what)


def _outcome(record: Record) -> str | None:
    status = record.get("status_id")
    if status == SUCCESS:
        return "success"
    if status != FAILURE:
        return None
    why = first_text(record, ("api.response.error", "status_code", "api.response.code", "status_detail")) or ""
    denied = DENIED.search(why) or why in ("401", "403") or text(record.get("disposition")) == "Blocked"
    return "denied" if denied else "error"


mapper: Final = partial(FieldMapper, "ocsf", read)
