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
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from scopedrift.simulator.log.events import MISSING
from scopedrift.simulator.records import outcomes
from scopedrift.simulator.records.access import access_of
from scopedrift.simulator.records.identities import arn_facts, resolve
from scopedrift.simulator.records.json_paths import Json, Record, child, decoded, first_text, text
from scopedrift.simulator.records.reading import acts
from scopedrift.simulator.records.reading.acts import ID, SAID
from scopedrift.simulator.records.reading.aws_requests import is_bucket, listed_target, narrowed
from scopedrift.simulator.records.reading.images import image_in
from scopedrift.simulator.records.reading.row_builder import MEMO, Packed, RowBuilder, opaque
from scopedrift.simulator.records.timestamps import SECONDS

_GENERATED: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<![0-9a-z])(?=[0-9a-f]*\d)[0-9a-f]{16,}|\d{6,}", re.IGNORECASE
)
_INSTANCE: Final = re.compile(r"i-([0-9a-f]{8}|[0-9a-f]{17})")
_UNIQUE: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}$|-(?=[0-9a-f]*\d)[0-9a-f]{16}$", re.IGNORECASE)
"""The end of a session's name that makes it the only one of its name: a UUID or 64 random bits."""
_SHORTEST: Final = 16
"""Characters that are never enough for such an end."""
_FOREIGN_SESSION: Final = re.compile(r"AROA[A-Z0-9]+:(.+)")
"""The principal that another account's session of a role is: the role's unique ID, and the session's name."""
_SIGN_IN: Final = "signin.amazonaws.com"
_FAILED: Final = re.compile(rb':\s*\\?"Fail(ure|ed)\b')
_MEMO_BYTES: Final = 1_024
_EMPTY: Final = (b"", b"null", b"{}", b"[]", b'""')
_SPACES: Final = b" \t\r\n"
_ACTOR: Final = Struct("=7q").pack
_ACTION: Final = Struct("=3q").pack
_ROW: Final = Struct("=3q56s24s8q").pack
"""`table.packed` of a row of which the actor and the action are packed already."""
_any: Final = msgspec.json.Decoder().decode

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
    errorCode: str | int | None = None
    errorMessage: str | None = None
    requestParameters: msgspec.Raw = msgspec.Raw(b"")
    responseElements: msgspec.Raw = msgspec.Raw(b"")
    additionalEventData: Extra | None = None
    eventID: str | None = None
    readOnly: bool | str | None = None
    resources: msgspec.Raw = msgspec.Raw(b"")
    serviceEventDetails: msgspec.Raw = msgspec.Raw(b"")
    recipientAccountId: str | int | None = None
    sharedEventID: str | None = None
    addendum: msgspec.Raw = msgspec.Raw(b"")
    sessionCredentialFromConsole: bool | str | None = None
    indexed: str | int | float | None = msgspec.field(default=None, name="@timestamp")


class CloudTrailActor(NamedTuple):
    """The columns of an event that say who acted."""

    identity: str | None = None
    workload: str | None = None
    task: str | None = None
    on_behalf_of: str | None = None


class CloudTrailMapper:
    """Turns raw CloudTrail records into rows of one table."""

    name = "cloudtrail"
    shape = CloudTrailRecord

    def __init__(self, table: RowBuilder) -> None:
        self.cluster: str | None = None
        self._codes = codes = table.codes
        self._times = table.times
        self._unlisted = table.unlisted
        self._unused = table.unused
        self._minutes = table.times.minutes
        self._decode = msgspec.json.Decoder(CloudTrailRecord).decode
        self._stream = codes["stream"]["cloud_audit"]
        self._when: object = object()
        self._time = 0
        self._actors: dict[tuple[bytes, bool], tuple[bytes, str | None, bool]] = {}
        self._actions: dict[Any, tuple[bytes, bool]] = {}
        self._targets: dict[Any, tuple[int, int]] = {}
        self._listed: dict[bytes, tuple[int, int]] = {}
        self._success = codes["outcome"]["success"]
        self._outcomes: dict[tuple[str | None, str | None], int] = {}
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
        when = record.eventTime or None
        if when is None or when != self._when:  # neighbours are often of the same second
            try:
                self._time = self._minutes[when[:16]] + SECONDS[when[16:]]  # type: ignore[index]
            except (KeyError, TypeError):
                self._time = self._times[when if when is not None else record.indexed]
            self._when = when
        time = self._time
        who = bytes(record.userIdentity)
        console = record.sessionCredentialFromConsole is not None or service == _SIGN_IN
        actor = self._actors.get((who, console))
        if actor is None:
            actor = self._actor(who, console)
        action = self._actions.get((service, name, record.readOnly))
        if action is None:
            action = self._action(service, name, record.readOnly)
        listed, may_run = bytes(record.resources), action[1]
        target = None if may_run or not listed else self._listed.get(listed)
        request = bytes(record.requestParameters)
        if target is None:  # the request says it
            target = self._targets.get((request, listed, may_run))
            if target is None:
                target = self._target((request, listed, may_run))
        plain = record.errorCode is None and record.errorMessage is None and service != _SIGN_IN
        outcome = self._success if plain else self._outcome(record)
        if target[0] < 0 or actor[2]:
            self._unused.update(self._without_use(actor, target, request, listed))
        account = record.recipientAccountId
        extra = record.additionalEventData
        size = -1 if extra is None else _size(extra.bytesTransferredOut, extra.bytesTransferredIn)
        source = self._source[record.sourceIPAddress]
        if record.eventID is None or record.sharedEventID or record.addendum:
            act, said = self._shared(record)
        else:  # as `acts.whole` does
            act = hash(record.eventID) & ID
            said = hash((time, actor[0], action[0], source, outcome, request.translate(None, _SPACES))) & SAID
        return _ROW(
            time,
            time,
            self._stream,
            actor[0],
            action[0],
            target[0],
            self._project[account if isinstance(account, str) else text(account) or actor[1]],
            target[1],
            source,
            outcome,
            size,
            act,
            said,
        )

    @staticmethod
    def _without_use(
        actor: tuple[bytes, str | None, bool], target: tuple[int, int], request: bytes, listed: bytes
    ) -> list[str]:
        """The fields that were there and named nobody, or nothing."""
        fields = [("requestParameters", request), ("resources", listed)] if target[0] < 0 else []
        found = [f"{name} (resource)" for name, raw in fields if raw not in _EMPTY]
        return [*found, "userIdentity (identity)"] if actor[2] else found

    def _shared(self, record: CloudTrailRecord) -> acts.Act:
        """The act of a record that adds to another, or that one of several accounts has."""
        original = first_text(_value(bytes(record.addendum)), ("originalEventID",)) if record.addendum else None
        if original:
            return acts.addendum(original)
        if not record.sharedEventID:
            return acts.whole(record.eventID)
        if b'"AWSAccount"' in bytes(record.userIdentity):
            return acts.onlooker(record.sharedEventID)
        return acts.whole(record.sharedEventID)

    def _actor(self, raw: bytes, console: bool) -> tuple[bytes, str | None, bool]:
        """identity, credential, credential_kind, workload, task, task_kind, on_behalf_of; and the account."""
        who = _value(raw) if raw else None
        codes = self._codes
        identity, workload, task, behalf = actor_of(who, console)
        key = first_text(who, ("accessKeyId", "credentialId"))
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
        known = (actor, text(child(who, "accountId")), identity is None and raw not in _EMPTY)
        return _remember(self._actors, (raw, console), known, len(raw))

    def _action(self, service: str, name: str, read_only: bool | str | None) -> tuple[bytes, bool]:
        """service, operation, access; and whether it may run an image."""
        short = service.removesuffix(".cn").removesuffix(".amazonaws.com")
        told = read_only if isinstance(read_only, bool) else {"true": True, "false": False}.get(str(read_only).lower())
        access, listed = access_of(short, name, told)
        if not listed:
            self._unlisted.add(f"{short} {name}")
        codes = self._codes
        row = _ACTION(codes["service"][short], codes["operation"][name], codes["access"][access])
        known = (row, access not in ("read", "delete"))
        return _remember(self._actions, (service, name, read_only), known, len(service) + len(name))

    def _target(self, on: tuple[bytes, bytes, bool]) -> tuple[int, int]:
        """resource, image."""
        raw, listed, may_run = on
        if raw[:1] == b'"':
            raw = msgspec.json.encode(_value(raw))
        resource = None
        if listed[:1] in (b"[", b'"'):
            resource = listed_target(_value(listed))
            if resource is not None and not may_run and not is_bucket(resource):
                return _remember(self._listed, listed, (self._resource[resource], MISSING), len(listed))
        request = _value(raw) if raw else None
        resource = narrowed(resource, request)
        image = image_in(raw, request) if may_run else None
        found = (self._resource[resource], self._image[image])
        return _remember(self._targets, on, found, len(raw) + len(listed))

    def _outcome(self, record: CloudTrailRecord) -> int:
        said = bytes(record.responseElements) + bytes(record.serviceEventDetails)
        if record.eventSource == _SIGN_IN and _FAILED.search(said):
            return self._codes["outcome"]["denied"]
        code, message = text(record.errorCode), record.errorMessage
        known = self._outcomes.get((code, message if code is None else None))
        if known is None:
            found = self._codes["outcome"][outcomes.of_aws(code, message)]
            key = (code, message if code is None else None)
            known = _remember(self._outcomes, key, found, len(code or message or ""))
        return known


def actor_of(who: Json, console: bool = False) -> CloudTrailActor:
    """Who acted, of a `userIdentity`; `console` says that the record is of a session of the console."""
    if not isinstance(who, dict):
        return CloudTrailActor()
    kind, arn, context = text(who.get("type")), text(who.get("arn")), who.get("sessionContext")
    issuer, principal = text(child(child(context, "sessionIssuer"), "arn")), text(who.get("principalId"))
    person = text(child(who.get("onBehalfOf"), "userId"))
    store = text(child(who.get("onBehalfOf"), "identityStoreArn")) or ""
    partition = next(iter(store.split(":")[1:2]), None)
    own = {"person": person, "partition": partition, **arn_facts(arn)}
    found = resolve(
        {
            "kind": kind,
            "account": text(who.get("accountId")),
            "user_name": text(who.get("userName")),
            "principal": principal,
            "provider": text(who.get("identityProvider")),
            "service": text(who.get("invokedBy")),
            "issuer": issuer,
            "console": "true" if console else None,
            **own,
            **({} if own.get("role") or kind != "AssumedRole" else arn_facts(issuer)),
        }
    )
    behalf = text(child(context, "sourceIdentity"))
    if behalf is None and person and kind != "IdentityCenterUser":
        behalf = resolve({**own, "kind": "IdentityCenterUser"}).identity
    if kind == "AssumedRole" and (arn or issuer):
        started = text(child(child(context, "attributes"), "creationDate"))
        unique, kind_of_session = _session((arn or "").rpartition("/")[2])
        workload = None if found.person else _workload(who, arn, kind_of_session)
        return CloudTrailActor(
            found.identity, workload, arn if unique else f"{arn or issuer} {started}", behalf or found.person
        )
    if kind == "FederatedUser":
        return CloudTrailActor(found.identity, None, arn, behalf or issuer)
    if not arn and kind == "AWSAccount" and (foreign := _FOREIGN_SESSION.fullmatch(principal or "")):
        unique, kind_of_session = _session(foreign[1])
        return CloudTrailActor(found.identity, kind_of_session, foreign[0] if unique else None, behalf)
    return CloudTrailActor(found.identity, None, None, behalf)


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


def _value(raw: bytes) -> Json:
    """The value of a field, which some exports write as JSON text."""
    return decoded(_any(raw))


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
