"""CloudTrail records to events.

Who: the role behind an assumed-role session, the user's ARN, or the AWS service that called (`invokedBy`).  The
session is the `task` (by its name where that ends in a UUID or the like, else by its begin as well); its name, without
the numbers, is the `workload`.  What: `eventSource` and `eventName`.  On what: the first ARN of `resources`, or the
request parameter that names the object.
Only the fields that events need are decoded, and what repeats (identities, operations) is remembered, since
an import should cost little more than parsing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from struct import Struct
from typing import Any, Final, TypeVar

import msgspec

from scopedrift.simulator.log.events import MISSING
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.json_paths import Json, Record, child, first, first_text, text
from scopedrift.simulator.records.reading.images import image_in
from scopedrift.simulator.records.reading.row_builder import MEMO, Packed, RowBuilder, opaque
from scopedrift.simulator.records.timestamps import SECONDS

DENIED: Final = re.compile(
    r"AccessDenied|Unauthorized|NotAuthorized|Forbidden|AuthFailure|AuthorizationError|InvalidClientTokenId"
    r"|SignatureDoesNotMatch|ExpiredToken|InvalidAccessKeyId|OptInRequired|Failed authentication|NoPermission",
    re.IGNORECASE,
)
_TARGETS: Final = """
    roleArn functionName secretId queueUrl topicArn streamName streamARN tableName modelId clusterName cluster
    dBInstanceIdentifier dBSnapshotIdentifier dBClusterIdentifier userName roleName groupName policyArn
    instanceProfileName keyId repositoryName logGroupName trailName trainingJobName endpointName
    notebookInstanceName modelName stateMachineArn family jobDefinition jobName projectName stackName instanceId
    target snapshotId volumeId groupId imageId routeTableId subnetId networkInterfaceId internetGatewayId vpcId
    documentName resourceArn resourceARN resourceId name arn instancesSet resourcesSet snapshotSet names instanceIds
    path
"""
TARGETS: Final = {name: rank for rank, name in enumerate(_TARGETS.split())}
"""Request parameters that name what a call is about, the most telling first."""
_OTHER_TARGET: Final = re.compile(r"(?<!token)(?<!version)(?<!session)(arn|name|id|identifier)$", re.IGNORECASE)
_GENERATED: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<![0-9a-z])(?=[0-9a-f]*\d)[0-9a-f]{16,}|\d{6,}", re.IGNORECASE
)
_INSTANCE: Final = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
_UNIQUE: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}$|-(?=[0-9a-f]*\d)[0-9a-f]{16}$", re.IGNORECASE)
"""The end of a session's name that makes it the only one of its name: a UUID or 64 random bits."""
_SHORTEST: Final = 16
"""Characters that are never enough for such an end."""
_FOREIGN_SESSION: Final = re.compile(r"(AROA[A-Z0-9]+):(.+)")
"""The principal that another account's session of a role is: the role's unique ID, and the session's name."""
_PERSON_ROLE: Final = "/aws-reserved/sso.amazonaws.com/"
_MEMO_BYTES: Final = 1_024
_ACTOR: Final = Struct("=7q").pack
_ACTION: Final = Struct("=3q").pack
_ROW: Final = Struct("=3q56s24s6q").pack
"""`table.packed` of a row of which the actor and the action are packed already."""
_value: Final = msgspec.json.Decoder().decode

K = TypeVar("K")
V = TypeVar("V")


class Extra(msgspec.Struct, gc=False):
    """`additionalEventData`, as far as it is used."""

    bytesTransferredOut: int | float | None = None
    bytesTransferredIn: int | float | None = None


class CloudTrailRecord(msgspec.Struct, gc=False):
    """A record, as far as it is used; bodies stay undecoded.  In the order of CloudTrail, which decodes fastest."""

    userIdentity: msgspec.Raw = msgspec.Raw(b"")
    eventTime: str | int | float | None = None
    eventSource: str | None = None
    eventName: str | None = None
    sourceIPAddress: str | None = None
    errorCode: str | None = None
    requestParameters: msgspec.Raw = msgspec.Raw(b"")
    responseElements: msgspec.Raw = msgspec.Raw(b"")
    additionalEventData: Extra | None = None
    readOnly: bool | str | None = None
    resources: msgspec.Raw = msgspec.Raw(b"")
    recipientAccountId: str | int | None = None
    indexed: str | int | float | None = msgspec.field(default=None, name="@timestamp")


class CloudTrailMapper:
    """Turns raw CloudTrail records into rows of one table."""

    name = "cloudtrail"
    shape = CloudTrailRecord

    def __init__(self, table: RowBuilder) -> None:
        self._codes = codes = table.codes
        self._times = table.times
        self._minutes = table.times.minutes
        self._decode = msgspec.json.Decoder(CloudTrailRecord).decode
        self._stream = codes["stream"]["cloud_audit"]
        self._when: object = object()
        self._time = 0
        self._actors: dict[bytes, tuple[bytes, str | None]] = {}
        self._actions: dict[Any, tuple[bytes, bool]] = {}
        self._targets: dict[Any, tuple[int, int]] = {}
        self._listed: dict[bytes, tuple[int, int]] = {}
        self._outcomes: dict[str | None, int] = {None: codes["outcome"]["success"]}
        self._project = codes["project"]
        self._source = codes["source"]
        self._resource = codes["resource"]
        self._image = codes["image"]

    def row(self, raw: bytes) -> Packed | None:
        """The row of one record; None if it is not CloudTrail.

        Raises `Unreadable` for a record without a usable time, msgspec's errors for one of unexpected shape.
        """
        record = self._decode(raw)
        name, service = record.eventName, record.eventSource
        if name is None or service is None:
            return None
        when = record.eventTime
        if when is None or when != self._when:  # neighbours are often of the same second
            try:
                self._time = self._minutes[when[:16]] + SECONDS[when[16:]]  # type: ignore[index]
            except (KeyError, TypeError):
                self._time = self._times[when if when is not None else record.indexed]
            self._when = when
        time = self._time
        who = bytes(record.userIdentity)
        actor = self._actors.get(who)
        if actor is None:
            actor = self._actor(who)
        act = (service, name, record.readOnly)
        action = self._actions.get(act)
        if action is None:
            action = self._action(service, name, record.readOnly)
        listed, may_run = bytes(record.resources), action[1]
        target = None if may_run or not listed else self._listed.get(listed)
        if target is None:  # the request says it
            on = (bytes(record.requestParameters), listed, may_run)
            target = self._targets.get(on)
            if target is None:
                target = self._target(on)
        outcome = self._outcomes.get(record.errorCode)
        if outcome is None:
            outcome = self._outcome(record.errorCode)
        if name == "ConsoleLogin" and b'"Failure"' in bytes(record.responseElements):
            outcome = self._codes["outcome"]["denied"]
        account = record.recipientAccountId
        extra = record.additionalEventData
        size = -1 if extra is None else _size(extra.bytesTransferredOut, extra.bytesTransferredIn)
        return _ROW(
            time,
            time,
            self._stream,
            actor[0],
            action[0],
            target[0],
            self._project[account if isinstance(account, str) else text(account) or actor[1]],
            target[1],
            self._source[record.sourceIPAddress],
            outcome,
            size,
        )

    def _actor(self, raw: bytes) -> tuple[bytes, str | None]:
        """identity, credential, credential_kind, workload, task, task_kind, on_behalf_of; and the account."""
        who = _value(raw) if raw else None
        codes = self._codes
        identity, workload, task, behalf = principal(who)
        key = text(child(who, "accessKeyId"))
        kind = None if key is None else "static-key" if key.startswith("AKIA") else "session"
        actor = _ACTOR(
            codes["identity"][identity],
            opaque(key),
            codes["credential_kind"][kind],
            codes["workload"][workload],
            opaque(task),
            -1,
            codes["on_behalf_of"][behalf],
        )
        known = (actor, text(child(who, "accountId")))
        return _remember(self._actors, raw, known, len(raw))

    def _action(self, service: str, name: str, read_only: bool | str | None) -> tuple[bytes, bool]:
        """service, operation, access; and whether it may run an image."""
        short = service.removesuffix(".cn").removesuffix(".amazonaws.com")
        told = read_only if isinstance(read_only, bool) else {"true": True, "false": False}.get(str(read_only).lower())
        access = access_of(short, name, told)
        codes = self._codes
        row = _ACTION(codes["service"][short], codes["operation"][name], codes["access"][access])
        known = (row, access not in ("read", "delete"))
        return _remember(self._actions, (service, name, read_only), known, len(service) + len(name))

    def _target(self, on: tuple[bytes, bytes, bool]) -> tuple[int, int]:
        """resource, image."""
        raw, listed, may_run = on
        resource = None
        if listed[:1] == b"[":
            resource = next((arn for item in _value(listed) if (arn := _arn(item))), None)
            if resource is not None and not may_run:
                return _remember(self._listed, listed, (self._resource[resource], MISSING), len(listed))
        request = _value(raw) if raw else None
        if resource is None:
            resource = target(request)
        image = image_in(raw, request) if may_run else None
        found = (self._resource[resource], self._image[image])
        return _remember(self._targets, on, found, len(raw) + len(listed))

    def _outcome(self, error: str | None) -> int:
        outcome = "success" if not error else "denied" if DENIED.search(error) else "error"
        return _remember(self._outcomes, error, self._codes["outcome"][outcome], len(error or ""))


def principal(who: Json) -> tuple[str | None, str | None, str | None, str | None]:
    """Identity, workload, task and on whose behalf, of a `userIdentity`."""
    if not isinstance(who, dict):
        return None, None, None, None
    kind, arn, account = who.get("type"), text(who.get("arn")), text(who.get("accountId"))
    context = who.get("sessionContext")
    issuer = text(child(child(context, "sessionIssuer"), "arn"))
    behalf = text(child(context, "sourceIdentity")) or text(child(who.get("onBehalfOf"), "userId"))
    if kind == "AssumedRole" and (arn or issuer):
        started = text(child(child(context, "attributes"), "creationDate"))
        role, name = issuer or _role_of(arn), (arn or "").rpartition("/")[2]
        unique, kind_of_session = _session(name)
        workload = _workload(who, arn, kind_of_session)
        if role and _PERSON_ROLE in role:  # a person's session, named after them
            workload, behalf = None, behalf or name or None
        return role, workload, arn if unique else f"{arn or issuer} {started}", behalf
    if kind == "FederatedUser":
        return arn or issuer, None, arn, behalf or issuer
    user = first_text(who, ("userName", "principalId"))
    if not arn and kind == "IAMUser" and user and account:
        arn = f"arn:aws:iam::{account}:user/{user}"
    if not arn and kind == "AWSAccount" and (foreign := _FOREIGN_SESSION.fullmatch(text(who.get("principalId")) or "")):
        unique, kind_of_session = _session(foreign[2])
        return foreign[1], kind_of_session, foreign[0] if unique else None, behalf
    return arn or first_text(who, ("invokedBy", "userName", "principalId", "accountId")), None, None, behalf


def target(parameters: Json) -> str | None:
    """What a request is about, by the parameter that names it."""
    if not isinstance(parameters, dict):
        return None
    if "bucketName" in parameters and (bucket := text(parameters["bucketName"])):
        key = text(parameters.get("key"))
        return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"
    telling, other = _telling(tuple(parameters))
    for name in telling:
        value = parameters[name]
        if type(value) is str and value:  # as most are
            return value
        if isinstance(value, dict):
            value = first(child(value, "items"))
        elif isinstance(value, list):
            value = first(value)
        if isinstance(value, dict):
            value = next(iter(value.values()), None)  # {"instanceId": "i-..."}
        if (found := text(value)) is not None:
            return found
    for name, nested in other:
        value = parameters[name]
        if nested and isinstance(value, dict) and (found := target(_lowered(value))):
            return found
        if not nested and value and isinstance(value, str):
            return value
    return None


@lru_cache(maxsize=4_096)
def _telling(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """Those of a request's parameters that name what it is about, the most telling first; and those that may.

    These have a name of another kind, or hold a nested request (`CreateFlowLogsRequest`), which is told beside them.
    Shapes of requests repeat.
    """
    telling = sorted(filter(TARGETS.__contains__, names), key=TARGETS.__getitem__)
    others = ((name, name.endswith("Request")) for name in names)
    return tuple(telling), tuple((name, nested) for name, nested in others if nested or _OTHER_TARGET.search(name))


def _lowered(value: Record) -> Record:
    plain = {k[:1].lower() + k[1:]: first([v]) for k, v in value.items()}
    return {k: v.get("content") if isinstance(v, dict) and "content" in v else v for k, v in plain.items()}


def _arn(resource: Json) -> str | None:
    return first_text(resource, ("ARN", "arn"))


def _role_of(session: str | None) -> str | None:
    """The role's ARN from a session's: `arn:aws:sts::1:assumed-role/R/S` gives `arn:aws:iam::1:role/R`."""
    parts = (session or "").split("/")
    if len(parts) < 2 or not parts[0].endswith(":assumed-role"):
        return session
    return parts[0].replace(":sts:", ":iam:", 1).removesuffix(":assumed-role") + f":role/{parts[1]}"


@lru_cache(maxsize=4_096)
def _session(name: str) -> tuple[bool, str]:
    """Whether a session's name makes it the only one; and the name without numbers, unless it is an instance's."""
    unique = len(name) > _SHORTEST and _UNIQUE.search(name) is not None
    return unique, name if _INSTANCE.fullmatch(name) else _GENERATED.sub("*", name)


def _workload(who: Record, session: str | None, named: str) -> str | None:
    """What runs as the role: the function or instance it was issued to, or what its session is called."""
    issued = first_text(who.get("inScopeOf"), ("sourceArn", "credentialsIssuedTo")) if "inScopeOf" in who else None
    if issued or session is None or "/" not in session:
        return issued
    return named


def _size(out: int | float | None, into: int | float | None) -> int:
    """The bytes of the answer, or of the upload that it answers."""
    value = out or into
    if value is None:
        value = out
    return -1 if value is None or not 0 <= value < 1 << 62 else int(value)


def _remember(memo: dict[K, V], key: K, value: V, size: int) -> V:
    if size <= _MEMO_BYTES:
        if len(memo) > MEMO:
            memo.clear()
        memo[key] = value
    return value


mapper: Final = CloudTrailMapper
