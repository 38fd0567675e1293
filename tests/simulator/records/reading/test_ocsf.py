"""OCSF API activity, authentication and network activity."""

import json

import pytest

from scopedrift.simulator.records.reading.importer import import_log

API = {
    "class_uid": 6003,
    "category_uid": 6,
    "activity_id": 2,
    "type_uid": 600302,
    "severity_id": 1,
    "time": 1709254800123,
    "metadata": {"product": {"name": "CloudTrail"}, "version": "1.1.0", "logged_time": 1709254860000},
    "actor": {
        "user": {"uid": "arn:aws:iam::1:user/ann", "credential_uid": "AKIAX"},
        "session": {"issuer": "arn:aws:iam::1:role/r", "uid": "s-1"},
    },
    "api": {"operation": "GetObject", "service": {"name": "s3.amazonaws.com"}},
    "cloud": {"account": {"uid": "1"}, "provider": "AWS"},
    "resources": [{"uid": "arn:aws:s3:::b/k"}],
    "src_endpoint": {"ip": "10.0.0.1"},
    "status_id": 1,
}


def event(tmp_path, **changed):
    (tmp_path / "log.json").write_text(json.dumps({**API, **changed}))
    (only,) = import_log(tmp_path / "log.json").log.batch(0, 1)
    return only


def test_api_activity(tmp_path):
    found = event(tmp_path)
    assert (found.identity, found.credential_kind) == ("arn:aws:iam::1:role/r", "static-key")
    assert (found.service, found.operation, found.access) == ("s3", "GetObject", "read")
    assert (found.resource, found.project, found.source) == ("arn:aws:s3:::b/k", "1", "10.0.0.1")
    assert (found.time, found.arrived) == (1_709_254_800_123_000, 1_709_254_860_000_000)


def test_authentication_is_issuance(tmp_path):
    found = event(tmp_path, class_uid=3002, type_uid=300201, activity_id=1, user={"uid": "u-1"}, actor=None)
    assert (found.stream, found.access, found.identity) == ("issuance", "auth", "u-1")


def test_a_metadata_read_is_runtime(tmp_path):
    found = event(tmp_path, class_uid=4001, dst_endpoint={"ip": "169.254.169.254"}, resources=[], api=None)
    assert (found.stream, found.resource) == ("runtime", "169.254.169.254")


@pytest.mark.parametrize(
    ("changed", "outcome"),
    [
        ({"status_id": 2, "status_code": "AccessDenied"}, "denied"),
        ({"status_id": 2, "status_code": "403"}, "denied"),
        ({"status_id": 2, "status_code": "NoSuchKey"}, "error"),
        ({"status_id": 2, "status_detail": "request 140312 timed out"}, "error"),
        ({"status_id": None, "status": "Failure", "api": {"response": {"error": "AccessDenied"}}}, "denied"),
        ({"status_id": 0}, None),
    ],
)
def test_outcomes(tmp_path, changed, outcome):
    assert event(tmp_path, **changed).outcome == outcome


def test_an_agent_with_its_task(tmp_path):
    found = event(tmp_path, actor={}, ai_agent={"uid": "agent-7"}, delegation={"uid": "t-1", "user": {"uid": "ann"}})
    assert (found.identity, found.on_behalf_of) == ("agent-7", "ann")
    assert found.task


def test_a_time_that_is_null_is_read_from_its_other_field(tmp_path):
    assert event(tmp_path, time=None, time_dt="2024-03-01T01:00:00.5Z").time == 1_709_254_800_500_000


@pytest.mark.parametrize(
    ("kind", "activity", "access"),
    [
        (6005, 1, "read"),
        (6005, 4, "read"),
        (6005, 6, "create"),
        (3001, 4, "admin"),
        (3005, 2, "admin"),
        (1007, 2, "delete"),
        (1001, 14, "read"),
        (4003, 1, "read"),
        (6003, 4, "delete"),
    ],
)
def test_an_activity_means_what_its_class_says(tmp_path, kind, activity, access):
    assert event(tmp_path, class_uid=kind, activity_id=activity, api=None, activity_name="X").access == access


def test_an_event_of_a_cluster_is_read_as_the_clusters_own_record(tmp_path):
    """Shaped as the EKS sample of the schema's examples: the session is the node's role's, the user is the node."""
    node = {"name": "system:node:ip-10-0-0-1", "uid": "heptio-authenticator-aws:1:AROAX"}
    found = event(
        tmp_path,
        metadata={"product": {"name": "Amazon EKS", "version": "audit.k8s.io/v1"}},
        actor={"user": node, "session": {"issuer": "arn:aws:iam::1:role/NodeInstanceRole", "uid": "i-1"}},
        api={"operation": "create", "response": {"code": 403}, "request": {"uid": "f47c"}},
        resources=[{"type": "pods", "namespace": "ml", "name": "p-1"}],
        cloud={"account": {"uid": "arn:aws:sts::1:assumed-role/NodeInstanceRole/i-1"}},
        start_time_dt="2024-03-01 01:00:00.100000+00:00",
        status_id=None,
    )
    assert (found.stream, found.identity, found.service) == (
        "kubernetes_audit",
        "system:node:ip-10-0-0-1",
        "kubernetes",
    )
    assert (found.operation, found.resource, found.project) == ("create pods", "ml/pods/p-1", "ml")
    assert (found.access, found.outcome) == ("create", "denied")
    assert (found.time, found.arrived) == (1_709_254_800_100_000, 1_709_254_800_123_000)


@pytest.mark.parametrize(
    ("changed", "access"),
    [
        ({"class_uid": "6005", "activity_id": "4"}, "read"),
        ({"class_uid": 6005, "activity_id": None, "type_uid": 600504}, "read"),
        ({"class_uid": 6005, "activity_id": None, "type_uid": 600304, "activity_name": "Drop Table"}, "delete"),
        ({"class_uid": 3001, "activity_id": 99}, "admin"),
        ({"class_uid": 3002, "activity_id": 77}, "auth"),
        ({"class_uid": 3004, "activity_id": 2}, "read"),
        ({"class_uid": 3004, "activity_id": 99}, "admin"),
    ],
)
def test_an_activity_however_it_is_stated(tmp_path, changed, access):
    assert event(tmp_path, **{"activity_name": "Other", **changed, "api": None}).access == access


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        ({"uid": "AIDAX", "uuid": "arn:aws:iam::1:user/ann"}, "arn:aws:iam::1:user/ann"),
        ({"uid": "AIDAX", "uid_alt": "arn:aws:iam::1:user/a/ann"}, "arn:aws:iam::1:user/ann"),
        ({"uid": "AIDAX", "type": "IAMUser", "name": "ann", "account_uid": "2"}, "arn:aws:iam::2:user/ann"),
        ({"type": "WebIdentityUser", "name": "repo:o/r", "uid": "x"}, "idp.example:repo:o/r"),
    ],
)
def test_a_user_in_the_words_of_any_version(tmp_path, user, identity):
    assert event(tmp_path, actor={"user": user, "idp": {"name": "idp.example"}}).identity == identity


@pytest.mark.parametrize("field", ["time_dt", "start_time", "start_time_dt"])
@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_time_gives_way_to_another(tmp_path, field, empty):
    stated = "2024-03-01T01:00:00Z" if field.endswith("_dt") else 1709254800000
    assert event(tmp_path, **{"time": empty, field: stated}).time == 1_709_254_800_000_000
