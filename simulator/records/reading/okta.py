"""Okta System Log events to events: sign-ins, tokens of machines, and changes of the organisation.

Who: a service application by its client id, a person by the user name.  Where an application asks for a token on a
person's behalf, the person is among the targets.  Credential: the API token, else the token that was granted, else the
session.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.identities import resolve
from scopedrift.simulator.records.json_paths import Json, Record, child, first_text, text
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields

_PEOPLE: Final = ("User", "AppUser")
_TOKENS: Final = ("access_token", "id_token", "refresh_token", "authorization_code")
_RESULTS: Final = {
    "SUCCESS": "success",
    "ALLOW": "success",
    "DENY": "denied",
    "ABANDONED": "error",
    "RATE_LIMIT": "error",
}
_UNKNOWN: Final = "unknown"


def read(record: Record) -> Fields | None:
    """The fields of one event."""
    operation = text(record.get("eventType"))
    if operation is None:
        return None
    targets = [each for each in _listed(record.get("target")) if isinstance(each, dict)]
    machine = first_text(record, ("actor.type",)) not in (*_PEOPLE, "SystemPrincipal")
    key = first_text(record, ("transaction.detail.requestApiTokenId", "debugContext.debugData.tokenId"))
    granted = next((text(each.get("id")) for each in targets if each.get("type") in _TOKENS), None)
    session = _stated(first_text(record, ("authenticationContext.externalSessionId",)))
    access, listed = access_of("okta", operation)
    facts = {"uid": first_text(record, ("actor.id",))} if machine else {"email": _name(record.get("actor"))}
    person = next((_name(each) for each in targets if each.get("type") in _PEOPLE), None)
    return {
        "id": first_text(record, ("uuid",)),
        "time": first_text(record, ("published",)),
        "stream": "issuance" if access == "auth" else "cloud_audit",
        "identity": resolve(facts).identity,
        "credential": key or granted or session,
        "credential_kind": "static-key" if key else "session" if granted or session else None,
        "on_behalf_of": person if machine and access == "auth" else None,
        "workload": first_text(record, ("actor.displayName",)) if machine else None,
        "task": session,
        "service": "okta",
        "operation": operation,
        "access": access,
        "listed": listed,
        "resource": next((_name(each) for each in targets if each.get("type") not in _TOKENS), None),
        "source": first_text(record, ("client.ipAddress", "request.ipChain.0.ip")),
        "outcome": _outcome(record, access),
    }


def _listed(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []


def _stated(value: str | None) -> str | None:
    return None if value == _UNKNOWN else value


def _name(entity: Json) -> str | None:
    """What an actor or a target is called, else its id."""
    found = (_stated(text(child(entity, name))) for name in ("alternateId", "displayName", "id"))
    return next(filter(None, found), None)


def _outcome(record: Record, access: str) -> str | None:
    result = first_text(record, ("outcome.result",)) or ""
    if result != "FAILURE":
        return _RESULTS.get(result)
    why = first_text(record, ("outcome.reason",)) or ""
    refused = why.lower() in outcomes.denied("okta") or (access == "auth" and not why)
    return "denied" if refused else outcomes.of_text(why)


mapper: Final = partial(FieldMapper, "okta", read)
