"""Events of the stream `issuance`, and those that exchange a token or change the directory, as Entra logs.

Getting a token is a sign-in.  For an access token, or in exchange for a role, a service principal signs in by workload
identity federation, or with a client secret (static keys); for an SVID a managed identity does.  New users and keys are
changes of the directory.  All come as diagnostic logs.

Kept by an import: time, outcome, source (exactly; an error stays one); identity, and the credential of sign-ins (one to
one); that a key is static.
Renamed or narrowed: service, operation and stream (every sign-in is one operation, of `issuance`), resource (the name
of what the token is for, or of what is changed).
Lost: arrived, task, task_kind, on_behalf_of, project (a tenant has them all), image, bytes.
"""

from __future__ import annotations

from typing import Final

from scopedrift.simulator.log.events import HOUR, Event
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import iso_nanoseconds, iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames, telling

MANAGED, FEDERATED, AUDIT = "ManagedIdentitySignInLogs", "ServicePrincipalSignInLogs", "AuditLogs"
SIGN_INS: Final = {
    "spire.FetchX509SVID": MANAGED,
    "spire.FetchJWTSVID": MANAGED,
    "oauth.IssueAccessToken": FEDERATED,
    "oauth.ExchangeToken": FEDERATED,
    "sts.AssumeRoleWithWebIdentity": FEDERATED,
}
CHANGES: Final = {
    "iam.CreateUser": ("Add service principal", "ApplicationManagement", "Add"),
    "iam.CreateAccessKey": ("Add service principal credentials", "ApplicationManagement", "Update"),
    "iam.AttachUserPolicy": ("Add app role assignment to service principal", "ApplicationManagement", "Assign"),
    "iam.CreateRole": ("Add application", "ApplicationManagement", "Add"),
}
NO_MATCH, BAD_SECRET, UNAVAILABLE = 700213, 7000215, 90033
"""AADSTS codes: no federated credential matches, the secret is wrong, the service is not there."""
DIRECTORY: Final = "Directory_"
"""How the ids of audit entries begin."""
_NO_ID: Final = "00000000-0000-0000-0000-000000000000"


class EntraWriter:
    """Turns events into entries of the sign-in and audit logs."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names
        self._tenant = names.uuid("tenant")

    def file(self, event: Event) -> str:
        """Where the record is written: one blob a category and hour."""
        hour = iso_seconds(event.arrived // HOUR * HOUR)
        day = hour[:10].split("-")
        kind = SIGN_INS.get(f"{event.service}.{event.operation}", AUDIT).lower()
        path = f"tenantId={self._tenant}/y={day[0]}/m={day[1]}/d={day[2]}/h={hour[11:13]}/m=00/PT1H.json.gz"
        return f"insights-logs-{kind}/{path}"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`; audit entries have a word before it."""
        return self._names.uuid("event", number)

    def record(self, event: Event, number: int) -> Record | None:
        """The entry of the event at position `number`; None for what is no sign-in and changes no directory."""
        asked = f"{event.service}.{event.operation}"
        if asked in SIGN_INS:
            inner, code = self._sign_in(event, number, SIGN_INS[asked])
            named, category = "Sign-in activity", SIGN_INS[asked]
        elif asked in CHANGES:
            inner, code = self._change(event, number, *CHANGES[asked]), ""
            named, category = CHANGES[asked][0], AUDIT
        else:
            return None
        record: dict[str, Json] = {
            "time": _moment(event.time) + "Z",
            "resourceId": f"/tenants/{self._tenant}/providers/Microsoft.aadiam",
            "operationName": named,
            "operationVersion": "1.0",
            "category": category,
            "tenantId": self._tenant,
            "resultType": code or None,
            "resultSignature": "None",
            "durationMs": 0,
            "callerIpAddress": event.source,
            "correlationId": self._names.uuid("call", number),
            "Level": 4,
            "properties": inner,
        }
        return {key: value for key, value in record.items() if value is not None}

    def _sign_in(self, event: Event, number: int, category: str) -> tuple[Record, str]:
        names, static = self._names, event.credential_kind == "static-key"
        code = 0 if event.outcome in ("success", None) else UNAVAILABLE if event.outcome == "error" else None
        code = (BAD_SECRET if static else NO_MATCH) if code is None else code
        credential = names.uuid("credential", event.credential) if event.credential else None
        federated = category == FEDERATED and not static
        named = (
            names.named("resource", event.resource, telling(event.resource)) if event.resource else "Microsoft Graph"
        )
        inner: dict[str, Json] = {
            "id": self.identifier(number),
            "createdDateTime": _moment(event.time) + "+00:00",
            "userId": "",
            "appId": names.uuid("application", event.identity) if event.identity else _NO_ID,
            "ipAddress": event.source or "",
            "status": {"errorCode": code},
            "correlationId": names.uuid("call", number),
            "conditionalAccessStatus": "notApplied",
            "isInteractive": False,
            "tokenIssuerType": "AzureAD",
            "resourceDisplayName": named,
            "resourceId": names.uuid("audience", event.resource),
            "resourceTenantId": self._tenant,
            "servicePrincipalName": event.workload or "",
            "servicePrincipalId": names.uuid("principal", event.identity) if event.identity else _NO_ID,
            "clientCredentialType": "federatedIdentityCredential"
            if federated
            else "clientSecret"
            if static
            else "none",
            "federatedCredentialId": credential if federated else None,
            "servicePrincipalCredentialKeyId": credential if static else None,
            "uniqueTokenIdentifier": credential
            if not federated and not static
            else names.digest("token", number).hex(),
            "incomingTokenType": "none",
            "authenticationProtocol": "none",
        }
        return {key: value for key, value in inner.items() if value is not None}, str(code)

    def _change(self, event: Event, number: int, named: str, category: str, kind: str) -> Record:
        names, failed = self._names, event.outcome in ("denied", "error")
        why = "Authorization_RequestDenied: not authorized" if event.outcome == "denied" else "Service unavailable"
        target = event.resource or f"svc-{names.digest('fresh', event.identity, number).hex()[:6]}"
        return {
            "id": f"{DIRECTORY}{self.identifier(number)}",
            "category": category,
            "correlationId": names.uuid("call", number),
            "result": "failure" if failed else "success",
            "resultReason": why if failed else "",
            "activityDisplayName": named,
            "activityDateTime": _moment(event.time) + "+00:00",
            "loggedByService": "Core Directory",
            "operationType": kind,
            "initiatedBy": {
                "app": {
                    "appId": None,
                    "displayName": event.workload,
                    "servicePrincipalId": names.uuid("principal", event.identity) if event.identity else None,
                    "servicePrincipalName": None,
                }
            },
            "targetResources": [
                {
                    "id": names.uuid("target", target),
                    "displayName": names.named("resource", target, telling(target)),
                    "type": "ServicePrincipal",
                    "modifiedProperties": [],
                }
            ],
            "additionalDetails": [],
        }


def _moment(time: int) -> str:
    """A time to the tenth of a microsecond, without its zone."""
    return iso_nanoseconds(time, 0)[:-3]


writer: Final = EntraWriter
