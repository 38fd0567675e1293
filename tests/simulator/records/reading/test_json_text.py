"""Exports flatten fields to JSON text, at any depth: what a record says stays the same."""

import copy
import json

import msgspec
import pytest

from scopedrift.simulator.records.json_paths import at, decoded, texts_in
from scopedrift.simulator.records.reading.importer import import_log

POD = {"kind": "Pod", "spec": {"containers": [{"image": "i:1", "securityContext": {"privileged": True}}]}}
RECORDS = {
    "cloudtrail": {
        "eventTime": "2025-03-04T10:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "userIdentity": {
            "type": "AssumedRole",
            "accessKeyId": "ASIAX",
            "accountId": "1",
            "sessionContext": {
                "sessionIssuer": {"arn": "arn:aws:iam::1:role/path/etl"},
                "attributes": {"creationDate": "2025-03-04T09:00:00Z"},
                "sourceIdentity": "anna",
            },
        },
        "requestParameters": {"bucketName": "b", "key": "k"},
        "resources": [{"ARN": "arn:aws:s3:::b"}, {"ARN": "arn:aws:s3:::b/k"}],
        "additionalEventData": {"bytesTransferredOut": 10},
    },
    "cloudtrail of instances": {
        "eventTime": "2025-03-04T10:00:00Z",
        "eventSource": "ec2.amazonaws.com",
        "eventName": "StopInstances",
        "userIdentity": {"type": "IdentityCenterUser", "onBehalfOf": {"userId": "u-1"}},
        "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}]}},
    },
    "kubernetes": {
        "verb": "create",
        "stage": "ResponseComplete",
        "requestReceivedTimestamp": "2025-03-04T10:00:00Z",
        "user": {"username": "sa", "extra": {"authentication.kubernetes.io/pod-name": ["train-1"]}},
        "impersonatedUser": {"username": "other"},
        "objectRef": {"resource": "pods", "namespace": "d", "name": "p"},
        "sourceIPs": ["10.0.0.1"],
        "responseStatus": {"code": 409},
        "annotations": {"authorization.k8s.io/decision": "allow"},
        "requestObject": POD,
    },
    "gcp": {
        "timestamp": "2025-03-04T10:00:00Z",
        "resource": {"type": "k8s_cluster", "labels": {"project_id": "p", "cluster_name": "c"}},
        "protoPayload": {
            "serviceName": "k8s.io",
            "methodName": "io.k8s.core.v1.pods.create",
            "resourceName": "core/v1/namespaces/d/pods/p",
            "authenticationInfo": {
                "principalEmail": "a@p.iam.gserviceaccount.com",
                "serviceAccountDelegationInfo": [{"firstPartyPrincipal": {"principalEmail": "d@e.f"}}],
            },
            "authorizationInfo": [{"granted": False}],
            "requestMetadata": {"callerIp": "10.0.0.1"},
            "status": {"code": 5},
            "request": POD,
        },
    },
    "ocsf": {
        "class_uid": 6003,
        "activity_id": 2,
        "time": 1_709_254_800_123,
        "metadata": {"product": {"name": "CloudTrail"}},
        "actor": {
            "user": {"uid": "arn:aws:iam::1:user/ann", "account": {"uid": "1"}},
            "session": {"uid": "s"},
            "app_name": "w",
        },
        "api": {
            "operation": "GetObject",
            "service": {"name": "s3.amazonaws.com"},
            "request": {"data": {"bucketName": "b", "key": "k"}},
        },
        "cloud": {"provider": "AWS", "account": {"uid": "1"}},
        "resources": [{"uid": "arn:aws:s3:::b"}],
        "src_endpoint": {"ip": "10.0.0.1"},
        "status_id": 1,
    },
    "azure": {
        "time": "2025-03-04T10:00:00Z",
        "resourceId": "/SUBSCRIPTIONS/S/PROVIDERS/MICROSOFT.STORAGE/STORAGEACCOUNTS/A",
        "operationName": "MICROSOFT.STORAGE/STORAGEACCOUNTS/WRITE",
        "resultType": "Failure",
        "identity": {
            "authorization": {"action": "Microsoft.Storage/storageAccounts/write", "evidence": {"principalId": "o"}},
            "claims": {"appid": "a", "uti": "t"},
        },
        "properties": {"statusCode": "Forbidden"},
    },
    "okta": {
        "published": "2025-03-04T10:00:00Z",
        "eventType": "user.session.start",
        "actor": {"id": "1", "type": "User", "alternateId": "a@b.c"},
        "outcome": {"result": "FAILURE", "reason": "INVALID_CREDENTIALS"},
        "client": {"ipAddress": "10.0.0.1"},
    },
}


def places(value, path=()):
    """The path of every object and list inside a record."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(inner, dict | list):
            yield (*path, key)
            yield from places(inner, (*path, key))


def flattened(record, path, times: int):
    """The record with what is at a path as JSON text, or as a text of that again."""
    changed = copy.deepcopy(record)
    *outer, last = path
    held = changed
    for key in outer:
        held = held[key]
    for _ in range(times):
        held[last] = json.dumps(held[last])
    return changed


def rows(tmp_path, records):
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, records)))
    imported = import_log(tmp_path / "log.jsonl")
    frame = imported.log.frame().drop(columns=["credential", "task"])
    assert len(frame) == len(records)
    return [each.dropna().to_dict() for _, each in frame.iterrows()]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", RECORDS)
def test_what_is_said_as_json_text_is_read(tmp_path, name, times):
    found = list(places(RECORDS[name]))
    plain, *told = rows(tmp_path, [RECORDS[name], *(flattened(RECORDS[name], path, times) for path in found)])
    assert [path for path, row in zip(found, told, strict=True) if row != plain] == []


def test_json_text_that_is_broken_is_counted(tmp_path):
    for field in ("userIdentity", "requestParameters", "additionalEventData"):
        (tmp_path / "log.json").write_text(json.dumps({**RECORDS["cloudtrail"], "resources": [], field: "{broken"}))
        report = import_log(tmp_path / "log.json").report
        assert report.unused or report.repaired, field


def test_a_name_in_braces_is_a_name(tmp_path):
    named = {**RECORDS["cloudtrail"], "resources": [], "requestParameters": {"functionName": "{name}"}}
    assert rows(tmp_path, [named])[0]["resource"] == "{name}"


def test_a_structure_that_is_nested_too_deeply_is_the_text_that_it_is():
    deep = "{a=" * 3_000 + "1" + "}" * 3_000
    assert decoded(deep) == deep and list(texts_in({"evidence": deep})) == [deep]
    assert decoded("{b=1, a=" + deep + "}") == "{b=1, a=" + deep + "}"
    assert at({"a": "{b={c={d=1}}}"}, "a.b.c.d") == "1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'{"name": "\ud800x"}', {"name": "?x"}),
        (r'"{\"name\": \"\\udfff\"}"', {"name": "?"}),
        ('{"a": NaN, "b": 1e999, "c": "x\x01y"}', {"a": None, "b": None, "c": "x\x01y"}),
        ('{"a": ' + "9" * 5_000 + "}", {"a": None}),
    ],
)
def test_what_strict_json_lacks_is_replaced_in_texts_as_in_records(text, value):
    assert decoded(text) == value
    msgspec.json.encode(decoded(text))
