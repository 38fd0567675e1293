"""Kubernetes audit records (`audit.k8s.io/v1`, and the older `v1beta1` with its `timestamp`) to events.

Who: `user.username`; `on_behalf_of` is whom it impersonates.  What: verb and resource (`create pods/exec`).  On
what: `namespace/resource/name`, with the namespace as project.  From where: the last of `sourceIPs`, since all
others are the client's claim.  A pod template with a privileged container makes a request administration: it rules
the node.  An event is seen when its stage was written (`stageTimestamp`).  What was only received is no event: the
record of its answer is.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from scopedrift.simulator.records.errors import Unreadable
from scopedrift.simulator.records.identities import arn_facts, resolve
from scopedrift.simulator.records.json_paths import Json, at, child, decoded, first, text
from scopedrift.simulator.records.reading import acts
from scopedrift.simulator.records.reading.images import image_of
from scopedrift.simulator.records.reading.row_builder import MEMO, Packed, Row, RowBuilder, opaque, packed

READ_VERBS: Final = frozenset({"get", "list", "watch", "head", "options", "proxy"})
WRITE_VERBS: Final = {"create": "create", "post": "create", "delete": "delete", "deletecollection": "delete"}
AUTH_RESOURCES: Final = frozenset(
    {
        "secrets",
        "serviceaccounts/token",
        "certificatesigningrequests",
        "tokenreviews",
        "subjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "localsubjectaccessreviews",
        "selfsubjectreviews",
    }
)
"""Reading secrets and creating the others is authentication."""
SHELLS: Final = frozenset(
    {"pods/exec", "pods/attach", "pods/portforward", "pods/proxy", "nodes/proxy", "services/proxy"}
)
GROUPS: Final = {
    "jobs": "batch",
    "cronjobs": "batch",
    "deployments": "apps",
    "daemonsets": "apps",
    "statefulsets": "apps",
    "replicasets": "apps",
    "leases": "coordination.k8s.io",
    "clusterroles": "rbac.authorization.k8s.io",
    "clusterrolebindings": "rbac.authorization.k8s.io",
    "roles": "rbac.authorization.k8s.io",
    "rolebindings": "rbac.authorization.k8s.io",
}
"""API group of a resource; the core group where there is none."""
ADMIN_GROUPS: Final = frozenset({"rbac.authorization.k8s.io", "admissionregistration.k8s.io", "policy"})
ADMIN_VERBS: Final = frozenset({"escalate", "bind", "approve", "sign", "impersonate"})

_EXTRA: Final = "authentication.kubernetes.io/"
_REPLICA: Final = re.compile(r"(-[0-9a-f]{6,10})?-[a-z0-9]{5}$|-\d+$")
"""The generated end of a pod's name."""
_MEMO_BYTES: Final = 1_024


class Object(msgspec.Struct, frozen=True):
    """`objectRef`, as far as it is used."""

    resource: str | None = None
    namespace: str | None = None
    name: str | None = None
    apiGroup: str | None = None
    subresource: str | None = None


class Status(msgspec.Struct):
    """`responseStatus`, as far as it is used."""

    code: int | None = None


class Annotations(msgspec.Struct):
    """The authoriser's decision."""

    decision: str | None = msgspec.field(default=None, name="authorization.k8s.io/decision")


class KubernetesRecord(msgspec.Struct):
    """A record, as far as it is used; bodies stay undecoded."""

    verb: str | None = None
    auditID: str | None = None
    stage: str | None = None
    requestURI: str | None = None
    requestReceivedTimestamp: str | None = None
    stageTimestamp: str | None = None
    timestamp: str | None = None
    user: msgspec.Raw = msgspec.Raw(b"")
    impersonatedUser: msgspec.Raw = msgspec.Raw(b"")
    objectRef: Object | None = None
    sourceIPs: list[str] | None = None
    responseStatus: Status | None = None
    annotations: Annotations | None = None
    requestObject: msgspec.Raw = msgspec.Raw(b"")


class KubernetesMapper:
    """Turns raw Kubernetes audit records into rows of one table."""

    name = "kubernetes"
    shape = KubernetesRecord

    def __init__(self, table: RowBuilder) -> None:
        self.cluster: str | None = None
        self._codes = codes = table.codes
        self._times = table.times
        self._unused = table.unused
        self._decode = msgspec.json.Decoder(KubernetesRecord).decode
        self._stream = codes["stream"]["kubernetes_audit"]
        self._service = codes["service"]["kubernetes"]
        self._actors: dict[tuple[bytes, bytes, str | None], Row] = {}
        self._actions: dict[Any, tuple[int, int, bool]] = {}
        self._outcomes = {name: codes["outcome"][name] for name in ("success", "denied", "error")}

    def row(self, raw: bytes) -> Packed | None:
        """The row of one record; None if it is not a Kubernetes audit record.

        Raises `Unreadable` for a record without a usable time, msgspec's errors for one of unexpected shape.
        """
        record = self._decode(raw)
        verb = record.verb
        if verb is None or (record.auditID is None and record.stage is None):
            return None
        if record.stage == "RequestReceived":
            raise Unreadable("a request received but not yet answered (the answer is another record)")
        time = self._times[record.requestReceivedTimestamp or record.timestamp or record.stageTimestamp]
        arrived = self._times[record.stageTimestamp] if record.stageTimestamp else time
        who = (bytes(record.user), bytes(record.impersonatedUser), self.cluster)
        actor = self._actors.get(who)
        if actor is None:
            actor = self._actor(who)
        on = record.objectRef
        path = record.requestURI.partition("?")[0] if on is None and record.requestURI else None
        act = (verb, path) if on is None else (verb, on.apiGroup, on.resource, on.subresource)
        action = self._actions.get(act)
        if action is None:
            action = self._action(act)
        outcome, resource = self._outcome(record), path if on is None else _resource(on)
        if actor[0] < 0 or outcome < 0 or resource is None:
            self._unused.update(self._without_use(record, actor, outcome, resource))
        codes = self._codes
        body = bytes(record.requestObject) if action[2] else b""
        content = decoded(msgspec.json.decode(body)) if len(body) > 4 else None
        image, access = image_of(content), action[1]
        if b"privileged" in body and privileged(content):
            access = codes["access"]["admin"]
        return packed(
            time,
            max(arrived, time),
            self._stream,
            *actor,
            self._service,
            action[0],
            access,
            codes["resource"][resource],
            codes["project"][None if on is None else on.namespace],
            codes["image"][image],
            codes["source"][record.sourceIPs[-1] if record.sourceIPs else None],
            outcome,
            -1,
            *acts.part(record.auditID, time, verb, record.requestURI, on, who[0]) if record.auditID else acts.NONE,
        )

    def _actor(self, who: tuple[bytes, bytes, str | None]) -> Row:
        """identity, credential, credential_kind, workload, task, task_kind, on_behalf_of."""
        user, other = (decoded(msgspec.json.decode(raw)) if raw else None for raw in who[:2])
        name, extra = text(child(user, "username")), child(user, "extra")
        credential = text(first(child(extra, _EXTRA + "credential-id")))
        kind = None
        if credential:
            kind = {"JTI": "service-account-token", "X509SHA256": "x509"}.get(credential.partition("=")[0])
        pod = text(first(child(extra, _EXTRA + "pod-name")))
        task = text(first(child(extra, _EXTRA + "pod-uid"))) or pod
        codes = self._codes
        actor = (
            codes["identity"][resolve({"cluster_user": name, "cluster": who[2], **arn_facts(name)}).identity],
            opaque(credential),
            codes["credential_kind"][kind],
            codes["workload"][_REPLICA.sub("", pod) if pod else None],
            opaque(task),
            -1,
            codes["on_behalf_of"][text(at(other, "username"))],
        )
        if len(who[0]) + len(who[1]) <= _MEMO_BYTES:
            if len(self._actors) > MEMO:
                self._actors.clear()
            self._actors[who] = actor
        return actor

    def _action(self, act: tuple[Any, ...]) -> tuple[int, int, bool]:
        """operation and access, and whether the request's body may name an image."""
        verb, group, resource, subresource = act if len(act) == 4 else (act[0], None, None, None)
        kind = f"{resource}/{subresource}" if subresource else resource
        operation = f"{verb} {kind or act[1] or ''}".rstrip()
        access = access_of(verb, group, kind)
        if len(self._actions) > MEMO:
            self._actions.clear()
        codes = self._codes
        action = (codes["operation"][operation], codes["access"][access], access in ("create", "write"))
        self._actions[act] = action
        return action

    @staticmethod
    def _without_use(record: KubernetesRecord, actor: Row, outcome: int, resource: str | None) -> list[str]:
        """The fields that were there and said nothing."""
        found = ["user (identity)"] if actor[0] < 0 and len(bytes(record.user)) > 4 else []
        found += ["objectRef (resource)"] if resource is None and record.objectRef is not None else []
        return found + (["responseStatus (outcome)"] if outcome < 0 and record.responseStatus is not None else [])

    def _outcome(self, record: KubernetesRecord) -> int:
        """Missing where the record does not say how the request was answered."""
        code = record.responseStatus.code if record.responseStatus else None
        if code in (401, 403) or (record.annotations and record.annotations.decision == "forbid"):
            return self._outcomes["denied"]
        if code is None:
            return self._outcomes["error"] if record.stage == "Panic" else -1
        return self._outcomes["error" if code >= 400 else "success"]


def access_of(verb: str, group: str | None, kind: str | None) -> str:
    """The class of access of a verb on a resource (`pods/exec`)."""
    if kind in AUTH_RESOURCES and verb in (READ_VERBS if kind == "secrets" else {"create"}):
        return "auth"
    if kind in SHELLS or verb in ADMIN_VERBS:
        return "admin"
    if verb in READ_VERBS:
        return "read"
    if group in ADMIN_GROUPS and kind != "pods/eviction":
        return "admin"
    return WRITE_VERBS.get(verb, "write")


def privileged(body: Json) -> bool:
    """Whether a pod, or the template of one, has a container that is privileged (a JSON patch is not judged)."""
    spec = child(body, "spec")
    for step in ("jobTemplate", "spec", "template", "spec"):
        spec = child(spec, step) or spec
    listed = [decoded(child(spec, name)) for name in ("containers", "initContainers", "ephemeralContainers")]
    return any(
        at(one, "securityContext.privileged") is True for some in listed if isinstance(some, list) for one in some
    )


def _resource(on: Object) -> str | None:
    parts = (on.namespace, on.resource, on.name)
    return "/".join(part for part in parts if part) or None


mapper: Final = KubernetesMapper
