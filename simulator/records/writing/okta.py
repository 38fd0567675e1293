"""Events that hand out tokens or change users as Okta System Log events.

An identity is a service application (`PublicClientApp`), known by its client id; a static key an API token.  An access
token is granted by a custom authorization server, which is its resource.

Kept by an import: time (to the millisecond), outcome, source, workload (exactly); identity, on_behalf_of of a grant,
and credential (one to one); that a key is static.
Renamed or narrowed: service and operation; resource (by its name; without one, the authorization server).
Lost: arrived, task (a machine has no session), task_kind, project, image, bytes.
"""

from __future__ import annotations

from base64 import b32encode
from typing import Final

from scopedrift.simulator.log.events import HOUR, Event
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import iso_microseconds, iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames, service_account, telling

GRANT: Final = "app.oauth2.as.token.grant.access_token"
EVENTS: Final = {
    "oauth.IssueAccessToken": GRANT,
    "oauth.ExchangeToken": GRANT,
    "spire.FetchJWTSVID": "app.oauth2.as.token.grant.id_token",
    "iam.CreateUser": "user.lifecycle.create",
    "iam.CreateAccessKey": "system.api_token.create",
    "iam.AttachUserPolicy": "user.account.privilege.grant",
    "iam.AttachRolePolicy": "group.privilege.grant",
}
WORDS: Final = {
    GRANT: "OAuth2 access token is granted",
    "app.oauth2.as.token.grant.id_token": "OAuth2 id token is granted",
    "user.lifecycle.create": "Create Okta user",
    "system.api_token.create": "Create API token",
    "user.account.privilege.grant": "Grant user privilege",
    "group.privilege.grant": "Grant group privilege",
}
_TYPES: Final = {
    "user.lifecycle.create": "User",
    "user.account.privilege.grant": "User",
    "group.privilege.grant": "UserGroup",
}


class OktaWriter:
    """Turns events into System Log events."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names

    def file(self, event: Event) -> str:
        """Where the record is written: one file an hour."""
        hour = iso_seconds(event.arrived // HOUR * HOUR)
        return f"okta/{hour[:10].replace('-', '/')}/{hour[11:13]}.jsonl.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return self._names.uuid("event", number)

    def record(self, event: Event, number: int) -> Record | None:
        """The record of the event at position `number`; None for what Okta has no event of."""
        kind = EVENTS.get(f"{event.service}.{event.operation}")
        if kind is None:
            return None
        names, static = self._names, event.credential_kind == "static-key"
        grant = ".grant." in kind and "oauth2" in kind
        request = names.digest("request", number).hex()[:27]
        detail = (
            {"requestApiTokenId": self._id("00T", "token", event.credential)} if static and event.credential else {}
        )
        result, reason = self._outcome(event, grant)
        published = iso_microseconds(event.time)[:-4] + "Z"
        client = self._id("0oa", "client", event.identity) if event.identity else None
        return {
            "actor": {
                "id": client,
                "type": "PublicClientApp",
                "alternateId": client,
                "displayName": event.workload,
                "detailEntry": None,
            },
            "client": {
                "userAgent": {
                    "rawUserAgent": "okta-sdk-python/2.9.8 python/3.11.8",
                    "os": "Unknown",
                    "browser": "UNKNOWN",
                },
                "zone": "null",
                "device": "Unknown",
                "id": client,
                "ipAddress": event.source,
            },
            "authenticationContext": {"authenticationStep": 0, "externalSessionId": "unknown"},
            "displayMessage": WORDS[kind],
            "eventType": kind,
            "outcome": {"result": result, "reason": reason},
            "published": published,
            "securityContext": {"asNumber": None, "asOrg": None, "isp": None, "domain": None, "isProxy": None},
            "severity": "INFO" if result == "SUCCESS" else "WARN",
            "debugContext": {"debugData": _debug(grant, request)},
            "legacyEventType": None,
            "transaction": {"type": "WEB", "id": request, "detail": detail},
            "uuid": self.identifier(number),
            "version": "0",
            "request": {"ipChain": [{"ip": event.source, "version": "V4", "source": None}] if event.source else []},
            "target": self._targets(event, number, kind, grant, static),
        }

    def _targets(self, event: Event, number: int, kind: str, grant: bool, static: bool) -> list[Json]:
        names, resource = self._names, event.resource
        targets: list[Json] = []
        if grant:
            token = kind.rpartition(".")[2]
            given = event.credential if event.credential and not static else None
            number_of = self._id("", token, given) if given else None
            hashed: Record = {"expires": 3600, "hash": names.digest("hash", number).hex()}
            if given:
                targets.append(
                    _target(token, number_of, "Access Token" if token == "access_token" else "ID Token", hashed)
                )
        if resource or not grant:
            named = resource or f"svc-{names.digest('fresh', number).hex()[:6]}"
            name = names.named("resource", named, telling(named))
            targets.append(_target(_TYPES.get(kind, "AuthorizationServer"), self._id("aus", "resource", named), name))
        if grant and event.on_behalf_of:
            base = "-".join(part for part in service_account(event.on_behalf_of) if part)
            person = f"{names.label('behalf', event.on_behalf_of, base)}@example.com"
            targets.append(_target("User", self._id("00u", "user", event.on_behalf_of), person))
        return targets

    def _outcome(self, event: Event, grant: bool) -> tuple[str, str | None]:
        if event.outcome == "denied":
            return "FAILURE", "no_matching_policy" if grant else "access_denied"
        if event.outcome == "error":
            return "FAILURE", "server_error"
        return "SUCCESS", None

    def _id(self, prefix: str, *parts: object) -> str:
        """An identifier as Okta makes them: a prefix, and letters and digits of some length."""
        return prefix + b32encode(self._names.digest(prefix, *parts)).decode().lower()[:17]


def _target(kind: str, number: str | None, name: str, detail: Record | None = None) -> Record:
    own = name if kind in ("User", "AuthorizationServer", "UserGroup") else None
    return {"id": number, "type": kind, "alternateId": own, "displayName": name, "detailEntry": detail}


def _debug(grant: bool, request: str) -> Record:
    url = "/oauth2/default/v1/token" if grant else "/api/v1/users"
    return {"requestId": request, "requestUri": url, "url": url} | (
        {"grantType": "client_credentials"} if grant else {}
    )


writer: Final = OktaWriter
