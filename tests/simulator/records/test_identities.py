"""One identity for whoever acted, whatever the format tells of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.simulator.records.identities import arn_facts, resolve, rules
from scopedrift.simulator.records.reading.importer import import_log

ACCOUNT = "111122223333"
NAME = st.from_regex(r"[a-z][a-z0-9_+=,.-]{0,12}", fullmatch=True)
PATH = st.sampled_from(["", "service-role/", "aws-reserved/sso.amazonaws.com/eu-west-1/"])
SUBJECT = st.builds("system:serviceaccount:{}:{}".format, *[st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)] * 2)


def cloudtrail(who, **changed):
    return {
        "eventTime": "2026-01-05T10:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "userIdentity": who,
        "requestParameters": {"bucketName": "b", "key": "k"},
        **changed,
    }


def ocsf(actor, **changed):
    return {
        "class_uid": 6003,
        "activity_id": 2,
        "time": 1_767_607_200_000,
        "metadata": {"product": {"name": "CloudTrail"}},
        "actor": actor,
        "api": {
            "operation": "GetObject",
            "service": {"name": "s3.amazonaws.com"},
            "request": {"data": json.dumps({"bucketName": "b", "key": "k"})},
        },
        "cloud": {"provider": "AWS", "account": {"uid": ACCOUNT}},
        "status": "Success",
        **changed,
    }


def events(tmp_path_factory, *records):
    file = tmp_path_factory.mktemp("log") / "log.jsonl"
    file.write_text("\n".join(map(json.dumps, records)))
    frame = import_log(file).log.frame()
    return frame[["identity", "operation", "resource", "outcome"]].astype(object).to_dict("records")


@given(name=NAME, path=PATH, session=NAME)
def test_a_role_is_one_identity_whatever_its_path_its_session_and_the_format(tmp_path_factory, name, path, session):
    arn, issuer = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}", f"arn:aws:iam::{ACCOUNT}:role/{path}{name}"
    told = {"type": "AssumedRole", "arn": arn, "accountId": ACCOUNT, "principalId": f"AROA1:{session}"}
    context = {"sessionContext": {"sessionIssuer": {"arn": issuer}, "attributes": {"creationDate": "x"}}}
    user = {"type": "AssumedRole", "uid": arn, "uid_alt": f"AROA1:{session}"}
    found = events(
        tmp_path_factory,
        cloudtrail(told),
        cloudtrail({**told, **context}),
        ocsf({"user": user}),
        ocsf({"user": user, "session": {"issuer": issuer}}),
    )
    assert found[0]["identity"] == f"arn:aws:iam::{ACCOUNT}:role/{name}"
    assert found == [found[0]] * 4


@given(name=NAME, path=PATH)
def test_a_user_and_root_are_the_same_in_both_formats(tmp_path_factory, name, path):
    arn = f"arn:aws:iam::{ACCOUNT}:user/{path}{name}"
    found = events(
        tmp_path_factory,
        cloudtrail({"type": "IAMUser", "arn": arn, "principalId": "AIDA1", "userName": name}),
        cloudtrail({"type": "IAMUser", "accountId": ACCOUNT, "userName": name}),
        ocsf({"user": {"type": "IAMUser", "uid": arn, "uid_alt": "AIDA1", "name": name}}),
        ocsf({"user": {"type": "IAMUser", "uid": "AIDA1", "uid_alt": arn}}),
        ocsf({"user": {"type": "IAMUser", "uid_alt": "AIDA1", "name": name, "account": {"uid": ACCOUNT}}}),
    )
    assert found[0]["identity"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    assert found == [found[0]] * 5
    root = f"arn:aws:iam::{ACCOUNT}:root"
    first, second = events(
        tmp_path_factory,
        cloudtrail({"type": "Root", "arn": root, "principalId": ACCOUNT, "accountId": ACCOUNT}),
        ocsf({"user": {"type": "Root", "uid": root, "uid_alt": ACCOUNT}}),
    )
    assert first == second and first["identity"] == root


@given(subject=SUBJECT)
def test_a_service_account_is_the_same_in_every_telling_of_its_clusters_request(tmp_path_factory, subject):
    kubernetes = {
        "auditID": "a",
        "verb": "get",
        "requestReceivedTimestamp": "2026-01-05T10:00:00Z",
        "user": {"username": subject},
        "objectRef": {"resource": "secrets", "namespace": "n", "name": "s"},
        "responseStatus": {"code": 200},
    }
    event = ocsf(
        {"user": {"name": subject, "uid": "1234"}, "session": {"issuer": "arn:aws:iam::1:role/node"}},
        metadata={"product": {"name": "Amazon EKS"}},
        api={"operation": "get", "response": {"code": 200}},
        resources=[{"type": "secrets", "namespace": "n", "name": "s"}],
    )
    first, second = events(tmp_path_factory, kubernetes, event)
    assert first == second == {
        "identity": subject, "operation": "get secrets", "resource": "n/secrets/s", "outcome": "success"
    }  # fmt: skip


def test_one_name_in_two_clusters_is_two_identities(tmp_path_factory):
    def entry(cluster):
        return {
            "timestamp": "2026-01-05T10:00:00Z",
            "resource": {"labels": {"project_id": "p", "location": "l", "cluster_name": cluster}},
            "protoPayload": {
                "serviceName": "k8s.io",
                "methodName": "io.k8s.core.v1.secrets.get",
                "authenticationInfo": {"principalEmail": "system:serviceaccount:n:a"},
            },
        }

    first, second, again = events(tmp_path_factory, entry("one"), entry("two"), entry("one"))
    assert first["identity"] == again["identity"] != second["identity"]
    assert first["identity"] == "p/l/one:system:serviceaccount:n:a"


@pytest.mark.parametrize(
    ("context", "person"),
    [
        ({"role": "AWSReservedSSO_admin_1", "session": "ann"}, "ann"),
        ({"role": "r", "session": "ann@example.org"}, "ann@example.org"),
        ({"role": "r", "session": "ann", "console": "true"}, "ann"),
        ({"role": "r", "session": "run-7"}, None),
    ],
)
def test_a_session_that_is_a_persons(context, person):
    assert resolve({"account": "1", **context}).person == person


def test_every_rule_can_be_reached():
    """A rule that those before it always hide would mislead whoever reads the table."""
    reached = set()
    facts = [
        {"kind": "IdentityCenterUser", "person": "u"},
        {"cluster_user": "x", "account": "1", "role": "r"},
        {"cluster_user": "system:x", "cluster": "c"},
        {"cluster_user": "ann"},
        arn_facts("arn:aws:sts::1:assumed-role/r/s"),
        arn_facts("arn:aws:iam::1:root"),
        {"kind": "Root", "account": "1"},
        arn_facts("arn:aws:iam::1:user/a"),
        {"kind": "IAMUser", "account": "1", "user_name": "a"},
        arn_facts("arn:aws:sts::1:federated-user/d"),
        {"kind": "FederatedUser", "issuer": "i"},
        {"kind": "WebIdentityUser", "provider": "p", "user_name": "a"},
        {"agent": "a"},
        {"kind": "AWSAccount", "principal": "AROA1:s"},
        {"object": "o", "application": "a"},
        {"application": "a"},
        {"uid": "u"},
        {"email": "a@b"},
        {"subject": "principal://x"},
        {"service": "s"},
        {"user_name": "a"},
        {"principal": "p"},
        {"kind": "AWSAccount", "account": "1"},
    ]
    for each in facts:
        identity = resolve(each).identity
        assert identity, each
        reached.add(identity)
    assert len(facts) == len(rules().identities)
