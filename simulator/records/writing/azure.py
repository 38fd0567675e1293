"""Events of the stream `cloud_audit` as Azure Activity Log entries, in the form of diagnostic logs.

An operation becomes the one of Azure Resource Manager that does the same (`azure.yaml`).  An identity is a service
principal, a project a subscription, the task the entry's correlation id, a credential the token's identifier.

Kept by an import: time, outcome, source (exactly); identity, project, task, and the credential of a session (one to
one); the image of what is created (exactly).
Renamed or narrowed: service and operation (several operations may be one, and access follows the operation); resource
(by its id in Azure); workload (the managed identity of a workload has its name).
An event without a task gets one of its own.
Lost: arrived, task_kind, on_behalf_of, bytes, static keys (Azure Resource Manager knows only tokens).
"""

from __future__ import annotations

from typing import Final

from scopedrift.simulator.log.events import HOUR, Event
from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import iso_nanoseconds, iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames, service_account, telling
from scopedrift.simulator.records.writing.template import fill

CLAIMS: Final = "http://schemas.microsoft.com/identity/claims/"
ISSUER: Final = "https://sts.windows.net/{}/"
FAILED: Final = ("Conflict", "NotFound", "InternalServerError", "TooManyRequests")


class AzureWriter:
    """Turns events into Activity Log entries."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names
        self._operations = load_data(__package__, "azure.yaml", dict[str, tuple[str, str]])

    def file(self, event: Event) -> str:
        """Where the record is written: one blob a subscription and hour."""
        hour = iso_seconds(event.arrived // HOUR * HOUR)
        day, place = hour[:10].split("-"), self._names.uuid("subscription", event.project)
        path = f"SUBSCRIPTIONS/{place.upper()}/y={day[0]}/m={day[1]}/d={day[2]}/h={hour[11:13]}/m=00/PT1H.json.gz"
        return f"insights-activity-logs/resourceId=/{path}"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return self._names.uuid("event", number)

    def record(self, event: Event, number: int) -> Record | None:
        """The entry of the event at position `number`; None for what the Activity Log does not have."""
        listed = self._operations.get(f"{event.service}.{event.operation}")
        if listed is None:
            return None
        names, (operation, path) = self._names, listed
        resource = self._resource(event, path)
        claims = self._claims(event)
        principal = claims.get(f"{CLAIMS}objectidentifier")
        status, code = self._status(event, number, created=event.access == "create")
        record: dict[str, Json] = {
            "time": iso_nanoseconds(event.time, 0)[:-3] + "Z",
            "resourceId": resource.upper(),
            "operationName": operation.upper(),
            "category": "Administrative",
            "resultType": status,
            "resultSignature": f"{status}.{code}" if code else status,
            "durationMs": str(20 + names.number("took", number) % 900),
            "callerIpAddress": event.source,
            "correlationId": names.uuid("task", event.task) if event.task else names.uuid("call", number),
            "identity": {
                "authorization": {
                    "scope": resource,
                    "action": operation,
                    "evidence": {"role": "Contributor", "principalId": principal, "principalType": "ServicePrincipal"},
                },
                "claims": claims,
            },
            "level": "Error" if status == "Failure" else "Information",
            "properties": {
                "eventCategory": "Administrative",
                "eventDataId": self.identifier(number),
                "operationId": names.uuid("operation", number),
                "entity": resource,
                "message": operation,
                "hierarchy": names.uuid("tenant"),
                "statusCode": code,
            },
        }
        if event.image:
            record["properties"] |= {"requestbody": _body(event.image)}  # type: ignore[operator]
        return {key: value for key, value in record.items() if value is not None}

    def _resource(self, event: Event, path: str) -> str:
        names, resource = self._names, event.resource
        subscription = names.uuid("subscription", event.project)
        named = names.named("resource", resource, telling(resource)) if resource else "default"
        below = str(fill(path.lstrip("/"), {"name": named, "id": names.uuid("resource", resource)}))
        if path.startswith("/"):
            return f"/subscriptions/{subscription}/providers/{below}"
        group = names.label("group", event.project or "", event.project or "shared")
        return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{below}"

    def _claims(self, event: Event) -> dict[str, Json]:
        """What the token of a service principal claims."""
        names = self._names
        tenant = names.uuid("tenant")
        claims: dict[str, Json] = {
            "aud": "https://management.azure.com/",
            "iss": ISSUER.format(tenant),
            "appidacr": "1" if event.credential_kind == "static-key" else "2",
            "idtyp": "app",
            f"{CLAIMS}tenantid": tenant,
            "ver": "1.0",
        }
        if event.identity:
            claims["appid"] = names.uuid("application", event.identity)
            claims[f"{CLAIMS}objectidentifier"] = names.uuid("principal", event.identity)
        if event.credential and event.credential_kind != "static-key":
            claims["uti"] = names.digest("token", event.credential).hex()[:22]
        if event.workload and event.credential_kind != "static-key":
            namespace, _ = service_account(event.identity or "")
            place = f"/subscriptions/{names.uuid('subscription', namespace)}/resourcegroups/identities/providers"
            owner = names.named("workload", event.workload)
            claims["xms_mirid"] = f"{place}/Microsoft.ManagedIdentity/userAssignedIdentities/{owner}"
        return claims

    def _status(self, event: Event, number: int, created: bool) -> tuple[str, str]:
        if event.outcome == "denied":
            return "Failure", "Forbidden"
        if event.outcome == "error":
            return "Failure", FAILED[self._names.number("error", number) % len(FAILED)]
        return "Success", "Created" if created else "OK"


def _body(image: str) -> Record:
    """The request of what runs an image."""
    return {"properties": {"template": {"containers": [{"name": "main", "image": image}]}}}


writer: Final = AzureWriter
