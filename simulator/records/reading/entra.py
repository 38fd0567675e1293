"""Microsoft Entra sign-in and audit logs to events, as diagnostic logs, Log Analytics and Microsoft Graph give them.

Who: the service principal or managed identity by its object id, a person by the user principal name.  A sign-in is an
event of the stream `issuance` at the resource that the token is for; its credential is the client's secret or
certificate, the federated credential of workload identity federation, else the token that was given out.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.identities import resolve
from scopedrift.simulator.records.json_paths import Record, at, decoded, first, first_text, text
from scopedrift.simulator.records.reading.field_mapper import FieldMapper, Fields
from scopedrift.simulator.records.reading.microsoft import body, tenant

SIGN_IN: Final = "Sign-in activity"
_KEYS: Final = ("servicePrincipalCredentialKeyId", "servicePrincipalCredentialThumbprint")
_NONE: Final = "00000000-0000-0000-0000-000000000000"


def read(record: Record) -> Fields | None:
    """The fields of one sign-in or one change of the directory."""
    entry = body(record)
    named = first_text(entry, ("activityDisplayName",))
    fields = _change(entry, named) if named else _sign_in(entry)
    return {
        "id": first_text(entry, ("id",)),
        "time": first_text(entry, ("activityDateTime", "createdDateTime", "time", "timeGenerated")),
        "project": tenant(entry),
        "service": "entra",
        **fields,
    }


def _sign_in(entry: Record) -> Fields:
    key = _known(entry, *_KEYS)
    federated = _known(entry, "federatedCredentialId")
    principal = _known(entry, "servicePrincipalId")
    facts = {"object": principal, "application": _known(entry, "appId")}
    if principal is None and (person := first_text(entry, ("userPrincipalName",)) or _known(entry, "userId")):
        facts = {"email": person}
    code = first_text({"code": at(decoded(entry.get("status")), "errorCode"), **entry}, ("code", "resultType"))
    return {
        "stream": "issuance",
        "identity": resolve(facts).identity,
        "credential": key or federated or first_text(entry, ("uniqueTokenIdentifier",)),
        "credential_kind": "static-key" if key else "session",
        "workload": first_text(entry, ("servicePrincipalName",)) if principal else None,
        "operation": SIGN_IN,
        "access": "auth",
        "resource": first_text(entry, ("resourceDisplayName", "resourceIdentity", "resourceId")),
        "source": first_text(entry, ("ipAddress", "iPAddress", "IPAddress", "callerIpAddress")),
        "outcome": outcomes.of_sign_in(code),
    }


def _change(entry: Record, operation: str) -> Fields:
    by, target = decoded(entry.get("initiatedBy")), first(decoded(entry.get("targetResources")))
    person = first_text(by, ("user.userPrincipalName", "user.id"))
    facts = {"email": person}
    if person is None:
        application = text(at(by, "app.appId"))
        facts = {"object": text(at(by, "app.servicePrincipalId")), "application": application}
        facts["user_name"] = text(at(by, "app.displayName"))
    access, listed = access_of("entra", operation.replace(" ", "_"))
    result, why = first_text(entry, ("result",)), first_text(entry, ("resultReason", "resultDescription")) or ""
    return {
        "stream": "cloud_audit",
        "identity": resolve(facts).identity,
        "workload": text(at(by, "app.displayName")) if person is None else None,
        "operation": operation,
        "access": access,
        "listed": listed,
        "resource": first_text(target, ("displayName", "userPrincipalName", "id")),
        "source": first_text(by, ("user.ipAddress", "app.ipAddress")) or first_text(entry, ("callerIpAddress",)),
        "outcome": {"success": "success", "failure": outcomes.of_text(why)}.get((result or "success").lower()),
    }


def _known(entry: Record, *names: str) -> str | None:
    found = first_text(entry, names)
    return None if found == _NONE else found


mapper: Final = partial(FieldMapper, "entra", read)
