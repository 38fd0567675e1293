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
A world has no calls of services or of the root user; those of an imported log stay what they were.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Hashable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from scopedrift.simulator.log.events import HOUR, MINUTE, SECOND, Event
from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import EPOCH, iso_seconds
from scopedrift.simulator.records.writing.cloudtrail_principals import SERVICES, Principal, Principals, json_text
from scopedrift.simulator.records.writing.naming import MEMO, ExportNames, letters, remember, telling, uuid_text
from scopedrift.simulator.records.writing.template import fill

_READ_AUTH: Final = ("Get", "AssumeRole", "BatchGet", "Decrypt")
_MAKES: Final = frozenset(
    {"CreateUser", "CreateAccessKey", "CreateRole", "AttachUserPolicy", "AttachRolePolicy", "CreateStack"}
)
"""Operations whose request names something that the log does not."""
_FRESH: Final = {"user_id": "AIDA", "key_id": "AKIA", "new_role_id": "AROA"}
"""How the ids of what a call makes begin."""
_PRIVATE: Final = re.compile(r"10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|f[cd][0-9a-f]{2}:")
_BUCKET: Final = re.compile(r"(?:s3://|arn:[\w-]+:s3:::)([^/]+)/?(.*)", re.DOTALL)


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
    event_types: dict[str, str]
    arns: dict[str, Listed]
    operations: dict[str, dict[str, dict[str, Any]]]
    user_agents: list[str]


class EqualCalls(NamedTuple):
    """What records of equal calls share, as JSON texts between those that differ."""

    head: str
    """From the service to the region."""
    request: str
    """The parameters of the request."""
    returns: bool
    """Whether one that succeeds returns something."""
    tail: str
    """From whether it reads to the recipient."""
    endpoint: str
    """The endpoint in the network of the caller, which a private address came through."""
    category: str
    tls: str
    """What is said of the connection."""
    values: _CallValues
    """What its request and its response are filled in with."""


def _inner(fields: Record) -> str:
    return json_text(fields)[1:-1]


@lru_cache(MEMO)
def _private(source: str) -> bool:
    return _PRIVATE.match(source) is not None


class _CallValues(dict[str, str | None]):
    """What a request is filled in with; what few requests need is made when it is asked for."""

    def __init__(self, names: ExportNames, event: Event, role: tuple[str, str], session: str) -> None:
        super().__init__(
            resource=event.resource,
            image=event.image,
            session=session[:64],
            own_role=f"arn:aws:iam::{role[0]}:role/{role[1]}",
            account=names.account(event.project),
            region=names.region(event.project),
        )
        self._names = names
        self._place = _object(names, event)

    def __missing__(self, field: str) -> str | None:
        made = self[field] = self._made(field, self["resource"] or "", self["image"])
        return made

    def _made(self, field: str, resource: str, image: str | None) -> str | None:
        names = self._names
        match field:
            case "name":
                return names.named("resource", resource, telling(resource)) if resource else None
            case "bucket" | "key":
                return self._place[field == "key"] or None
            case "database" | "table":
                return resource.partition(".")[0 if field == "database" else 2] or None
            case "role_arn":
                return resource if ":role/" in resource else None
            case "tag":
                return image.rpartition(":")[2] if image else None
            case "ami":
                return f"ami-0{names.digest('ami', image).hex()[:16]}" if image else None
            case "instance":
                return f"i-0{names.digest('instance', self['resource']).hex()[:16]}"
            case "uuid":
                return names.uuid("of", self["resource"])
        raise KeyError(field)


def _object(names: ExportNames, event: Event) -> tuple[str, str]:
    """The bucket and the object that an event is about: S3 has what is named in another way as an object, too."""
    resource = event.resource or ""
    if found := _BUCKET.match(resource):
        return found[1], found[2]
    if event.service != "s3" or not resource:
        return "", ""
    kind, _, place = resource.partition("/")
    return names.label("bucket", place or kind), kind if place else "data"


class _Returned(dict[str, str | None]):
    """What a response is filled in with, made when it is asked for."""

    def __init__(self, names: ExportNames, time: int, number: int, who: Principal, call: _CallValues) -> None:
        super().__init__(subject=who.subject, provider=who.provider)
        self._names, self._time, self._number, self._call = names, time, number, call

    def __missing__(self, field: str) -> str | None:
        names, number, call = self._names, self._number, self._call
        role = call["role_arn"] or call["own_role"] or ""
        match field:
            case "issued":
                return names.once("ASIA", "issued", number)
            case "expires":
                return _shown(self._time + HOUR)
            case "now":
                return _shown(self._time)
            case "role_id":
                return names.key_id("AROA", role)
            case "session_arn":
                return f"{role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/{call['session']}"
            case "reservation":
                return f"r-0{names.digest('reservation', number).hex()[:16]}"
            case "user_id" | "key_id" | "new_role_id":
                return names.once(_FRESH[field], "fresh", number)
        return call[field]


def _shown(time: int) -> str:
    """A time as CloudTrail writes those that services return."""
    minute, half = _clock(time // MINUTE)
    return f"{minute}:{time // SECOND % 60:02} {half}"


def _event_id(digits: str) -> str:
    """The id of a record, from the hexadecimal digits of its event's block."""
    return uuid_text(digits[32:64])


@lru_cache(4_096)
def _clock(minutes: int) -> tuple[str, str]:
    moment = EPOCH + timedelta(minutes=minutes)
    return moment.strftime("%b %d, %Y, %I:%M"), moment.strftime("%p")


class CloudTrailWriter:
    """Turns events into CloudTrail records."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names
        self._data: Shapes = load_data(__package__, "cloudtrail.yaml", Shapes)
        self._agent = lru_cache(MEMO)(self._agent_of)
        self._files: dict[tuple[str | None, int], str] = {}
        self._calls: dict[Hashable, EqualCalls] = {}
        self._principals = Principals(names)
        self._of_session = {
            (service, name)
            for service, shapes in self._data.operations.items()
            for name, shape in shapes.items()
            if "{session}" in str(shape)
        }

    def file(self, event: Event) -> str:
        """Where the record is delivered: one file an account and hour."""
        place = (event.project, event.arrived // HOUR)
        return self._files.get(place) or remember(self._files, place, self._file(*place))

    def _file(self, project: str | None, hours: int) -> str:
        account, hour, region = self._names.account(project), iso_seconds(hours * HOUR), self._names.region(project)
        unique = self._names.key_id("", account, hour)[:16]
        day, stamp = hour[:10].replace("-", "/"), hour[:16].replace("-", "").replace(":", "")
        return f"AWSLogs/{account}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{stamp}Z_{unique}.json.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return _event_id(self._names.block("event", number).hex())

    def record(self, event: Event, number: int) -> Record:
        """The record of the event at position `number`."""
        made: Record = msgspec.json.decode(self.text(event, number))
        return made

    def text(self, event: Event, number: int) -> bytes:
        """The JSON text of the record of the event at position `number`: the texts of its parts, joined."""
        random = self._names.block("event", number)
        who = self._principals.of(event)
        call = self._call(event, who, random)
        digits, source, s3 = random.hex(), event.source, event.service == "s3"
        request = letters(random[32:48]) if s3 else uuid_text(digits[64:96])
        failed, returned, origin, endpoint, added, tls = "", "null", "", "", "", call.tls
        if event.outcome == "success" or event.outcome is None:
            if call.returns:
                returned = self._returned(event, number, call.values, request, who)
        else:
            failed = self._error(event, random, number, call.values, who)
        agent = self._agent(event.workload or event.identity, s3)
        if source is not None:
            origin = f',"sourceIPAddress":{json_text(source)}'
            if source.endswith(SERVICES):
                agent, tls = json_text(source), ""  # services call each other without a host to name
            elif _private(source):
                endpoint = call.endpoint
        if s3:
            added = self._additional(event, number)
        return (
            f'{{"eventVersion":"1.09","userIdentity":{who.text},"eventTime":"{iso_seconds(event.time)}",{call.head}'
            f'{origin},"userAgent":{agent}{failed},"requestParameters":{call.request},"responseElements":{returned}'
            f'{added},"requestID":"{request}","eventID":"{_event_id(digits)}",{call.tail}{endpoint}{call.category}{tls}}}'
        ).encode()

    def _call(self, event: Event, who: Principal, random: bytes) -> EqualCalls:
        """What equal calls share, from a cache."""
        service, operation = event.service or "unknown", event.operation or "Unknown"
        session = who.session if (service, operation) in self._of_session else None
        key = (service, operation, event.resource, event.image, event.project, who.role, session, event.access)
        if operation in _MAKES:
            return self._made(event, who, random)
        return self._calls.get(key) or remember(self._calls, key, self._made(event, who, random))

    def _made(self, event: Event, who: Principal, random: bytes) -> EqualCalls:
        data, service, operation = self._data, event.service or "unknown", event.operation or "Unknown"
        values = _CallValues(self._names, event, who.role, who.session)
        if operation in _MAKES:
            values["fresh"] = f"svc-{random[:3].hex()}"
        shape = data.operations.get(service, {}).get(operation)
        parameters = fill(shape, values) or None
        resources = None if shape is None else self._resources(service, operation, values)
        management = operation not in data.data_events.get(service, ())
        reads = event.access == "read" or (event.access == "auth" and operation.startswith(_READ_AUTH))
        host = parameters.get("Host") if isinstance(parameters, dict) else None
        head = {
            "eventSource": f"{service}.amazonaws.com",
            "eventName": data.names.get(service, {}).get(operation, operation),
            "awsRegion": values["region"],
        }
        tail: dict[str, Json] = {"readOnly": reads, **({"resources": resources} if resources else {})} | {
            "eventType": data.event_types.get(service, "AwsApiCall"),
            "managementEvent": management,
            "recipientAccountId": values["account"],
        }
        category = f',"eventCategory":"{"Management" if management else "Data"}"'
        tls: dict[str, Json] = {
            "tlsDetails": {
                "tlsVersion": "TLSv1.3",
                "cipherSuite": "TLS_AES_128_GCM_SHA256",
                "clientProvidedHostHeader": host or f"{service}.{values['region']}.amazonaws.com",
            },
        }
        endpoint = f"vpce-0{self._names.digest('endpoint', values['account'], service).hex()[:16]}"
        return EqualCalls(
            head=_inner(head),
            request=json_text(parameters),
            returns=operation in data.responses.get(service, ()),
            tail=_inner(tail),
            endpoint=f',"vpcEndpointId":"{endpoint}"',
            category=category,
            tls=f",{_inner(tls)}",
            values=values,
        )

    def _resources(self, service: str, operation: str, values: _CallValues) -> list[Record] | None:
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

    def _error(self, event: Event, random: bytes, number: int, values: _CallValues, who: Principal) -> str:
        """The fields of a call that failed."""
        settings = self._data.services.get(event.service or "", self._data.default)
        if event.outcome == "denied":
            action = f"{event.service}:{event.operation}"
            code, message = (
                settings.denied,
                (
                    f"User: {who.arn or values['own_role']} is not authorized to perform: {action} "
                    f"because no identity-based policy allows the {action} action"
                ),
            )
        else:
            code = settings.errors[int.from_bytes(random[48:56]) % len(settings.errors)]
            known = {name: values[name] for name in ("account", "instance")}
            known |= {"fresh": values.get("fresh") or f"svc-{number}", "name": values["name"] or "-"}
            message = str(fill(self._data.messages[code], known))
        return f',"errorCode":{json_text(code)},"errorMessage":{json_text(message)}'

    def _returned(self, event: Event, number: int, call: _CallValues, request: str, who: Principal) -> str:
        """What a call that succeeded returned, as far as CloudTrail shows it."""
        shape = self._data.responses[event.service or ""][event.operation or ""]
        values = _Returned(self._names, event.time, number, who, call)
        values["request"] = request
        return json_text(fill(shape, values))

    def _additional(self, event: Event, number: int) -> str:
        """What S3 adds."""
        size = event.bytes or 0
        sent, received = (size, 0) if event.access in ("write", "create") else (0, size)
        trace = b64encode(self._names.block("id-2", number)[:48]).decode()
        return (
            ',"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"TLS_AES_128_GCM_SHA256",'
            f'"bytesTransferredIn":{sent},"AuthenticationMethod":"AuthHeader","x-amz-id-2":"{trace}",'
            f'"bytesTransferredOut":{received}}}'
        )

    def _agent_of(self, workload: str | None, bracketed: bool) -> str:
        """The software that a workload calls with: the same for all its records; S3 writes it in brackets."""
        agents = self._data.user_agents
        agent = agents[self._names.number("agent", workload) % len(agents)]
        return json_text(f"[{agent}]" if bracketed else agent)


writer: Final = CloudTrailWriter
