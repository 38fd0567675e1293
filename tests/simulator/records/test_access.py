"""What access an operation is: by what the providers publish, else by its words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.scenarios import catalogue
from scopedrift.simulator.log.events import ACCESS
from scopedrift.simulator.records.access import PROVIDERS, access_of, by_name, published


@pytest.mark.parametrize(
    ("service", "operation", "access"),
    [
        ("iam", "UpdateAssumeRolePolicy", "admin"),
        ("iam", "CreateUser", "admin"),
        ("signin", "GetSigninToken", "auth"),
        ("signin", "ConsoleLogin", "auth"),
        ("sts", "AssumeRoleWithWebIdentity", "auth"),
        ("sts", "GetCallerIdentity", "read"),
        ("kms", "Decrypt", "read"),
        ("kms", "CreateGrant", "admin"),
        ("s3", "ListObjectsV2", "read"),
        ("s3", "DeleteObjects", "delete"),
        ("ec2", "ModifySnapshotAttribute", "admin"),
        ("lambda", "AddPermission20150331v2", "admin"),
        ("lambda", "CreateFunction20150331", "create"),
        ("monitoring", "GetMetricData", "read"),
        ("logging", "DeleteSink", "admin"),
        ("logging", "sinks.delete", "admin"),
        ("logging", "UpdateBucket", "admin"),
        ("logging", "views.delete", "admin"),
        ("logging", "UpdateCmekSettings", "admin"),
        ("logging", "DeleteLog", "delete"),
        ("logging", "entries.write", "write"),
        ("storage", "buckets.delete", "delete"),
        ("eks", "CreateAccessEntry", "admin"),
        ("ec2", "DisableEbsEncryptionByDefault", "admin"),
        ("compute", "instances.insert", "create"),
        ("secretmanager", "AccessSecretVersion", "auth"),
    ],
)
def test_what_is_published_is_listed_and_judged(service, operation, access):
    assert access_of(service, operation) == (access, True)


def test_every_cloud_operation_of_the_catalogue_has_its_own_access():
    for name, each in catalogue.operations().items():
        if each.stream == "cloud_audit":
            assert access_of(each.service, each.operation)[0] == each.access, name


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_table_names_its_source_and_holds_classes_only(provider):
    source, table = published(provider)
    assert re.search(r"\d+\.\d+", source) and set(table.values()) <= set(ACCESS)


def test_a_record_that_says_whether_it_reads_is_believed_but_for_credentials():
    assert access_of("x", "Frobnicate", True) == ("read", False)
    assert access_of("s3", "GetObject", False)[0] != "read"
    assert access_of("sts", "AssumeRole", True) == ("auth", True)


VERBS = {"get": "read", "list": "read", "watch": "read", "create": "create", "delete": "delete", "update": "write"}


@given(verb=st.sampled_from(sorted(VERBS)), thing=st.sampled_from(["", "item", "pods"]), style=st.integers(0, 6))
def test_words_decide_in_any_case_and_spelling(verb, thing, style):
    words = [word for word in (verb, thing) if word]
    spelling = [
        "".join(map(str.capitalize, words)),
        "_".join(words),
        "_".join(words).upper(),
        "-".join(words),
        ".".join(reversed(words)),
        " ".join(words),
        ":".join(reversed(words)).upper(),
    ][style]
    assert by_name("gateway", spelling) == VERBS[verb], spelling
