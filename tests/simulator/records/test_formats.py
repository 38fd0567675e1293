"""One table of formats: what it declares is what the readers, the writers, the commands and the documentation do."""

import contextlib
import json
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from scopedrift.experiments.cli import app
from scopedrift.simulator.log.events import STREAMS
from scopedrift.simulator.records.errors import LogError, Unreadable
from scopedrift.simulator.records.formats import FORMATS, format_named, names_of
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.reader import BROKEN
from scopedrift.simulator.records.reading.row_builder import RowBuilder
from scopedrift.simulator.records.writing.naming import ExportNames

RECORDS = {
    "cloudtrail": {"eventTime": "2026-01-05T10:00:00Z", "eventSource": "s3.amazonaws.com", "eventName": "GetObject"},
    "kubernetes": {"requestReceivedTimestamp": "2026-01-05T10:00:00Z", "verb": "get", "auditID": "a"},
    "gcp": {"timestamp": "2026-01-05T10:00:00Z", "protoPayload": {"serviceName": "x", "methodName": "y"}},
    "ocsf": {"time": 1_767_607_200_000, "class_uid": 6003, "metadata": {}},
    "otel": {
        "startTimeUnixNano": "1767607200000000000",
        "traceId": "t",
        "spanId": "s",
        "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}],
    },
    "entra": {"createdDateTime": "2026-01-05T10:00:00Z", "appId": "a"},
    "azure": {"time": "2026-01-05T10:00:00Z", "operationName": "A.B/c/write", "resourceId": "/x", "caller": "a@b"},
    "github": {"@timestamp": 1_767_607_200_000, "action": "git.clone", "actor": "a"},
    "okta": {"published": "2026-01-05T10:00:00Z", "eventType": "user.session.start", "actor": {"id": "a"}},
    "falco": {"time": "2026-01-05T10:00:00Z", "rule": "r", "output_fields": {}},
}
"""The least that a record of each format has."""


@pytest.mark.parametrize("name", FORMATS)
def test_a_record_is_recognised_by_the_fields_of_its_signature_and_no_others(name, tmp_path):
    file = tmp_path / "log.json"
    file.write_text(json.dumps(RECORDS[name]))
    assert import_log(file).report.formats == {name: 1} == import_log(file, format=name).report.formats
    for each in FORMATS[name].signature:
        lacking = json.loads(json.dumps(RECORDS[name]))
        for path in each.split("|"):
            head, _, rest = path.partition(".")
            if rest:
                lacking.get(head, {}).pop(rest, None)
            else:
                lacking.pop(head, None)
        file.write_text(json.dumps(lacking))
        with pytest.raises(LogError, match="no known kind of audit record"):
            import_log(file)


@pytest.mark.parametrize("name", FORMATS)
def test_a_declaration_has_its_reader_its_writer_and_streams_that_exist(name):
    each = FORMATS[name]
    assert each.mapper(RowBuilder()).name == each.name == name
    assert set(each.streams) <= set(STREAMS) and each.title
    if each.written:
        assert {"file", "record"} <= set(dir(each.writer(ExportNames("salt"))))


@pytest.mark.parametrize(
    ("command", "written"), [("score", False), ("profile", False), ("inject", False), ("export", True)]
)
def test_every_option_names_every_format_that_it_takes(command, written):
    told = " ".join(CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "300"}).output.split())
    assert ", ".join(names_of(written=written)) in told


STRANGE = [None, True, -1, 1.5, "", "x", "{}", '{"a": 1}', "[", [], [None], ["x"], [{}], {}, {"value": []}]


def changed(random: Random, value: Any) -> Any:
    """A record, some parts of which are missing or something else."""
    if random.randrange(10) == 0:
        return random.choice(STRANGE)
    if isinstance(value, dict):
        return {name: changed(random, inner) for name, inner in value.items() if random.randrange(30)}
    return [changed(random, inner) for inner in value] if isinstance(value, list) else value


EVENT = {
    "time": 1_767_607_200_000_000, "arrived": 1_767_607_200_000_000, "identity": "spiffe://a.example/ns/a/sa/b",
    "credential": "00000000000000aa", "credential_kind": "oauth", "workload": "w", "task": "00000000000000ab",
    "project": "a", "source": "10.0.0.1", "resource": "git:a/b", "outcome": "denied", "on_behalf_of": "user/x",
    "task_kind": "t", "bytes": 7, "image": None,
}  # fmt: skip
FULL = {
    "cloudtrail": ("cloud_audit", "s3", "GetObject", "read"),
    "kubernetes": ("kubernetes_audit", "kubernetes", "get pods", "read"),
    "gcp": ("cloud_audit", "s3", "GetObject", "read"),
    "ocsf": ("cloud_audit", "s3", "GetObject", "read"),
    "otel": ("agent", "agent", "chat", "read"),
    "falco": ("runtime", "network", "Connect", "write"),
    "entra": ("cloud_audit", "iam", "CreateAccessKey", "admin"),
    "azure": ("cloud_audit", "ec2", "RunInstances", "create"),
    "github": ("runtime", "git", "Push", "write"),
    "okta": ("issuance", "oauth", "ExchangeToken", "auth"),
}


@pytest.mark.parametrize("name", FULL)
@given(random=st.randoms(use_true_random=True))
def test_whatever_the_fields_of_a_record_are_it_is_a_row_or_told(name, random):
    event = SimpleNamespace(**EVENT, **dict(zip(("stream", "service", "operation", "access"), FULL[name], strict=True)))
    whole = json.loads(json.dumps(FORMATS[name].writer(ExportNames("salt")).record(event, 0)))
    mapper = FORMATS[name].mapper(RowBuilder())
    with contextlib.suppress(Unreadable, *BROKEN):  # any other exception fails the test
        mapper.row(json.dumps(changed(random, whole)).encode())


def test_an_unknown_format_is_told_with_the_closest_that_there_is():
    with pytest.raises(LogError, match=r"unknown format 'cloudtrial': expected one of .*; did you mean 'cloudtrail'\?"):
        format_named("cloudtrial")
