"""Who, what, on what and with what outcome, as CloudTrail records say it."""

import json

import pytest

from scopedrift.simulator.log.events import COLUMNS
from scopedrift.simulator.records.errors import LogError, Unreadable
from scopedrift.simulator.records.reading import cloudtrail
from scopedrift.simulator.records.reading.aws_requests import target
from scopedrift.simulator.records.reading.cloudtrail import CloudTrailMapper, actor_of
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.row_builder import RowBuilder
from scopedrift.simulator.records.timestamps import Times, parse_time

ROLE = "arn:aws:iam::111122223333:role/trainer"
SESSION = {
    "type": "AssumedRole",
    "principalId": "AROAEXAMPLE:job-20240301",
    "arn": "arn:aws:sts::111122223333:assumed-role/trainer/job-20240301",
    "accountId": "111122223333",
    "accessKeyId": "ASIAEXAMPLE",
    "sessionContext": {
        "sessionIssuer": {"type": "Role", "arn": ROLE, "accountId": "111122223333", "userName": "trainer"},
        "attributes": {"creationDate": "2024-03-01T00:00:00Z", "mfaAuthenticated": "false"},
    },
}


def record(**changed):
    return {
        "eventVersion": "1.09",
        "userIdentity": SESSION,
        "eventTime": "2024-03-01T01:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "sourceIPAddress": "10.0.0.1",
        "readOnly": True,
        "requestParameters": {"bucketName": "data", "key": "a/b"},
        "recipientAccountId": "111122223333",
        **changed,
    }


def event(tmp_path, **changed):
    (tmp_path / "log.jsonl").write_text(json.dumps(record(**changed)))
    (only,) = import_log(tmp_path / "log.jsonl").log.batch(0, 1)
    return only


def test_a_role_session_is_its_role_its_task_and_a_workload_without_numbers(tmp_path):
    found = event(tmp_path)
    assert (found.identity, found.workload) == (ROLE, "job-*")
    assert (found.service, found.operation, found.access) == ("s3", "GetObject", "read")
    assert (found.resource, found.project, found.source) == ("arn:aws:s3:::data/a/b", "111122223333", "10.0.0.1")
    assert (found.outcome, found.stream, found.credential_kind) == ("success", "cloud_audit", "session")
    assert found.credential and found.task and found.bytes is None


def test_two_sessions_of_a_role_are_two_tasks_of_one_identity(tmp_path):
    later = json.loads(json.dumps(SESSION))
    later["sessionContext"]["attributes"]["creationDate"] = "2024-03-02T00:00:00Z"
    first, second = event(tmp_path), event(tmp_path, userIdentity=later)
    assert first.identity == second.identity and first.task != second.task


@pytest.mark.parametrize(
    ("who", "identity"),
    [
        ({"type": "Root", "arn": "arn:aws:iam::1:root"}, "arn:aws:iam::1:root"),
        ({"type": "IAMUser", "userName": "ann", "accountId": "1"}, "arn:aws:iam::1:user/ann"),
        ({"type": "AWSService", "invokedBy": "rds.amazonaws.com"}, "rds.amazonaws.com"),
        ({"type": "AWSAccount", "principalId": "AIDAX", "accountId": "2"}, "AIDAX"),
        ({"type": "AssumedRole", "arn": "arn:aws:sts::1:assumed-role/r/s"}, "arn:aws:iam::1:role/r"),
        ({"type": "WebIdentityUser", "userName": "repo:a/b", "principalId": "p"}, "repo:a/b"),
        ({"type": "WebIdentityUser", "userName": "a:b", "identityProvider": "arn:oidc/1"}, "arn:oidc/1:a:b"),
        ({"type": "IAMUser", "arn": "arn:aws:iam::1:user/team/ann"}, "arn:aws:iam::1:user/ann"),
        (
            {"type": "IdentityCenterUser", "accountId": "1", "onBehalfOf": {"userId": "u"}},
            "arn:aws:identitystore:::user/u",
        ),
        ({"type": "IAMUser", "userName": "HIDDEN_DUE_TO_SECURITY_REASONS", "accountId": "1"}, None),
        ({"type": "Unknown", "accountId": "1"}, None),
        ({"type": "AWSAccount", "accountId": "1"}, "1"),
        ({}, None),
        (None, None),
    ],
)
def test_every_kind_of_principal(who, identity):
    assert actor_of(who)[0] == identity


def test_sessions_of_a_role_in_another_account_are_tasks_of_one_identity():
    def seen(name: str):
        return actor_of({"type": "AWSAccount", "principalId": f"AROAEXAMPLE2:{name}", "accountId": "2"})

    first, second = (seen(f"job-1f0e2d3c-4b5a-4978-8695-a4b3c2d1e0f{n}") for n in (1, 2))
    assert first[:2] == second[:2] == ("AROAEXAMPLE2", "job-*") and first[2] != second[2]
    assert seen("deploy") == ("AROAEXAMPLE2", "deploy", None, None)


def test_a_person_with_single_sign_on_acts_as_the_role_on_their_own_behalf():
    role = "arn:aws:iam::1:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_admin_1"
    who = {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::1:assumed-role/AWSReservedSSO_admin_1/ann@example.org",
        "sessionContext": {"sessionIssuer": {"arn": role}},
    }
    identity, workload, _, behalf = actor_of(who)
    assert (identity, workload, behalf) == ("arn:aws:iam::1:role/AWSReservedSSO_admin_1", None, "ann@example.org")


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "success"),
        ("AccessDenied", "denied"),
        ("Client.UnauthorizedOperation", "denied"),
        ("AccessDeniedException", "denied"),
        ("NoSuchBucket", "error"),
        ("ThrottlingException", "error"),
        ("VpceAccessDenied", "denied"),
        (403, "denied"),
        ("404", "error"),
        ("Err40312", "error"),
    ],
)
def test_outcome_by_error_code(tmp_path, error, outcome):
    assert event(tmp_path, errorCode=error).outcome == outcome


@pytest.mark.parametrize("field", ["responseElements", "serviceEventDetails"])
@pytest.mark.parametrize("name", ["ConsoleLogin", "CheckMfa", "SwitchRole", "CredentialVerification"])
def test_a_sign_in_that_failed_is_denied(tmp_path, name, field):
    login = {"eventName": name, "eventSource": "signin.amazonaws.com", "readOnly": False}
    assert event(tmp_path, **login, **{field: {name: "Failure"}}).outcome == "denied"
    assert event(tmp_path, **login, **{field: json.dumps({name: "Failure"})}).outcome == "denied"
    assert event(tmp_path, **login, **{field: {name: "Success"}}).outcome == "success"


def test_a_message_without_a_code_says_how_a_call_ended(tmp_path):
    assert event(tmp_path, errorMessage="The function's role cannot be assumed.").outcome == "error"
    assert event(tmp_path, errorMessage="Failed authentication").outcome == "denied"


def test_the_object_is_what_a_call_is_about_whatever_is_listed_first(tmp_path):
    bucket, thing = {"ARN": "arn:aws:s3:::data"}, {"ARN": "arn:aws:s3:::data/a/b"}
    for listed in ([bucket, thing], [thing, bucket], [bucket]):
        assert event(tmp_path, resources=listed).resource == "arn:aws:s3:::data/a/b"
    assert event(tmp_path, resources=[bucket], requestParameters={"bucketName": "data"}).resource == "arn:aws:s3:::data"
    assert event(tmp_path, resources=[bucket], requestParameters={"bucketName": "data2", "key": "k"}).resource == (
        "arn:aws:s3:::data"
    )


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_the_object_is_what_a_copy_writes(tmp_path, partition):
    source, bucket, copy = ({"ARN": f"arn:{partition}:s3:::{name}"} for name in ("from/k", "to", "to/k"))
    request = {"bucketName": "to", "key": "k", "x-amz-copy-source": "from/k"}
    for listed in ([source, bucket, copy], [bucket, copy, source], [bucket, source], [bucket]):
        found = event(tmp_path, eventName="CopyObject", requestParameters=request, resources=listed)
        assert found.resource == f"arn:{partition}:s3:::to/k"


@pytest.mark.parametrize("field", ["userIdentity", "requestParameters", "additionalEventData", "resources"])
def test_a_field_that_holds_its_value_as_json_text_is_read(tmp_path, field):
    whole = record(additionalEventData={"bytesTransferredOut": 10}, resources=[{"ARN": "arn:aws:s3:::data/a/b"}])
    (tmp_path / "log.json").write_text(json.dumps([whole, {**whole, field: json.dumps(whole[field])}]))
    imported = import_log(tmp_path / "log.json")
    first, second = imported.log.batch(0, 2)
    assert [getattr(first, name) for name in COLUMNS] == [getattr(second, name) for name in COLUMNS]
    assert not imported.report.repaired


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"bucketName": "b"}, "arn:aws:s3:::b"),
        ({"roleSessionName": "s", "roleArn": "arn:r"}, "arn:r"),
        ({"secretId": "db"}, "db"),
        ({"instancesSet": {"items": [{"instanceId": "i-1"}]}}, "i-1"),
        ({"names": ["a", "b"]}, "a"),
        ({"documentName": "AWS-RunShellScript", "instanceIds": ["i-1"]}, "i-1"),
        ({"documentName": "AWS-RunShellScript", "targets": [{"key": "tag:env", "values": ["prod"]}]}, "prod"),
        ({"dBInstanceIdentifier": "db", "roleArn": "arn:r"}, "db"),
        ({"roleArn": "arn:r", "processingJobName": "job"}, "job"),
        ({"roleArn": "arn:r", "roleSessionName": "s", "principalArn": "arn:p", "sAMLAssertionID": "x"}, "arn:r"),
        ({"roleArn": "arn:r", "externalId": "e"}, "arn:r"),
        ({"cluster": "c", "taskDefinition": "train:1"}, "train:1"),
        ({"cluster": "c", "service": "web", "taskDefinition": "web:1"}, "web"),
        ({"cluster": "c", "task": "t", "command": "sh"}, "t"),
        ({"rule": "nightly", "targets": [{"id": "1", "arn": "arn:f"}]}, "nightly"),
        ({"CreateFlowLogsRequest": {"LogGroupName": "g"}}, "g"),
        ({"clientToken": "x", "maxResults": 5}, None),
        (None, None),
    ],
)
def test_what_a_request_is_about(parameters, expected):
    assert target(parameters) == expected


def test_the_image_of_a_request_that_runs_something(tmp_path):
    task = {"family": "miner", "containerDefinitions": [{"name": "m", "image": "docker.io/x/y:1"}]}
    ecs = {"eventSource": "ecs.amazonaws.com", "eventName": "RegisterTaskDefinition", "readOnly": False}
    found = event(tmp_path, **ecs, requestParameters=task)
    assert (found.image, found.registry, found.resource) == ("docker.io/x/y:1", "docker.io", "miner")
    assert event(tmp_path, eventName="DescribeImages", requestParameters={"imageId": "ami-1"}).image is None


@pytest.mark.parametrize("moment", ["2024-03-01T01:00:00.250Z", 1709254800250, "1709254800250", 1709254800.25])
def test_an_indexed_record_without_its_event_time(tmp_path, moment):
    plain = {name: value for name, value in record().items() if name != "eventTime"}
    for without in (plain, {**plain, "eventTime": None}, {**plain, "eventTime": ""}):
        (tmp_path / "log.json").write_text(json.dumps({**without, "@timestamp": moment}))
        log = import_log(tmp_path / "log.json").log
        assert log.batch(0, 1)["time"].tolist() == [1_709_254_800_250_000]


def test_the_event_time_wins_over_the_time_of_indexing(tmp_path):
    (tmp_path / "log.json").write_text(json.dumps({**record(), "@timestamp": "2030-01-01T00:00:00Z"}))
    assert import_log(tmp_path / "log.json").log.frame()["time"][0].year == 2024


def test_times_of_neighbours_are_their_own(tmp_path):
    """The time of the last record is remembered: it must not be taken for that of one that has none, or another."""
    first, second = "2026-01-05T10:11:12Z", "2026-01-05T10:11:13Z"
    plain = {name: value for name, value in record().items() if name != "eventTime"}
    records = [
        *({**plain, "eventTime": time} for time in (first, first, second)),
        *({**plain, "@timestamp": time} for time in (first, second)),
        {**plain, "eventTime": "never"},
        {**plain, "eventTime": second},
    ]
    (tmp_path / "log.json").write_text("\n".join(map(json.dumps, records)))
    imported = import_log(tmp_path / "log.json")
    assert imported.report.records == 7
    expected = [parse_time(time) for time in (first, first, first, second, second, second)]
    assert imported.log.batch(0, len(imported.log))["time"].tolist() == expected


def test_a_record_inside_an_elastic_common_schema_event(tmp_path):
    wrapped = {"@timestamp": "2030-01-01T00:00:00Z", "event": {"original": json.dumps(record())}}
    (tmp_path / "log.json").write_text(json.dumps(wrapped))
    imported = import_log(tmp_path / "log.json")
    assert imported.original(0) == record()


def test_what_is_not_cloudtrail_is_left_to_others():
    mapper = CloudTrailMapper(RowBuilder())
    assert mapper.row(b'{"eventName": "GetObject"}') is None
    assert mapper.row(b"{}") is None


def test_remembering_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(cloudtrail, "MEMO", 3)
    many = [record(requestParameters={"bucketName": f"b{i}", "key": "k"}) for i in range(20)]
    (tmp_path / "log.json").write_text(json.dumps(many))
    found = import_log(tmp_path / "log.json").log.frame()["resource"].tolist()
    assert found == [f"arn:aws:s3:::b{i}/k" for i in range(20)]


def test_times_out_of_range_are_no_times(tmp_path):
    (tmp_path / "log.json").write_text(json.dumps(record(eventTime="9999-12-31T23:59:59Z")))
    with pytest.raises(LogError, match="event time not understood"):
        import_log(tmp_path / "log.json")


@pytest.mark.parametrize("text", ["2026-01-05T10:11:12Z", "2026-02-28T23:59:59Z", "1970-01-01T00:00:00Z"])
def test_times_of_whole_seconds_are_read_as_any_other(text):
    assert Times()[text] == parse_time(text) == parse_time(text.replace("Z", "+00:00"))


@pytest.mark.parametrize("text", ["2026-02-30T10:11:12Z", "2026-01-05T24:00:00Z", "1969-12-31T23:59:59Z"])
def test_whole_seconds_that_are_no_time_are_not_read(text):
    with pytest.raises(Unreadable):
        Times()[text]


@pytest.mark.parametrize("key", ["imageId", "i\\u006dageId"])
def test_an_image_is_found_however_its_name_is_written(key):
    call = b'{"eventName":"RunInstances","eventSource":"ec2.amazonaws.com","eventTime":"2026-01-05T10:11:12Z",'
    table = RowBuilder()
    row = CloudTrailMapper(table).row(call + b'"readOnly":false,"requestParameters":{"%s":"ami-1"}}' % key.encode())
    assert table.codes["image"].texts == ["ec2.amazonaws.com/ami-1"] and row is not None
