"""One act is one event, however many records tell of it."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.simulator.records.reading.importer import import_log

START = datetime(2026, 1, 5, 10, tzinfo=UTC)


def iso(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def micro(seconds: float) -> int:
    return int((START.timestamp() + seconds) * 1_000_000)


def cloudtrail(number: int = 0, **changed):
    return {
        "eventTime": iso(number),
        "eventID": f"id-{number}",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann"},
        "requestParameters": {"bucketName": "b", "key": f"k{number}"},
        "recipientAccountId": "1",
        **changed,
    }


def kubernetes(stage: str, seconds: float, code: int | None = None, **changed):
    return {
        "auditID": "a",
        "stage": stage,
        "verb": "watch",
        "requestURI": "/api/v1/pods?watch=true",
        "requestReceivedTimestamp": iso(0),
        "stageTimestamp": iso(seconds),
        "user": {"username": "ann"},
        "responseStatus": None if code is None else {"code": code},
        **changed,
    }


def gcp(seconds: float, operation=None, **changed):
    payload = {
        "serviceName": "compute.googleapis.com",
        "methodName": "v1.compute.instances.insert",
        "resourceName": "projects/p/instances/i",
        "authenticationInfo": {"principalEmail": "tf@p.iam.gserviceaccount.com"},
    }
    return {
        "insertId": "x",
        "logName": "projects/p/logs/activity",
        "timestamp": iso(seconds),
        "receiveTimestamp": iso(seconds + 1),
        "operation": operation,
        "protoPayload": {**payload, **changed},
    }


def imported(folder, *records):
    file = folder / "log.jsonl"
    file.write_text("\n".join(map(json.dumps, records)))
    return import_log(file)


@pytest.mark.parametrize("record", [cloudtrail(), kubernetes("ResponseComplete", 1, 200), gcp(0)])
def test_a_record_that_is_delivered_again_is_the_same_act(tmp_path, record):
    result = imported(tmp_path, record, record, record)
    assert (result.report.events, result.report.repeated, result.report.records) == (1, 2, 3)
    assert "merged 2 records that repeat another record's act" in result.report.summary()
    assert result.original(0) == record
    assert [position for position, _, _ in result.records()] == [0]


@given(order=st.permutations([0, 0, 1, 1, 1, 2]))
def test_repeats_change_nothing_but_their_count(tmp_path_factory, order):
    once = imported(tmp_path_factory.mktemp("once"), *(cloudtrail(number) for number in range(3)))
    result = imported(tmp_path_factory.mktemp("twice"), *(cloudtrail(number) for number in order))
    assert result.log.digest == once.log.digest and result.report.repeated == 3
    assert sorted(result.original(at)["eventID"] for at in range(3)) == ["id-0", "id-1", "id-2"]
    assert [at for at, _, record in sorted(result.records(), key=lambda each: each[0])] == [0, 1, 2]


@pytest.mark.parametrize(
    "changed",
    [
        {"eventName": "PutObject"},
        {"eventTime": iso(5)},
        {"errorCode": "AccessDenied"},
        {"sourceIPAddress": "10.0.0.9"},
        {"requestParameters": {"bucketName": "b", "key": "other"}},
        {"userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ben"}},
        {"eventID": "id-9"},
        {"eventID": None},
    ],
)
def test_an_id_that_is_used_for_something_else_is_another_act(tmp_path, changed):
    assert imported(tmp_path, cloudtrail(), {**cloudtrail(), **changed}).report.events == 2


def test_a_client_cannot_hide_requests_behind_one_audit_id(tmp_path):
    first = kubernetes("ResponseComplete", 1, 200)
    for changed in ({"verb": "delete"}, {"requestURI": "/api/v1/secrets"}, {"requestReceivedTimestamp": iso(0.5)}):
        assert imported(tmp_path, first, {**first, **changed}).report.events == 2


def test_an_addendum_completes_the_record_that_it_is_about(tmp_path):
    whole = cloudtrail(errorCode="AccessDenied")
    addendum = {**whole, "eventID": "id-7", "addendum": {"reason": "UPDATED_DATA", "originalEventID": "id-0"}}
    bare = {**cloudtrail(), "requestParameters": None}
    for records in ((bare, addendum), (addendum, bare)):
        (event,) = imported(tmp_path, *records).log.batch(0, 1)
        assert (event.resource, event.outcome) == ("arn:aws:s3:::b/k0", "denied")
    assert imported(tmp_path, addendum).report.events == 1


def test_an_act_that_two_accounts_record_is_the_callers(tmp_path):
    caller = cloudtrail(sharedEventID="s", eventID="id-1")
    owner = {
        **caller,
        "eventID": "id-2",
        "userIdentity": {"type": "AWSAccount", "accountId": "1", "principalId": "AIDA1"},
    }
    for records in ((caller, owner), (owner, caller)):
        (event,) = imported(tmp_path, *records).log.batch(0, 1)
        assert event.identity == "arn:aws:iam::1:user/ann"


def test_the_stages_of_a_request_are_one_act_from_its_begin_to_its_end(tmp_path):
    result = imported(tmp_path, kubernetes("ResponseComplete", 600, 500), kubernetes("ResponseStarted", 1, 200))
    (event,) = result.log.batch(0, 1)
    assert (event.time, event.arrived, event.outcome) == (micro(0), micro(600), "error")


def test_the_begin_and_the_end_of_an_operation_are_one_act(tmp_path):
    operation = {"id": "op", "producer": "compute.googleapis.com"}
    begin = gcp(0, {**operation, "first": True})
    end = gcp(90, {**operation, "last": True}, status={"code": 7}, resourceName=None)
    for records in ((begin, end), (end, begin)):
        (event,) = imported(tmp_path, *records).log.batch(0, 1)
        assert (event.time, event.arrived, event.outcome) == (micro(0), micro(91), "denied")
        assert event.resource == "projects/p/instances/i"
    whole = [gcp(at, {**operation, "first": True, "last": True}) for at in (0, 90)]
    assert imported(tmp_path, *whole).report.events == 2
    assert imported(tmp_path, *(gcp(at, operation) for at in (0, 90))).report.events == 2


def test_ids_of_credentials_and_tasks_keep_all_their_bits(tmp_path):
    keys = [f"AKIA{number}" for number in range(200)]
    who = {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann"}
    result = imported(
        tmp_path, *(cloudtrail(n, userIdentity={**who, "accessKeyId": key}) for n, key in enumerate(keys))
    )
    credentials = result.log.batch(0, 200)["credential"]
    assert len(np.unique(credentials)) == 200
    assert np.any(credentials & 1), "the lowest bit is as often set as not"
