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
        ({"status_id": 0}, None),
    ],
)
def test_outcomes(tmp_path, changed, outcome):
    assert event(tmp_path, **changed).outcome == outcome


def test_an_agent_with_its_task(tmp_path):
    found = event(tmp_path, actor={}, ai_agent={"uid": "agent-7"}, delegation={"uid": "t-1", "user": {"uid": "ann"}})
    assert (found.identity, found.on_behalf_of) == ("agent-7", "ann")
    assert found.task
