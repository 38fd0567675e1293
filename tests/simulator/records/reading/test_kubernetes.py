"""Kubernetes audit records of both versions, with and without bodies."""

import json

import pytest

from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.kubernetes import access_of

POD = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Request",
    "auditID": "6d1b0f53-4e5d-4e0c-8a07-3ac1d9a4b1f1",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/ml/pods",
    "verb": "create",
    "user": {
        "username": "system:serviceaccount:ml:trainer",
        "groups": ["system:serviceaccounts"],
        "extra": {
            "authentication.kubernetes.io/credential-id": ["JTI=1b2c"],
            "authentication.kubernetes.io/pod-name": ["trainer-7d9c5b8f4d-x2x7q"],
            "authentication.kubernetes.io/pod-uid": ["uid-1"],
        },
    },
    "sourceIPs": ["203.0.113.9", "10.0.0.7"],
    "objectRef": {"resource": "pods", "namespace": "ml", "name": "worker", "apiVersion": "v1"},
    "responseStatus": {"metadata": {}, "code": 201},
    "requestObject": {"spec": {"containers": [{"name": "w", "image": "ghcr.io/a/b:1"}]}},
    "requestReceivedTimestamp": "2024-03-01T01:00:00.000001Z",
    "stageTimestamp": "2024-03-01T01:00:00.250000Z",
    "annotations": {"authorization.k8s.io/decision": "allow"},
}


def event(tmp_path, **changed):
    (tmp_path / "log.json").write_text(json.dumps({**POD, **changed}))
    (only,) = import_log(tmp_path / "log.json").log.batch(0, 1)
    return only


def test_a_pod_with_its_image(tmp_path):
    found = event(tmp_path)
    assert found.identity == "system:serviceaccount:ml:trainer"
    assert (found.operation, found.access, found.outcome) == ("create pods", "create", "success")
    assert (found.resource, found.project, found.image) == ("ml/pods/worker", "ml", "ghcr.io/a/b:1")
    assert (found.workload, found.credential_kind) == ("trainer", "service-account-token")
    assert found.source == "10.0.0.7", "only the last address is not the client's claim"
    assert found.arrived - found.time == 249_999


SPEC = {"containers": [{"name": "side"}, {"name": "w", "securityContext": {"privileged": True}}]}


@pytest.mark.parametrize(
    ("body", "access"),
    [
        ({"spec": SPEC}, "admin"),
        ({"spec": {"initContainers": SPEC["containers"]}}, "admin"),
        ({"spec": {"ephemeralContainers": SPEC["containers"]}}, "admin"),
        ({"spec": {"template": {"spec": SPEC}}}, "admin"),
        ({"spec": {"jobTemplate": {"spec": {"template": {"spec": SPEC}}}}}, "admin"),
        ({"spec": {"containers": [{"securityContext": {"privileged": False}}]}}, "create"),
        ({"spec": {"containers": ["privileged"], "template": 3}}, "create"),
    ],
)
def test_a_privileged_container_is_administration(tmp_path, body, access):
    assert event(tmp_path, requestObject=body).access == access


def test_at_audit_level_metadata_there_is_no_image(tmp_path):
    plain = {name: value for name, value in POD.items() if name != "requestObject"}
    (tmp_path / "log.json").write_text(json.dumps({**plain, "level": "Metadata"}))
    (found,) = import_log(tmp_path / "log.json").log.batch(0, 1)
    assert found.image is None


def test_records_of_the_beta_version_have_one_time(tmp_path):
    old = {name: value for name, value in POD.items() if "Timestamp" not in name}
    old |= {"apiVersion": "audit.k8s.io/v1beta1", "timestamp": "2018-10-25T13:58:49Z"}
    (tmp_path / "log.json").write_text(json.dumps(old))
    (found,) = import_log(tmp_path / "log.json").log.batch(0, 1)
    assert found.time == found.arrived == 1_540_475_929_000_000


def test_whom_a_request_impersonates(tmp_path):
    assert event(tmp_path, impersonatedUser={"username": "admin"}).on_behalf_of == "admin"


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"responseStatus": {"code": 403}}, "denied"),
        ({"responseStatus": {"code": 401}}, "denied"),
        ({"responseStatus": {"code": 404}}, "error"),
        ({"annotations": {"authorization.k8s.io/decision": "forbid"}}, "denied"),
        ({"responseStatus": None}, None),
        ({"responseStatus": None, "stage": "Panic"}, "error"),
    ],
)
def test_outcomes(tmp_path, changed, outcome):
    assert event(tmp_path, **changed).outcome == outcome


def test_a_request_that_was_received_and_answered_is_one_event(tmp_path):
    received = {**POD, "stage": "RequestReceived", "responseStatus": None}
    (tmp_path / "log.json").write_text(f"{json.dumps(received)}\n{json.dumps(POD)}\n")
    imported = import_log(tmp_path)
    assert [found.outcome for found in imported.log.batch(0, len(imported.log))] == ["success"]
    assert imported.report.skipped == {"a request received but not yet answered (the answer is another record)": 1}


@pytest.mark.parametrize(
    ("verb", "group", "kind", "access"),
    [
        ("get", None, "secrets", "auth"),
        ("create", None, "secrets", "create"),
        ("create", None, "serviceaccounts/token", "auth"),
        ("create", None, "pods/exec", "admin"),
        ("get", None, "pods/exec", "admin"),
        ("list", "rbac.authorization.k8s.io", "clusterroles", "read"),
        ("create", "rbac.authorization.k8s.io", "clusterrolebindings", "admin"),
        ("patch", "apps", "deployments", "write"),
        ("deletecollection", None, "pods", "delete"),
        ("impersonate", None, "users", "admin"),
    ],
)
def test_access_by_verb_and_resource(verb, group, kind, access):
    assert access_of(verb, group, kind) == access


def test_a_list_of_events_and_a_request_without_an_object(tmp_path):
    health = {**POD, "verb": "get", "requestURI": "/healthz?verbose=1"}
    del health["objectRef"]
    (tmp_path / "log.json").write_text(json.dumps({"kind": "EventList", "items": [POD, health]}))
    frame = import_log(tmp_path / "log.json").log.frame()
    assert frame["operation"].tolist() == ["create pods", "get /healthz"]
    assert frame["resource"].tolist() == ["ml/pods/worker", "/healthz"]
