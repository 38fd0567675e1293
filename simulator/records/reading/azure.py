"""Azure Activity Log entries to events, as diagnostic logs, Log Analytics and the REST API give them.

Who: the service principal or managed identity by its object id, a person by the user principal name.  Credential: the
token, by its identifier (`uti`).  A managed identity's workload is the resource that it belongs to.  The entries of one
operation (started, accepted, succeeded or failed) are one event.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.identities import resolve
from scopedrift.simulator.records.json_paths import Json, Record, at, child, decoded, first_text, text
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields
from scopedrift.simulator.records.reading.images import image_of
from scopedrift.simulator.records.reading.microsoft import body, claimed, tenant

_NAMES: Final = ("operationName.value", "operationNameValue", "operationName")
_RESOURCES: Final = ("resourceId", "_ResourceId", "resourceUri")
_SUBMITTED: Final = ("submissionTimestamp", "eventSubmissionTimestamp")
_STATES: Final = ("status.value", "activityStatusValue", "activityStatus", "status", "resultType")
_WHY: Final = ("subStatus.value", "activitySubstatusValue", "resultSignature", "statusCode", "statusMessage")
ENDED: Final = {"succeeded": "success", "success": "success", "accepted": "success", "accept": "success"}
BEGUN: Final = ("start", "started", "inprogress", "running")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
SUFFIXES: Final = {"read": "read", "delete": "delete", "write": "write"}


def read(record: Record) -> Fields | None:
    """The fields of one entry; None if it names no operation."""
    entry = body(record)
    identity = decoded(entry.get("identity"))
    granted = decoded(entry.get("authorization")) or child(identity, "authorization")
    stated = first_text(entry, _NAMES)
    if stated is None or "/" not in stated:
        return None
    operation = _natural(stated, text(child(granted, "action")))
    resource = first_text(entry, _RESOURCES)
    claims = decoded(entry.get("claims")) or child(identity, "claims")
    facts = _facts(entry, claims, granted)
    provider, _, rest = operation.partition("/")
    created = "created" in (first_text(entry, _WHY) or "").lower()
    access, listed = _access(provider.lower(), rest, created)
    together = first_text(entry, ("operationId", "correlationId"))
    owner = text(child(decoded(claims), "xms_mirid"))
    return {
        "parts_of": f"{together} {(resource or '').lower()}" if together else None,
        "id": first_text(entry, ("eventDataId",)),
        "time": first_text(entry, ("eventTimestamp", "time", "timeGenerated", *_SUBMITTED)),
        "arrived": first_text(entry, _SUBMITTED),
        "stream": "cloud_audit",
        "identity": resolve(facts).identity,
        "credential": (token := text(child(decoded(claims), "uti"))),
        "credential_kind": "session" if token else None,
        "workload": owner.rpartition("/")[2] if owner else None,
        "task": first_text(entry, ("correlationId",)),
        "service": provider.lower(),
        "operation": operation,
        "access": access,
        "listed": listed,
        "resource": _natural(resource, text(child(granted, "scope"))) if resource else text(child(granted, "scope")),
        "project": _subscription(resource) or first_text(entry, ("subscriptionId",)) or tenant(entry),
        "image": image_of(decoded(entry.get("requestbody", entry.get("requestBody")))),
        "source": first_text(entry, ("callerIpAddress", "httpRequest.clientIpAddress")) or claimed_address(claims),
        "outcome": _outcome(entry),
    }


def _natural(stated: str, spelt: str | None) -> str:
    """The spelling that permissions have: diagnostic logs write names in capitals."""
    return spelt if spelt and spelt.lower() == stated.lower() else stated


def _facts(entry: Record, claims: Json, granted: Json) -> dict[str, str | None]:
    facts = claimed(claims)
    caller = first_text(entry, ("caller",))
    if caller and not _UUID.fullmatch(caller) and not facts["object"] and not facts["application"]:
        facts["email"] = caller
    evidence = text(at(granted, "evidence.principalId"))
    known = ("object", "application", "email", "uid")
    if not any(facts.get(name) for name in known):
        facts["object"] = caller or evidence
    return facts


def claimed_address(claims: Json) -> str | None:
    """The address that a token was shown from."""
    return text(child(decoded(claims), "ipaddr"))


def _access(provider: str, rest: str, created: bool) -> tuple[str, bool]:
    """What tables list, else by the last word of the operation, which is a verb or `action`."""
    found, listed = access_of(provider, rest.lower())
    *_, before, verb = ("", "", *rest.split("/"))
    if listed:
        return found, True
    if verb.lower() in SUFFIXES:
        plain = SUFFIXES[verb.lower()]
        return ("create" if plain == "write" and created else plain), True
    return access_of(provider, before)


def _outcome(entry: Record) -> str | None:
    state = (first_text(entry, _STATES) or "").partition(".")[0].lower()
    if state in BEGUN:
        return None
    if state in ("failed", "failure"):
        why = " ".join(filter(None, (first_text(entry, (name,)) for name in _WHY)))
        codes = {word.lower() for word in re.findall(r"\w+", why)}
        return "denied" if codes & outcomes.denied("azure") else outcomes.of_text(why)
    return ENDED.get(state)


def _subscription(resource: str | None) -> str | None:
    parts = (resource or "").strip("/").split("/")
    return parts[1] if len(parts) > 1 and parts[0].lower() == "subscriptions" else None


mapper: Final = partial(FieldMapper, "azure", read)
