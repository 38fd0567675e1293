"""Events of the stream `cloud_audit` as CloudTrail records.

Who: an identity is a role, its task a session of the role (`workload-<task>`), each credential an access key id; an
identity with a static key is a user.  Request parameters come from `cloudtrail.yaml`; S3 and the other services that
list `resources` do so.  User agents are the workload's, error codes the service's.

Kept by an import: service, operation, access, outcome, source (exactly); time (to the second); identity, project,
workload, on_behalf_of (one to one with other names); credential (one key a credential and session, as AWS gives them
out); bytes (S3, the only service that records them).
Renamed or narrowed: the operations that CloudTrail calls otherwise (`names` in the data); who exchanges a token for a
role (by the token's issuer and subject); resource (by the request parameter that names it; calls on a whole account
have none, calls on a bucket name no object, Athena's name no table, unknown operations name nothing), image (where a
request has one: task definitions, Batch, training jobs).
Lost: arrived (a file is delivered, not a record), task_kind, whether a credential was an SVID or OAuth (all are
sessions); of a static key also workload, task and on_behalf_of.  A record without a task gets the session's, one
without an identity is a service's, one without an outcome a success.  Numbers of six digits and more in a workload's
name are read as generated ones.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Hashable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from scopedrift.simulator.log.events import HOUR, MINUTE, Event
from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.json_paths import Json, Record, text
from scopedrift.simulator.records.timestamps import EPOCH, iso_seconds
from scopedrift.simulator.records.writing.naming import (
    MEMO,
    ExportNames,
    letters,
    remember,
    service_account,
    telling,
    uuid_of,
)
from scopedrift.simulator.records.writing.template import fill

_READ_AUTH: Final = ("Get", "AssumeRole", "BatchGet", "Decrypt")
_MAKES: Final = frozenset(
    {"CreateUser", "CreateAccessKey", "CreateRole", "AttachUserPolicy", "AttachRolePolicy", "CreateStack"}
)
"""Operations whose request names something that the log does not."""
_RETURNED: Final = "%b %d, %Y, %I:%M:%S %p"
"""How CloudTrail writes the times that services return."""
_PRIVATE: Final = re.compile(r"10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.")
_SESSIONS: Final = 8_192
"""Maximum sessions with a cached begin; the cache is then emptied, which costs at most a wrong begin."""


class Service(msgspec.Struct, frozen=True):
    """A service's error codes."""

    denied: str
    errors: list[str]


class Listed(msgspec.Struct, frozen=True):
    """What `resources` lists of a service's calls."""

    type: str
    arn: str
    also: Listed | None = None


class Shapes(msgspec.Struct, frozen=True):
    """`cloudtrail.yaml`."""

    default: Service
    services: dict[str, Service]
    names: dict[str, dict[str, str]]
    messages: dict[str, str]
    responses: dict[str, dict[str, dict[str, Any]]]
    data_events: dict[str, list[str]]
    arns: dict[str, Listed]
    operations: dict[str, dict[str, dict[str, Any]]]
    user_agents: list[str]


def _federation(identity: str) -> tuple[str, str]:
    """The provider and the subject that an identity has where its token is exchanged for a role."""
    namespace, name = service_account(identity)
    if namespace is None:
        return "token.actions.githubusercontent.com", name
    return f"oidc.{identity.removeprefix('spiffe://').partition('/')[0]}", f"system:serviceaccount:{namespace}:{name}"


class CloudTrailWriter:
    """Turns events into CloudTrail records."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names
        self._data: Shapes = load_data(__package__, "cloudtrail.yaml", Shapes)
        self._agent = lru_cache(MEMO)(self._agent_of)
        self._of_network = lru_cache(MEMO)(self._network_endpoint)
        self._files: dict[tuple[str | None, int], str] = {}
        self._known: dict[Hashable, dict[str, str | None]] = {}
        self._requests: dict[Hashable, tuple[Json, list[Record] | None]] = {}
        self._principals: dict[Hashable, tuple[Record, tuple[str, str], str]] = {}
        self._of_session = {
            (service, name): "{session}" in str(shape)
            for service, shapes in self._data.operations.items()
            for name, shape in shapes.items()
        }
        self._began: dict[str, str] = {}

    def file(self, event: Event) -> str:
        """Where the record is delivered: one file an account and hour."""
        place = (event.project, event.arrived // HOUR)
        return self._files.get(place) or remember(self._files, place, self._file(*place))

    def _file(self, project: str | None, hours: int) -> str:
        account, hour, region = self._names.account(project), iso_seconds(hours * HOUR), self._names.region(project)
        unique = self._names.key_id("", account, hour)[:16]
        day, stamp = hour[:10].replace("-", "/"), hour[:16].replace("-", "").replace(":", "")
        return f"AWSLogs/{account}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{stamp}Z_{unique}.json.gz"

    def record(self, event: Event, number: int) -> Record:
        """The record of the event at position `number`."""
        data, random = self._data, self._names.block("event", number)
        service, operation = event.service or "unknown", event.operation or "Unknown"
        who, role, session = self._principal(event)
        values = {**self._fixed(event, role), "session": session[:64]}
        if operation in _MAKES:
            values["fresh"] = f"svc-{random[:3].hex()}"
        parameters, resources = self._request(event, service, operation, values)
        management = operation not in data.data_events.get(service, ())
        source = event.source
        error, message = self._error(event, random, {"fresh": f"svc-{number}", **values}, who)
        request = letters(random[32:48]) if service == "s3" else uuid_of(random[32:48])
        agent = self._agent(event.workload or event.identity)
        if source is not None and source.endswith(".amazonaws.com"):
            agent = source
        elif service == "s3":
            agent = f"[{agent}]"
        host = parameters.get("Host") if isinstance(parameters, dict) else None
        reads = event.access == "read" or (event.access == "auth" and operation.startswith(_READ_AUTH))
        record: dict[str, Json] = {
            "eventVersion": "1.09",
            "userIdentity": who,
            "eventTime": iso_seconds(event.time),
            "eventSource": f"{service}.amazonaws.com",
            "eventName": data.names.get(service, {}).get(operation, operation),
            "awsRegion": values["region"],
        }
        if source is not None:
            record["sourceIPAddress"] = source
        record["userAgent"] = agent
        if error:
            record |= {"errorCode": error, "errorMessage": message}
        record["requestParameters"] = parameters or None
        record["responseElements"] = None if error else self._returned(event, number, values, request, who)
        if service == "s3":
            record["additionalEventData"] = self._additional(event, number)
        record |= {"requestID": request, "eventID": uuid_of(random[16:32]), "readOnly": reads}
        if resources:
            record["resources"] = resources
        record |= {
            "eventType": "AwsApiCall",
            "managementEvent": management,
            "recipientAccountId": values["account"],
        }
        if source is not None and _PRIVATE.match(source):
            record["vpcEndpointId"] = self._of_network(values["account"], service)
        record["eventCategory"] = "Management" if management else "Data"
        record["tlsDetails"] = {
            "tlsVersion": "TLSv1.3",
            "cipherSuite": "TLS_AES_128_GCM_SHA256",
            "clientProvidedHostHeader": host or f"{service}.{values['region']}.amazonaws.com",
        }
        return record

    def _request(
        self, event: Event, service: str, operation: str, values: dict[str, str | None]
    ) -> tuple[Json, list[Record] | None]:
        """The parameters of a request, and what it lists as its resources; equal requests share them."""
        shape = self._data.operations.get(service, {}).get(operation)
        if shape is None:
            return None, None
        session = values["session"] if self._of_session[service, operation] else None
        key = (service, operation, event.resource, event.image, event.project, values["own_role"], session)
        made = None if operation in _MAKES else self._requests.get(key)
        if made is None:
            made = remember(self._requests, key, (fill(shape, values), self._resources(service, operation, values)))
        return made

    def _role(self, identity: str | None) -> tuple[str, str]:
        """Account number and name of the role or user that an identity is."""
        if identity is None:
            return self._names.account(None), ""
        namespace, name = service_account(identity)
        base = f"{namespace}-{name}" if namespace else name.rpartition("/")[2]
        return self._names.account(namespace or identity), self._names.named("role", identity, base)

    def _session(self, event: Event) -> str:
        """The session's name: the workload's, with the task as the number that a runtime appends."""
        workload = self._names.named("workload", event.workload or "", event.workload or "session", limit=40)
        return f"{workload}-{event.task}" if event.task else workload

    def _principal(self, event: Event) -> tuple[Record, tuple[str, str], str]:
        """Who acts, the account and the name of their role or user, and the name of the session."""
        exchange = event.operation == "AssumeRoleWithWebIdentity"
        held = (event.credential, event.credential_kind == "static-key", event.on_behalf_of)
        key = (event.identity, event.workload, event.task, exchange, held, None if event.identity else event.source)
        known = self._principals.get(key)
        if known is None:
            role, session = self._role(event.identity), self._session(event)
            known = remember(self._principals, key, (self._identity(event, role, session), role, session))
        return known

    def _identity(self, event: Event, role: tuple[str, str], session: str) -> Record:
        names, (account, name) = self._names, role
        if event.identity is None:
            return {"type": "AWSService", "invokedBy": event.source or "AWS Internal"}
        if event.credential_kind == "static-key":
            who = {
                "type": "IAMUser",
                "principalId": names.key_id("AIDA", name),
                "arn": f"arn:aws:iam::{account}:user/{name}",
                "accountId": account,
                "userName": name,
            }
            return who | ({"accessKeyId": names.key_id("AKIA", event.credential)} if event.credential else {})
        principal = names.key_id("AROA", name)
        if event.operation == "AssumeRoleWithWebIdentity":
            provider, subject = _federation(event.identity)
            return {
                "type": "WebIdentityUser",
                "principalId": f"{provider}:sts.amazonaws.com:{subject}",
                "userName": subject,
                "identityProvider": provider,
            }
        key = names.key_id("ASIA", event.credential, session) if event.credential else None  # a key is one session
        began = self._begin(key or session, event.time)
        context = {
            "sessionIssuer": {
                "type": "Role",
                "principalId": principal,
                "arn": f"arn:aws:iam::{account}:role/{name}",
                "accountId": account,
                "userName": name,
            },
            "attributes": {"creationDate": began, "mfaAuthenticated": "false"},
        }
        if event.on_behalf_of:
            base = "-".join(part for part in service_account(event.on_behalf_of) if part)
            context["sourceIdentity"] = names.named("behalf", event.on_behalf_of, base)  # type: ignore[assignment]
        who = {
            "type": "AssumedRole",
            "principalId": f"{principal}:{session}",
            "arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session}",
            "accountId": account,
        }
        if key:
            who["accessKeyId"] = key
        return {**who, "sessionContext": context}

    def _begin(self, key: str, time: int) -> str:
        """When a session began: up to a quarter of an hour before its first record (records may come out of order)."""
        began = self._began.get(key)
        if began is None:
            if len(self._began) >= _SESSIONS:
                self._began.clear()
            began = self._began[key] = iso_seconds(max(time - 16 * MINUTE - self._names.number(key) % MINUTE, 0))
        return began

    def _fixed(self, event: Event, role: tuple[str, str]) -> dict[str, str | None]:
        """Values for request parameters, except the session's; cached, because they repeat."""
        key = (event.resource, event.image, event.project, role)
        known = self._known.get(key)
        return remember(self._known, key, self._values(event, role)) if known is None else known

    def _values(self, event: Event, role: tuple[str, str]) -> dict[str, str | None]:
        names, resource, image = self._names, event.resource, event.image
        account = names.account(event.project)
        bucket = key = name = database = table = role_arn = None
        if resource:
            name = names.named("resource", resource, telling(resource))
            if resource.startswith("s3://"):
                bucket, _, key = resource.removeprefix("s3://").partition("/")
            elif resource.startswith("arn:aws:s3:::"):
                bucket, _, key = resource.removeprefix("arn:aws:s3:::").partition("/")
            elif ":role/" in resource:
                role_arn = resource
            database, _, table = resource.partition(".")
        return {
            "resource": resource,
            "name": name,
            "bucket": bucket or None,
            "key": key or None,
            "database": database or None,
            "table": table or None,
            "role_arn": role_arn,
            "own_role": f"arn:aws:iam::{role[0]}:role/{role[1]}",
            "image": image,
            "tag": image.rpartition(":")[2] if image else None,
            "ami": f"ami-0{names.digest('ami', image).hex()[:16]}" if image else None,
            "instance": f"i-0{names.digest('instance', resource).hex()[:16]}",
            "uuid": names.uuid("of", resource),
            "account": account,
            "region": names.region(event.project),
        }

    def _resources(self, service: str, operation: str, values: dict[str, str | None]) -> list[Record] | None:
        shape = self._data.arns.get(service)
        if shape is None or (service == "sts" and not operation.startswith("AssumeRole")):
            return None
        listed: list[Record] = []
        for one in (shape, shape.also):
            arn = fill(one.arn, values) if one else None
            if one and arn:
                whole = one.type == "AWS::S3::Object"
                owner = str(arn).split(":")[4] or values["account"]
                listed.append({"type": one.type, "ARN": arn} | ({} if whole else {"accountId": owner}))
        return listed or None

    def _error(
        self, event: Event, random: bytes, values: dict[str, str | None], who: Record
    ) -> tuple[str | None, str | None]:
        settings = self._data.services.get(event.service or "", self._data.default)
        if event.outcome == "denied":
            action = f"{event.service}:{event.operation}"
            return settings.denied, (
                f"User: {who.get('arn', values['own_role'])} is not authorized to perform: {action} "
                f"because no identity-based policy allows the {action} action"
            )
        if event.outcome != "error":
            return None, None
        code = settings.errors[int.from_bytes(random[48:56]) % len(settings.errors)]
        return code, str(fill(self._data.messages[code], {**values, "name": values["name"] or "-"}))

    def _returned(self, event: Event, number: int, values: dict[str, str | None], request: str, who: Record) -> Json:
        """What a call that succeeded returned, as far as CloudTrail shows it."""
        names = self._names
        shape = self._data.responses.get(event.service or "", {}).get(event.operation or "")
        if shape is None:
            return None
        role = values["role_arn"] or values["own_role"] or ""
        assumed = role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
        moment = EPOCH + timedelta(microseconds=event.time)
        more: dict[str, str | None] = {
            "request": request,
            "issued": names.key_id("ASIA", "issued", number),
            "expires": (moment + timedelta(hours=1)).strftime(_RETURNED),
            "now": moment.strftime(_RETURNED),
            "role_id": names.key_id("AROA", role),
            "session_arn": f"{assumed}/{values['session']}",
            "subject": text(who.get("userName")),
            "provider": text(who.get("identityProvider")),
        }
        if event.operation in _MAKES:
            more |= {
                "user_id": names.key_id("AIDA", "fresh", number),
                "key_id": names.key_id("AKIA", "fresh", number),
                "new_role_id": names.key_id("AROA", "fresh", number),
            }
        else:
            more["reservation"] = f"r-0{names.digest('reservation', number).hex()[:16]}"
        return fill(shape, {**values, **more})

    def _network_endpoint(self, account: str | None, service: str) -> str:
        """The endpoint in the network of the caller, which a private address came through."""
        return f"vpce-0{self._names.digest('endpoint', account, service).hex()[:16]}"

    def _additional(self, event: Event, number: int) -> Record:
        """What S3 adds."""
        size = event.bytes or 0
        upload = event.access in ("write", "create")
        return {
            "SignatureVersion": "SigV4",
            "CipherSuite": "TLS_AES_128_GCM_SHA256",
            "bytesTransferredIn": size if upload else 0,
            "AuthenticationMethod": "AuthHeader",
            "x-amz-id-2": b64encode(self._names.block("id-2", number)[:48]).decode(),
            "bytesTransferredOut": 0 if upload else size,
        }

    def _agent_of(self, workload: str | None) -> str:
        """The software that a workload calls with: the same for all its records."""
        agents = self._data.user_agents
        return agents[self._names.number("agent", workload) % len(agents)]


writer: Final = CloudTrailWriter
