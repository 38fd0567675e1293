"""Events of the stream `kubernetes_audit` as `audit.k8s.io/v1` records.

Who: an identity is a service account, its workload and task the pod (and its UID) that the token is bound to.  Accounts
that serve the whole cluster are of `kube-system`.  Those that do nothing but renew leases are nodes: they have a
certificate, no pod, and a lease of their own.  The request's body is there where the log has the image (audit level
Request), with the image in its pod template, which is privileged where the access is administration.  A watch that was
granted is told when it starts.  Names of pods and jobs come from the log's resource.

Kept by an import: time, operation, access (of a privileged pod: with its body), outcome, source (exactly); identity,
credential, workload, on_behalf_of, image (one to one, the image exactly); project (one to one; not of requests on the
whole cluster); task (one to one).
Renamed or narrowed: resource (`namespace/kind/name`: the same object under two kinds is two).
Lost: arrived (an import takes the end of the request), task_kind, bytes, the kind of a credential (a service account
has tokens, a node certificates); a static key has no credential id; of a node also workload, task, and the resource and
project of leases.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from scopedrift.simulator.log.events import DAY, Event
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.reading.kubernetes import GROUPS
from scopedrift.simulator.records.timestamps import iso_microseconds, iso_seconds
from scopedrift.simulator.records.writing.naming import REGIONS, ExportNames, remember, service_account, telling

KINDS: Final = {"jobs": "Job", "cronjobs": "CronJob", "deployments": "Deployment", "daemonsets": "DaemonSet"}
CLUSTER: Final = frozenset({"clusterroles", "clusterrolebindings", "nodes", "namespaces"})
UNNAMED: Final = frozenset({"list", "watch", "deletecollection"})
DENIED: Final = 403
_EXTRA: Final = "authentication.kubernetes.io/"
FAILED: Final = {"get": 404, "delete": 404, "create": 409, "update": 409, "patch": 409}
"""How a request fails, by its verb; a list or a watch cannot miss or collide."""
UNAVAILABLE: Final = (500, 503, 504)
_LATENCY_US: Final = 40_000
NODE: Final = re.compile(r"lease-controller-\d+")
"""The accounts that are nodes."""
CONTROLLER: Final = re.compile(r"(?:scheduler|metrics-scraper|registry-cleaner)-\d+")
"""The accounts that are controllers of the cluster."""
ACCOUNTS: Final = "system:serviceaccount:"
NODES: Final = "system:node:"
SYSTEM: Final = "kube-system"
KUBELET: Final = "kubelet/v1.29.3 (linux/amd64) kubernetes/6813625"
AGENTS: Final = (
    "kubernetes-client/python/29.0.0 (linux) python/3.11.8",
    "argo-workflows/v3.5.5 argo-controller",
    "kubectl/v1.29.3 (linux/amd64) kubernetes/6813625",
    "training-operator/v0.0.0 (linux/amd64) kubernetes/$Format",
    "Go-http-client/2.0",
)


def eks_node(random: bytes) -> str:
    """A node's name, after its address in the network of nodes."""
    return f"ip-10-{'-'.join(map(str, random[:3]))}.{REGIONS[0]}.compute.internal"


class KubernetesWriter:
    """Turns events into Kubernetes audit records."""

    def __init__(self, names: ExportNames, node_name: Callable[[bytes], str] = eks_node) -> None:
        self._names = names
        self._node_name = node_name
        self._usernames: dict[str, str] = {}

    def file(self, event: Event) -> str:
        """Where the record is written: one file a day."""
        return f"kubernetes/audit-{iso_seconds(event.arrived // DAY * DAY)[:10]}.jsonl.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return self._names.uuid("audit", number)

    def record(self, event: Event, number: int) -> Record:
        """The record of the event at position `number`."""
        names = self._names
        verb, _, what = (event.operation or "get").partition(" ")
        code = self._code(event, number, verb)
        on = None if what.startswith("/") or not what else self.object_ref(event, verb, what)
        body = self.body(event, verb, on) if on and event.image else None
        record: dict[str, Json] = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Request" if body else "Metadata",
            "auditID": self.identifier(number),
            "stage": "ResponseStarted" if verb == "watch" and code is not None and code < 400 else "ResponseComplete",
            "requestURI": _path(on, verb) if on else what or "/",
            "verb": verb,
            "user": self._user(event),
            "sourceIPs": [event.source] if event.source else None,
            "userAgent": self._agent(event),
            "objectRef": on,
            "responseStatus": None if code is None else _status(code, verb, what, on),
            "requestObject": body,
            "requestReceivedTimestamp": iso_microseconds(event.time),
            "stageTimestamp": iso_microseconds(event.time + 900 + names.number("latency", number) % _LATENCY_US),
            "annotations": {
                "authorization.k8s.io/decision": "forbid" if code == DENIED else "allow",
                "authorization.k8s.io/reason": "" if code == DENIED else self._reason(event, on),
            },
        }
        if event.on_behalf_of:
            record["impersonatedUser"] = {"username": self._username(event.on_behalf_of)}
        return {key: value for key, value in record.items() if value is not None}

    def _username(self, identity: str) -> str:
        known = self._usernames.get(identity)
        return known or remember(self._usernames, identity, self._name_of(identity))

    def _name_of(self, identity: str) -> str:
        """`system:serviceaccount:NAMESPACE:NAME`, a node's name, or the text of an identity that is no workload's."""
        namespace, name = service_account(identity)
        if namespace is None:
            return identity
        if NODE.fullmatch(name):
            return (
                f"{NODES}{self._names.named('node', identity, self._node_name(self._names.digest('node', identity)))}"
            )
        if CONTROLLER.fullmatch(name):
            return f"{ACCOUNTS}{SYSTEM}:{self._names.label(f'account in {SYSTEM}', identity, name)}"
        account = self._names.label(f"account in {namespace}", name)
        return f"{ACCOUNTS}{self._names.label('namespace', namespace)}:{account}"

    def system_name(self, identity: str | None) -> str | None:
        """The name of a node or a controller in its cluster; None for anybody else."""
        _, name = service_account(identity or "")
        return self._username(identity or "") if NODE.fullmatch(name) or CONTROLLER.fullmatch(name) else None

    def _user(self, event: Event) -> Record:
        names, identity = self._names, event.identity
        if identity is None:
            return {}
        username = self._username(identity)
        if username.startswith(NODES):
            return self._node(event, username)
        namespace = username.split(":")[2] if username.startswith(ACCOUNTS) else None
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}"] if namespace else []
        extra: dict[str, list[str]] = {}
        if event.credential and event.credential_kind != "static-key":
            extra[_EXTRA + "credential-id"] = [f"JTI={names.uuid('credential', event.credential)}"]
        if event.workload:
            base = names.label("workload", event.workload, limit=40)
            mark = names.digest("pod", event.workload, event.task).hex()
            extra[_EXTRA + "pod-name"] = [f"{base}-{mark[:10]}-{mark[10:15]}"]
        if event.task:
            extra[_EXTRA + "pod-uid"] = [names.uuid("task", event.task)]
        user = {"username": username, "uid": names.uuid("user", identity), "groups": [*groups, "system:authenticated"]}
        return {**user, "extra": extra} if extra else user

    def _node(self, event: Event, username: str) -> Record:
        user: dict[str, Json] = {"username": username, "groups": ["system:nodes", "system:authenticated"]}
        if event.credential and event.credential_kind != "static-key":
            mark = 2 * self._names.digest("certificate", event.credential).hex()
            user["extra"] = {_EXTRA + "credential-id": [f"X509SHA256={mark}"]}
        return user

    def _agent(self, event: Event) -> str:
        """The software that a workload calls with."""
        _, name = service_account(event.identity or "")
        if NODE.fullmatch(name):
            return KUBELET
        return AGENTS[self._names.number("agent", event.workload or event.identity) % len(AGENTS)]

    def _reason(self, event: Event, on: dict[str, str] | None) -> str:
        """Which binding allowed the request, as the authoriser writes it."""
        username = self._username(event.identity or "")
        if username.startswith(NODES):
            return ""  # so the authoriser of nodes
        if not username.startswith(ACCOUNTS):
            return f'RBAC: allowed by ClusterRoleBinding "{username}" of ClusterRole "edit" to User "{username}"'
        namespace, name = username.split(":")[2:4]
        where = (on or {}).get("namespace")
        kind, scope = ("RoleBinding", f"{name}/{where}") if where else ("ClusterRoleBinding", name)
        role = "Role" if where == namespace else "ClusterRole"
        return f'RBAC: allowed by {kind} "{scope}" of {role} "{name}" to ServiceAccount "{name}/{namespace}"'

    def object_ref(self, event: Event, verb: str, what: str) -> dict[str, str]:
        """What a request is about, as `objectRef` says it."""
        kind, _, part = what.partition("/")
        group = GROUPS.get(kind)
        on: dict[str, str | None] = {"resource": kind}
        if kind not in CLUSTER and event.project:
            on["namespace"] = self._names.label("namespace", event.project)
        if event.resource and verb not in UNNAMED:
            on["name"] = self._names.label("object", event.resource, telling(event.resource))
        if kind == "leases" and (user := self._username(event.identity or "")).startswith(NODES):
            on |= {"namespace": "kube-node-lease"} | ({"name": user.removeprefix(NODES)} if "name" in on else {})
        on["apiGroup"] = group
        on["apiVersion"] = "v1"
        on["subresource"] = part or None
        return {key: value for key, value in on.items() if value}

    def body(self, event: Event, verb: str, on: dict[str, str]) -> Record | None:
        """The request's object, with the image in its pod template."""
        container: dict[str, Json] = {"name": "main", "image": event.image, "imagePullPolicy": "IfNotPresent"}
        pod: dict[str, Json] = {"containers": [container], "restartPolicy": "Always"}
        if verb == "create" and event.identity:
            pod["serviceAccountName"] = self._username(event.identity).rpartition(":")[2]
        kind = on["resource"]
        if kind in ("jobs", "cronjobs", "pods"):
            pod["restartPolicy"] = "Never"
        if event.access == "admin":
            container["securityContext"] = {"privileged": True}
            pod |= {"hostNetwork": True, "hostPID": True}
        spec: dict[str, Json] = pod if kind == "pods" else {"template": {"spec": pod}}
        if kind == "cronjobs":
            spec = {"schedule": "0 * * * *", "jobTemplate": {"spec": spec}}
        meta = {"name": on.get("name"), "namespace": on.get("namespace")}
        version = f"{on['apiGroup']}/v1" if "apiGroup" in on else "v1"
        return {"kind": KINDS.get(kind, "Pod"), "apiVersion": version, "metadata": meta, "spec": spec}

    def _code(self, event: Event, number: int, verb: str) -> int | None:
        if event.outcome is None:
            return None
        if event.outcome == "denied":
            return DENIED
        if event.outcome == "error":
            turn = self._names.number("error", number)
            return FAILED.get(verb, UNAVAILABLE[0]) if turn % 4 else UNAVAILABLE[turn % len(UNAVAILABLE)]
        return 201 if verb == "create" else 200


_REASONS: Final = {DENIED: "Forbidden", 404: "NotFound", 409: "Conflict", 503: "ServiceUnavailable", 504: "Timeout"}


def _status(code: int, verb: str, what: str, on: dict[str, str] | None) -> Record:
    if code < 400:
        return {"metadata": {}, "code": code}
    reason = "AlreadyExists" if (code, verb) == (409, "create") else _REASONS.get(code, "InternalError")
    named = f'{what} "{on["name"]}"' if on and "name" in on else what
    return {"metadata": {}, "status": "Failure", "message": f"{named}: {reason}", "reason": reason, "code": code}


def _path(on: dict[str, str], verb: str) -> str:
    group = on.get("apiGroup")
    parts = ["apis", group, "v1"] if group else ["api", "v1"]
    parts += ["namespaces", on["namespace"]] if "namespace" in on else []
    parts.append(on["resource"])
    if "name" in on and (verb != "create" or "subresource" in on):
        parts.append(on["name"])
    parts += [on["subresource"]] if "subresource" in on else []
    return "/" + "/".join(parts) + ("?watch=true" if verb == "watch" else "")


writer: Final = KubernetesWriter
