"""Google Cloud audit log entries."""

import json

import pytest

from scopedrift.simulator.records.reading.importer import import_log

ENTRY = {
    "insertId": "abc",
    "logName": "projects/ml-prod/logs/cloudaudit.googleapis.com%2Factivity",
    "timestamp": "2024-03-01T01:00:00.123456789Z",
    "receiveTimestamp": "2024-03-01T01:00:03Z",
    "severity": "NOTICE",
    "resource": {"type": "gcs_bucket", "labels": {"project_id": "ml-prod", "bucket_name": "data"}},
    "operation": {"id": "op-1"},
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "serviceName": "storage.googleapis.com",
        "methodName": "storage.objects.get",
        "resourceName": "projects/_/buckets/data/objects/a",
        "authenticationInfo": {
            "principalEmail": "trainer@ml-prod.iam.gserviceaccount.com",
            "serviceAccountKeyName": "//iam.googleapis.com/projects/ml-prod/serviceAccounts/trainer/keys/1",
            "serviceAccountDelegationInfo": [{"firstPartyPrincipal": {"principalEmail": "ann@example.org"}}],
        },
        "authorizationInfo": [{"granted": True, "permission": "storage.objects.get"}],
        "requestMetadata": {"callerIp": "10.0.0.1", "callerSuppliedUserAgent": "x"},
        "status": {},
    },
}


def event(tmp_path, entry=None, **payload):
    changed = {**ENTRY, **(entry or {}), "protoPayload": {**ENTRY["protoPayload"], **payload}}
    (tmp_path / "log.json").write_text(json.dumps(changed))
    (only,) = import_log(tmp_path / "log.json").log.batch(0, 1)
    return only


def test_an_entry(tmp_path):
    found = event(tmp_path)
    assert found.identity == "trainer@ml-prod.iam.gserviceaccount.com"
    assert (found.service, found.operation, found.access) == ("storage", "storage.objects.get", "read")
    assert (found.resource, found.project) == ("projects/_/buckets/data/objects/a", "ml-prod")
    assert (found.on_behalf_of, found.credential_kind, found.source) == ("ann@example.org", "static-key", "10.0.0.1")
    assert found.time == 1_709_254_800_123_456
    assert found.arrived == 1_709_254_803_000_000


@pytest.mark.parametrize(
    ("payload", "outcome"),
    [
        ({"status": {"code": 7, "message": "denied"}}, "denied"),
        ({"status": {"code": 16}}, "denied"),
        ({"status": {"code": 5}}, "error"),
        ({"status": {"code": 3}, "authorizationInfo": [{"granted": False}]}, "denied"),
        ({"status": {}}, "success"),
    ],
)
def test_outcomes(tmp_path, payload, outcome):
    assert event(tmp_path, **payload).outcome == outcome


def test_minting_a_token_is_authentication_and_cluster_entries_are_kubernetes(tmp_path):
    minted = event(
        tmp_path, serviceName="iamcredentials.googleapis.com", methodName="GenerateAccessToken", resourceName="x"
    )
    assert (minted.access, minted.service) == ("auth", "iamcredentials")
    assert event(tmp_path, serviceName="k8s.io", methodName="io.k8s.core.v1.pods.create").stream == "kubernetes_audit"


@pytest.mark.parametrize(
    ("method", "access"),
    [
        ("io.k8s.core.v1.pods.list", "read"),
        ("io.k8s.core.v1.pods.exec.create", "admin"),
        ("io.k8s.autoscaling.v2.horizontalpodautoscalers.list", "read"),
        ("io.k8s.batch.v1beta1.cronjobs.delete", "delete"),
        ("com.example.v1alpha1.things.get", "read"),
        ("com.example.policy.v1.things.create", "create"),
        ("io.k8s.authorization.rbac.v1.clusterrolebindings.create", "admin"),
        ("io.k8s.admissionregistration.v1.mutatingwebhookconfigurations.create", "admin"),
    ],
)
def test_the_access_of_a_request_to_a_cluster(tmp_path, method, access):
    assert event(tmp_path, serviceName="k8s.io", methodName=method).access == access


def test_the_project_of_the_log_where_the_resource_names_none(tmp_path):
    assert event(tmp_path, {"resource": {"type": "x", "labels": {}}}).project == "ml-prod"


def test_the_image_of_what_is_created(tmp_path):
    body = {"jobSpec": {"workerPoolSpecs": [{"containerSpec": {"imageUri": "gcr.io/x/train:2"}}]}}
    method = "google.cloud.aiplatform.v1.JobService.CreateCustomJob"
    found = event(tmp_path, serviceName="aiplatform.googleapis.com", methodName=method, request=body)
    assert (found.image, found.access) == ("gcr.io/x/train:2", "create")


def test_a_time_that_is_null_is_the_time_of_receipt(tmp_path):
    assert event(tmp_path, {"timestamp": None}).time == 1_709_254_803_000_000


def test_a_login_that_failed_is_denied(tmp_path):
    login = {"serviceName": "login.googleapis.com", "methodName": "google.login.LoginService.loginFailure"}
    assert event(tmp_path, **login).outcome == "denied"
    assert event(tmp_path, **{**login, "methodName": "google.login.LoginService.loginSuccess"}).outcome == "success"
