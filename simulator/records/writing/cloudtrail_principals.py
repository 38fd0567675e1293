"""Who acts, in CloudTrail: the role, user, service or subject of a token that an identity is, and its sessions.

The identities of an imported log that are principals of AWS already keep their kind, account and name.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, NamedTuple

import msgspec

from scopedrift.simulator.log.events import MINUTE, Event
from scopedrift.simulator.records.identities import arn_facts
from scopedrift.simulator.records.json_paths import Json
from scopedrift.simulator.records.timestamps import iso_seconds
from scopedrift.simulator.records.writing.naming import ExportNames, remember, service_account

SERVICES: Final = ".amazonaws.com"
"""How the names of services end."""
_SESSIONS: Final = 4_096
"""Maximum sessions with a cached begin; the oldest then makes room, which costs at most a wrong begin."""


class Principal(NamedTuple):
    """Who acts."""

    text: str
    """`userIdentity`, as JSON."""
    role: tuple[str, str]
    """The account and the name of the role or user."""
    session: str
    """The name of the session."""
    arn: str | None = None
    subject: str | None = None
    """Whom a token is about, and who says so."""
    provider: str | None = None


def json_text(value: Json) -> str:
    """A value as JSON."""
    return msgspec.json.encode(value).decode()


def _calls(name: str | None) -> bool:
    """Whether it is the name of a service that calls."""
    return name is not None and name.endswith(SERVICES)


def _federation(identity: str) -> tuple[str, str]:
    """The provider and the subject that an identity has where its token is exchanged for a role."""
    namespace, name = service_account(identity)
    if namespace is None:
        return "token.actions.githubusercontent.com", name
    return f"oidc.{identity.removeprefix('spiffe://').partition('/')[0]}", f"system:serviceaccount:{namespace}:{name}"


class Principals:
    """Turns the identities, tasks and credentials of events into principals."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names
        self._known: dict[Hashable, Principal] = {}
        self._roles: dict[str, tuple[str, str]] = {}
        self._began: dict[str, str] = {}

    def role(self, identity: str | None) -> tuple[str, str]:
        """Account number and name of the role or user that an identity is."""
        if identity is None:
            return self._names.account(None), ""
        known = self._roles.get(identity)
        if known is None:
            namespace, name = service_account(identity)
            base = f"{namespace}-{name}" if namespace else name.rpartition("/")[2]
            own = arn_facts(identity).get("account")
            known = own or self._names.account(namespace or identity), self._names.named("role", identity, base)
            self._roles[identity] = known
        return known

    def _session(self, event: Event) -> str:
        """The session's name: the workload's, with the task as the number that a runtime appends."""
        workload = self._names.named("workload", event.workload or "", event.workload or "session", limit=40)
        return f"{workload}-{event.task}" if event.task else workload

    def of(self, event: Event) -> Principal:
        """Who acts."""
        exchange = event.operation == "AssumeRoleWithWebIdentity"
        identity, kind = event.identity, event.credential_kind
        key = (
            identity, event.workload, event.task, exchange, event.credential, kind == "static-key",
            event.on_behalf_of, event.source if identity is None or _calls(event.source) else None,
        )  # fmt: skip
        known = self._known.get(key)
        return known or remember(self._known, key, self._principal(event, self.role(identity), self._session(event)))

    def _principal(self, event: Event, role: tuple[str, str], session: str) -> Principal:
        names, (account, name) = self._names, role
        entity = arn_facts(event.identity).get("entity")
        if event.identity is None or _calls(event.identity):
            who = {"type": "AWSService", "invokedBy": event.identity or event.source or "AWS Internal"}
            return Principal(json_text(who), role, session)
        if entity == "root":
            key = {"accessKeyId": names.key_id("ASIA", event.credential)} if event.credential else {}
            who = {"type": "Root", "principalId": account, "arn": event.identity, "accountId": account}
            return Principal(json_text(who | key), role, session, event.identity)
        if event.credential_kind == "static-key" or entity == "user":
            who = {
                "type": "IAMUser",
                "principalId": names.key_id("AIDA", name),
                "arn": f"arn:aws:iam::{account}:user/{name}",
                "accountId": account,
                "userName": name,
            }
            prefix = "AKIA" if event.credential_kind == "static-key" else "ASIA"
            key = {"accessKeyId": names.key_id(prefix, event.credential)} if event.credential else {}
            return Principal(json_text(who | key), role, session, who["arn"])
        if event.operation == "AssumeRoleWithWebIdentity":
            provider, subject = _federation(event.identity)
            who = {
                "type": "WebIdentityUser",
                "principalId": f"{provider}:sts.amazonaws.com:{subject}",
                "userName": subject,
                "identityProvider": provider,
            }
            return Principal(json_text(who), role, session, None, subject, provider)
        return self._assumed(event, role, session)

    def _assumed(self, event: Event, role: tuple[str, str], session: str) -> Principal:
        """A session of a role, made of texts: there are many."""
        names, (account, name) = self._names, role
        key = names.once("ASIA", event.credential, session) if event.credential else None  # a key is one session
        began = self._begin(key or session, event.time)
        behalf, used = "", f'"accessKeyId":"{key}",' if key else ""
        if event.on_behalf_of:
            base = "-".join(part for part in service_account(event.on_behalf_of) if part)
            behalf = f',"sourceIdentity":"{names.named("behalf", event.on_behalf_of, base)}"'
        through = f',"invokedBy":"{event.source}"' if _calls(event.source) else ""
        principal = names.key_id("AROA", name)
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
        text = (
            f'{{"type":"AssumedRole","principalId":"{principal}:{session}","arn":"{arn}","accountId":"{account}",{used}'
            f'"sessionContext":{{"sessionIssuer":{{"type":"Role","principalId":"{principal}",'
            f'"arn":"arn:aws:iam::{account}:role/{name}","accountId":"{account}","userName":"{name}"}},'
            f'"attributes":{{"creationDate":"{began}","mfaAuthenticated":"false"}}{behalf}}}{through}}}'
        )
        return Principal(text, role, session, arn)

    def _begin(self, key: str, time: int) -> str:
        """When a session began: up to a quarter of an hour before its first record (records may come out of order)."""
        began = self._began.get(key)
        if began is None:
            if len(self._began) >= _SESSIONS:
                del self._began[next(iter(self._began))]
            began = self._began[key] = iso_seconds(max(time - 16 * MINUTE - self._names.number(key) % MINUTE, 0))
        return began
