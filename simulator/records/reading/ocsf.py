"""OCSF events to ours: any class of OCSF event, in the words of its platform.

Field names are those of OCSF 1.1 and later; `ai_agent` and `delegation` of 1.9 give the task of an agent.  An event of
a cluster's audit log reads as the cluster's own record would, a call to AWS as the CloudTrail record of it.  An event
is seen when it was logged (`metadata.logged_time`).
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.identities import arn_facts, resolve
from scopedrift.simulator.records.json_paths import Json, Record, at, decoded, first_text, text
from scopedrift.simulator.records.ocsf_schema import AUTHENTICATION, FAILURE, HTTP, NETWORK, SUCCESS, access_by_activity
from scopedrift.simulator.records.reading import kubernetes
from scopedrift.simulator.records.reading.aws_requests import listed_target, narrowed
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields
from scopedrift.simulator.records.reading.images import image_of

STREAMS: Final = {AUTHENTICATION: "issuance", NETWORK: "runtime", HTTP: "runtime"}
"""The stream of a class; every other class is cloud audit, or Kubernetes audit if its product is a cluster."""
_CLUSTER: Final = re.compile(r"kubernetes|\b(eks|gke|aks)\b|audit\.k8s\.io", re.IGNORECASE)
_PRODUCT: Final = ("metadata.product.name", "metadata.product.feature.name", "metadata.product.version")
_TIMES: Final = ("time", "time_dt", "start_time", "start_time_dt", "metadata.original_time", "metadata.logged_time")
_OUTCOMES: Final = {SUCCESS: "success", "success": "success", FAILURE: "error", "failure": "error"}
_WHY: Final = ("api.response.error", "status_code", "api.response.code", "status_detail", "api.response.message")

_ALSO: Final = ("uid_alt", "uuid")
"""Where a user is named beside `uid`: `uuid` had the ARN before OCSF 1.0."""
_DELEGATORS: Final = ("delegation.delegator.uid", "delegation.user.uid", "unmapped.delegation.user.uid")
"""For whom it was done: OCSF has a field for it from 1.9 on."""


def read(record: Record) -> Fields | None:
    """The fields of one event; None if its class is not a number."""
    kind, stated = _number(record.get("class_uid")), _number(record.get("type_uid"))
    if kind is None:
        return None
    network = kind in (NETWORK, HTTP)
    if not network and any(_CLUSTER.search(first_text(record, (path,)) or "") for path in _PRODUCT):
        return {**_common(record), **_of_cluster(record)}
    service = first_text(record, ("api.service.name", "service.name", "dst_endpoint.svc_name"))
    short = service.removesuffix(".amazonaws.com").removesuffix(".googleapis.com") if service else None
    operation = first_text(record, ("api.operation", "http_request.http_method", "activity_name"))
    access, listed = _access(kind, short or "", operation or "", _activity(record, kind, stated))
    facts = _facts(record)
    actor = resolve(facts)
    request = decoded(at(record, "api.request.data"))
    named = narrowed(listed_target(record.get("resources")), request if facts.get("aws") else None)
    return {
        **_common(record),
        "stream": STREAMS.get(kind, "cloud_audit"),
        "identity": actor.identity,
        "on_behalf_of": first_text(record, _DELEGATORS) or actor.person,
        "service": short or ("network" if network else None),
        "operation": operation,
        "access": access,
        "listed": listed,
        "resource": named or first_text(record, _resources(facts)),
        "image": first_text(record, ("container.image.name", "container.image.uid")) or image_of(request),
        "outcome": _outcome(record),
    }


def _number(value: Json) -> int | None:
    """A code, which some exports write as text."""
    return int(found) if (found := text(value)) and found.isdecimal() else None


def _activity(record: Record, kind: int, stated: int | None) -> int | None:
    """The activity; `type_uid` has it in its last two digits."""
    activity = _number(record.get("activity_id"))
    return stated % 100 if activity is None and stated is not None and stated // 100 == kind else activity


def _common(record: Record) -> Fields:
    """What is read alike in every class."""
    key = first_text(record, ("actor.user.credential_uid", "actor.session.credential_uid"))
    return {
        "id": first_text(record, ("metadata.uid",)),
        "time": first_text(record, _TIMES),
        "arrived": first_text(record, ("metadata.logged_time", "metadata.processed_time")),
        "credential": key,
        "credential_kind": None if key is None else "static-key" if key.startswith("AKIA") else "session",
        "workload": first_text(record, ("actor.app_name", "container.name", "actor.process.name", "device.hostname")),
        "task": first_text(record, ("delegation.uid", "ai_agent.session.uid", "actor.session.uid", "session.uid")),
        "project": first_text(record, ("cloud.account.uid", "cloud.project_uid", "resources.0.namespace")),
        "source": first_text(record, ("src_endpoint.ip", "src_endpoint.domain", "src_endpoint.svc_name")),
        "bytes": at(record, "traffic.bytes_out"),
    }


def _resources(facts: dict[str, str | None]) -> tuple[str, ...]:
    paths = ("resources.0.name", "http_request.url.url_string", "dst_endpoint.hostname", "dst_endpoint.ip")
    return paths if facts.get("aws") else (*paths, "user.uid")


def _facts(record: Record) -> dict[str, str | None]:
    """What the event states of who acted."""
    user = "actor.user" if isinstance(decoded(at(record, "actor.user")), dict) else "user"
    named = {name: first_text(record, (f"{user}.{name}",)) for name in ("uid", *_ALSO, "name", "email_addr", "type")}
    arn = next((named[name] for name in ("uid", *_ALSO) if (named[name] or "").startswith("arn:")), None)
    issuer = first_text(record, ("actor.session.issuer",))
    aws = "AWS" if arn or first_text(record, ("cloud.provider",)) == "AWS" else None
    own, role = arn_facts(arn), arn_facts(issuer)
    facts = {
        "aws": aws,
        "kind": named["type"],
        "account": first_text(record, (f"{user}.account.uid", f"{user}.account_uid", "cloud.account.uid")),
        "issuer": issuer,
        "provider": first_text(record, ("actor.idp.name",)),
        "agent": first_text(record, ("ai_agent.uid",)),
        "email": named["email_addr"],
        "service": first_text(record, ("actor.invoked_by",)),
        "user_name": named["name"] or first_text(record, ("actor.process.user.name",)),
        "person": named["uid"],
        "principal": named["uid_alt"] if named["uid"] in (None, arn) else named["uid"],
        **own,
    }
    if not aws and not own:
        facts["uid"] = named["uid"]
    if "role" in role and "role" not in own and named["type"] != "FederatedUser":
        facts |= {name: role[name] for name in ("partition", "account", "role")}
    return facts


def _access(kind: int, service: str, operation: str, activity: int | None) -> tuple[str, bool]:
    """The class's activity says it, unless the operation is known to be more than the activity tells."""
    named, listed = access_of(service, operation)
    if named in ("auth", "admin") and kind not in (NETWORK, HTTP):
        return named, listed
    told = access_by_activity(kind, activity)
    return told or named, listed or told is not None


def _of_cluster(record: Record) -> Fields:
    """An event of a cluster's audit log, as `kubernetes` reads the cluster's own record."""
    verb, _, what = (text(at(record, "api.operation")) or "").partition(" ")
    name, stated = first_text(record, ("resources.0.name",)), first_text(record, ("resources.0.uid",))
    namespace = first_text(record, ("resources.0.namespace",))
    if what:  # in one word with the verb: the resource is named as a cluster's record names it
        resource, place = stated or name, first_text(record, ("cloud.account.uid",))
    else:
        what, place = first_text(record, ("resources.0.type",)) or "", namespace
        parts = (namespace, what.partition("/")[0], name)
        path = first_text(record, ("http_request.url.path",))
        resource = "/".join(filter(None, parts)) if what else path and path.partition("?")[0]
        what = what or resource or ""
    user = first_text(record, ("actor.user.name", "actor.user.uid"))
    cluster = first_text(record, ("unmapped.eks_cluster_name", "device.name"))
    request = decoded(at(record, "api.request.data"))
    group = first_text(record, ("api.group.name",)) or kubernetes.GROUPS.get(what)
    access = kubernetes.access_of(verb, group, what)
    started = first_text(record, ("start_time", "start_time_dt"))
    fields: dict[str, Json] = {
        "stream": "kubernetes_audit",
        "identity": resolve({"cluster_user": user, "cluster": cluster, **arn_facts(user)}).identity,
        "on_behalf_of": first_text(record, _DELEGATORS),
        "service": "kubernetes",
        "operation": f"{verb} {what}".strip() or None,
        "access": "admin" if access in ("create", "write") and kubernetes.privileged(request) else access,
        "resource": resource,
        "project": place,
        "image": first_text(record, ("container.image.name", "api.request.containers.0.image.name"))
        or (image_of(request) if access in ("create", "write") else None),
        "outcome": _outcome(record),
    }
    if started:
        fields |= {"time": started, "arrived": first_text(record, ("time", "time_dt"))}
    return fields


def _outcome(record: Record) -> str | None:
    outcome = _OUTCOMES.get(_number(record.get("status_id")) or (text(record.get("status")) or "").lower())
    code = _number(at(record, "api.response.code"))
    if outcome is None and code is not None:
        return outcomes.of_status(code)
    if outcome != "error":
        return outcome
    why = first_text(record, _WHY) or ""
    blocked = text(record.get("disposition")) == "Blocked" or text(record.get("action")) == "Denied"
    return "denied" if blocked or outcomes.of_aws(why, why) == "denied" else "error"


mapper: Final = partial(FieldMapper, "ocsf", read)
