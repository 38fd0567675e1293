"""Events of the streams `cloud_audit` and `kubernetes_audit` as Google Cloud audit log entries.

An operation becomes the method that does the same (`gcp.yaml`); requests to clusters come from the service `k8s.io`.
An identity is a service account of its project, a node or controller its cluster's name for it there; a static key is
a service account key, the task is the entry's operation, the workload a label.

Kept by an import: time, arrived, outcome, source, workload, the image of what is created or changed (exactly);
identity (of nodes and controllers, in their cluster and elsewhere apart), project, task, on_behalf_of, and the
credential of a static key (one to one).
Renamed or narrowed: service and operation (several operations may be one method, and access follows the method);
resource (by its name in Google Cloud; calls on a whole project name the project).
Lost: task_kind, bytes, every credential but static keys, and the kind of a credential.
"""

from __future__ import annotations

from typing import Final

from scopedrift.simulator.log.events import HOUR, Event
from scopedrift.simulator.records.data_files import load_data
from scopedrift.simulator.records.json_paths import Json, Record
from scopedrift.simulator.records.timestamps import iso_nanoseconds, iso_seconds
from scopedrift.simulator.records.writing.kubernetes import AGENTS, KubernetesWriter
from scopedrift.simulator.records.writing.naming import ExportNames, service_account, telling
from scopedrift.simulator.records.writing.template import fill

PERMISSION_DENIED: Final = 7
FAILED: Final = ((5, "NOT_FOUND"), (8, "RESOURCE_EXHAUSTED"), (3, "INVALID_ARGUMENT"), (13, "INTERNAL"))
CLUSTERS: Final = "k8s.io"
"""The service that requests to clusters are made to."""
LOCATION: Final = "europe-west1"
DATA_SERVICES: Final = ("storage", "bigquery", "bigtable", "pubsub", "monitoring", "logging", "artifactregistry")
"""Services whose writes are changes of data."""
_BODIES: Final[dict[str, tuple[str, Json]]] = {
    "aiplatform": ("customJob", {"jobSpec": {"workerPoolSpecs": [{"containerSpec": {"imageUri": "{image}"}}]}}),
    "batch": ("job", {"taskGroups": [{"taskSpec": {"runnables": [{"container": {"imageUri": "{image}"}}]}}]}),
    "run": ("service", {"template": {"containers": [{"image": "{image}"}]}}),
}
"""Where the request of a service has the image."""
_AGENTS: Final = (
    "google-cloud-sdk gcloud/467.0.0 command/gcloud.storage.cp,gzip(gfe)",
    "gcloud-python/2.16.0 gl-python/3.11.8 grpc/1.62.1 gax/2.17.1,gzip(gfe)",
    "google-api-go-client/0.5 gcloud-golang-storage/1.39.1,gzip(gfe)",
    "google-api-java-client/2.3.0 Google-HTTP-Java-Client/1.44.1 (gzip),gzip(gfe)",
)


def _gke_node(random: bytes) -> str:
    """A node's name, after its pool and the group of machines in it."""
    return f"gke-platform-pool-1-{random[:4].hex()}-{random[4:6].hex()}"


class GcpWriter:
    """Turns events into audit log entries."""

    def __init__(self, names: ExportNames) -> None:
        self._names = names
        self._cluster = KubernetesWriter(names, _gke_node)
        self._bodies: dict[str, tuple[str, Json]] = _BODIES
        self._methods = load_data(__package__, "gcp.yaml", dict[str, tuple[str, str, str]])

    def file(self, event: Event) -> str:
        """Where the record is delivered: one file a log and hour."""
        hour = iso_seconds(event.arrived // HOUR * HOUR)
        return f"cloudaudit.googleapis.com/{self._log(event)}/{hour[:10].replace('-', '/')}/{hour[11:13]}.jsonl.gz"

    def identifier(self, number: int) -> str:
        """The id of the record of the event at position `number`."""
        return self._names.digest("entry", number).hex()[:14]

    def record(self, event: Event, number: int) -> Record | None:
        """The entry of the event at position `number`; None for a call that Google Cloud does not have."""
        names = self._names
        project = names.label("project", event.project, limit=30) if event.project else "organisation"
        account = self._account(event.identity)
        found = self._method(event, project, account)
        if found is None:
            return None
        service, method, resource = found
        cluster = service == CLUSTERS
        email = (self._cluster.system_name(event.identity) if cluster else None) or account
        who: dict[str, Json] = {"principalEmail": email} if email else {}
        if event.credential and event.credential_kind == "static-key":
            key = names.digest("key", event.credential).hex() + names.digest("key 2", event.credential).hex()[:8]
            who["serviceAccountKeyName"] = f"//iam.googleapis.com/projects/-/serviceAccounts/{account}/keys/{key}"
        if event.on_behalf_of:
            first = {"firstPartyPrincipal": {"principalEmail": self._account(event.on_behalf_of)}}
            who["serviceAccountDelegationInfo"] = [first]
        agents = AGENTS if cluster else _AGENTS
        agent = agents[names.number("agent", event.workload or event.identity) % len(agents)]
        payload: dict[str, Json] = {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": service,
            "methodName": method,
            "resourceName": resource,
            "authenticationInfo": who,
            "authorizationInfo": [{"resource": resource, "permission": method, "granted": event.outcome != "denied"}],
            "requestMetadata": ({"callerIp": event.source} if event.source else {})
            | {"callerSuppliedUserAgent": agent},
            "status": self._status(event, number),
        }
        if event.image:
            payload["request"] = self._body(event, method)
        labels: Record = {"project_id": project, "service": service, "method": method}
        if cluster:
            labels = {"project_id": project, "location": LOCATION, "cluster_name": "platform"}
        kind = "k8s_cluster" if cluster else "audited_resource"
        log = self._log(event)
        entry: dict[str, Json] = {
            "insertId": self.identifier(number),
            "logName": f"projects/{project}/logs/cloudaudit.googleapis.com%2F{log}",
            "timestamp": iso_nanoseconds(event.time, names.number("below", number)),
            "receiveTimestamp": iso_nanoseconds(event.arrived, names.number("received", number)),
            "severity": "ERROR" if payload["status"] else "NOTICE" if log == "activity" else "INFO",
            "resource": {"type": kind, "labels": labels},
            "protoPayload": payload,
        }
        if event.task:
            entry["operation"] = {"id": names.uuid("task", event.task), "producer": service}
        if event.workload:
            entry["labels"] = {"compute.googleapis.com/resource_name": event.workload}
        return entry

    def _body(self, event: Event, method: str) -> Record | None:
        """The request of a call that runs an image."""
        if event.stream == "kubernetes_audit":
            verb, _, what = (event.operation or "get").partition(" ")
            return self._cluster.body(event, verb, self._cluster.object_ref(event, verb, what))
        service = method.removeprefix("google.cloud.").partition(".")[0]
        shape = self._bodies.get(service, self._bodies["aiplatform"])
        return {key: value for key, value in [(shape[0], fill(shape[1], {"image": event.image}))]}

    def _log(self, event: Event) -> str:
        """Which of the two logs has the entry: reads and changes of data are apart from administration."""
        if event.access == "read" or event.access == "auth":
            return "data_access"
        listed = self._methods.get(f"{event.service}.{event.operation}")
        return "data_access" if listed and listed[0] in DATA_SERVICES and event.access != "admin" else "activity"

    def _account(self, identity: str | None) -> str | None:
        if identity is None:
            return None
        namespace, name = service_account(identity)
        project = self._names.label("project", namespace, limit=30) if namespace else "organisation"
        account = self._names.label(f"account in {project}", identity, name, limit=40)
        return f"{account}@{project}.iam.gserviceaccount.com"

    def _method(self, event: Event, project: str, account: str | None) -> tuple[str, str, str] | None:
        """Service, method and resource name; None for a call that Google Cloud does not have."""
        names, resource = self._names, event.resource
        name = names.named("resource", resource, telling(resource)) if resource else None
        if event.stream == "kubernetes_audit":
            verb, _, what = (event.operation or "get").partition(" ")
            kind = what.replace("/", ".") or "requests"
            if what.startswith("/"):
                return CLUSTERS, f"io.k8s.{verb}", what
            on = self._cluster.object_ref(event, verb, what)
            place = ("namespaces", on["namespace"]) if "namespace" in on else ()
            parts = (on.get("apiGroup", "core"), "v1", *place, on["resource"], on.get("name"), on.get("subresource"))
            group = on.get("apiGroup", "core").removesuffix(".k8s.io")
            group = {"rbac.authorization": "authorization.rbac"}.get(group, group)
            return CLUSTERS, f"io.k8s.{group}.v1.{kind}.{verb}", "/".join(filter(None, parts))
        listed = self._methods.get(f"{event.service}.{event.operation}")
        if listed is None:
            own = event.operation is not None and "." in event.operation  # an entry of Google Cloud that was imported
            return (f"{event.service}.googleapis.com", event.operation or "", resource or "") if own else None
        bucket, _, key = (resource or "").removeprefix("s3://").partition("/")
        values = {"project": project, "bucket": bucket, "key": key, "name": name or "", "account": account or ""}
        return f"{listed[0]}.googleapis.com", listed[1], str(fill(listed[2], values))

    def _status(self, event: Event, number: int) -> Record:
        if event.outcome == "denied":
            return {"code": PERMISSION_DENIED, "message": "PERMISSION_DENIED"}
        if event.outcome == "error":
            code, message = FAILED[self._names.number("error", number) % len(FAILED)]
            return {"code": code, "message": message}
        return {}


writer: Final = GcpWriter
