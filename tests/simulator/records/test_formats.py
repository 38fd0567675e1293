"""One table of formats: what it declares is what the readers, the writers, the commands and the documentation do."""

import json

import pytest
from typer.testing import CliRunner

from scopedrift.experiments.cli import app
from scopedrift.simulator.log.events import STREAMS
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.formats import FORMATS, format_named, names_of
from scopedrift.simulator.records.reading.importer import import_log
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


def test_an_unknown_format_is_told_with_the_closest_that_there_is():
    with pytest.raises(LogError, match=r"unknown format 'cloudtrial': expected one of .*; did you mean 'cloudtrail'\?"):
        format_named("cloudtrial")
