"""Whatever a collector wraps around a record, the record is read as it is, and found again."""

import base64
import gzip
import io
import json
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.simulator.records.json_paths import decoded
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.wrappers import table

RECORD = {
    "eventTime": "2026-01-05T10:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::1:user/ann", "accountId": "1"},
    "requestParameters": {"bucketName": "b", "key": "k"},
    "eventID": "e",
}
TEXT = json.dumps(RECORD)
PACKED = base64.b64encode(gzip.compress(json.dumps({"logEvents": [{"id": "1", "message": TEXT}]}).encode())).decode()
BASE64 = base64.b64encode(TEXT.encode()).decode()
TIME = "2026-01-05T10:00:00.000000000Z"

WRAPPED = {
    "Azure diagnostics": {"records": [{"category": "kube-audit", "properties": {"log": TEXT, "stream": "stderr"}}]},
    "Log Analytics": {"log_s": TEXT, "Category": "kube-audit"},
    "CloudWatch subscription": {"awslogs": {"data": PACKED}},
    "CloudWatch Insights": {"@timestamp": "x", "@message": TEXT},
    "Kinesis": {"Records": [{"kinesis": {"data": BASE64}}]},
    "Firehose": {"records": [{"recordId": "1", "data": BASE64}]},
    "Pub/Sub": {"message": {"data": BASE64, "messageId": "1"}, "subscription": "s"},
    "SNS": {"Type": "Notification", "Message": json.dumps({"detail": RECORD})},
    "SNS to Lambda": {"Records": [{"Sns": {"Message": TEXT}}]},
    "SQS": {"Body": json.dumps({"Message": TEXT})},
    "Wazuh": {"rule": {"id": "1"}, "data": {"aws": RECORD}},
    "Splunk": {"preview": False, "result": {"_raw": TEXT}},
    "CloudTrail Lake": {"QueryResultRows": [[{name: value} for name, value in RECORD.items()]]},
    "Athena": {name.lower(): json.dumps(value) if isinstance(value, dict) else value for name, value in RECORD.items()},
    "OTLP logs": {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": TEXT}}]}]}]},
    "OTLP logs, snake case": {"resource_logs": [{"scope_logs": [{"log_records": [{"body": {"string_value": TEXT}}]}]}]},
}
LINES = {
    "container runtime": f"{TIME} stdout F {TEXT}\n",
    "container runtime, cut": f"{TIME} stdout P {TEXT[:30]}\n{TIME} stdout F {TEXT[30:]}\n",
    "syslog": f"<134>1 2026-01-05T10:00:00Z host app - - - {TEXT}\n",
}


def read(folder, content: str, name="log.jsonl"):
    (folder / name).write_text(content)
    return import_log(folder / name)


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_a_wrapper_is_opened(tmp_path, wrapper):
    plain = read(tmp_path, TEXT, "plain.json").log
    result = read(tmp_path, json.dumps(WRAPPED[wrapper]))
    assert (result.report.events, result.report.skipped.total()) == (1, 0), result.report.summary()
    assert result.log.digest == plain.digest
    assert decoded(result.original(0)["userIdentity"]) == RECORD["userIdentity"]


@pytest.mark.parametrize("line", LINES)
def test_a_line_with_a_prefix_is_read_and_found_again(tmp_path, line):
    result = read(tmp_path, LINES[line] * 3, "container.log")
    assert (result.report.events, result.report.repeated) == (1, 2)
    assert result.original(0) == RECORD


@given(cuts=st.lists(st.integers(1, len(TEXT) - 1), max_size=5), end=st.booleans())
def test_a_line_is_whole_wherever_the_runtime_cut_it(tmp_path_factory, cuts, end):
    edges = [0, *sorted(set(cuts)), len(TEXT)]
    parts = [TEXT[begin:stop] for begin, stop in pairwise(edges)]
    marks = ["P"] * (len(parts) - 1) + ["F"]
    lines = [f"{TIME} stderr {mark} {part}" for mark, part in zip(marks, parts, strict=True)]
    before = f"{TIME} stdout F {json.dumps({**RECORD, 'eventID': 'before'})}"
    result = read(tmp_path_factory.mktemp("cri"), "\n".join([before, *lines]) + "\n" * end)
    assert result.report.events == 2
    assert [result.original(at)["eventID"] for at in range(2)] == ["before", "e"]


def test_a_line_that_is_never_ended_is_told(tmp_path):
    result = read(tmp_path, f"{TIME} stdout F {TEXT}\n{TIME} stdout P {TEXT[:30]}\n")
    assert result.report.events == 1 and "cut off: the file ends inside the record" in result.report.skipped


def test_a_structure_as_athena_writes_it():
    text = "{type=AssumedRole, principalid=AROA1:s, arn=arn:aws:sts::1:assumed-role/r/s, accesskeyid=null, "
    text += (
        "sessioncontext={attributes={mfaauthenticated=false, creationdate=2026-01-05T10:00:00Z}, sourceidentity=a=b}}"
    )
    assert decoded(text) == {
        "type": "AssumedRole",
        "principalId": "AROA1:s",
        "arn": "arn:aws:sts::1:assumed-role/r/s",
        "accessKeyId": None,
        "sessionContext": {
            "attributes": {"mfaAuthenticated": "false", "creationDate": "2026-01-05T10:00:00Z"},
            "sourceIdentity": "a=b",
        },
    }


@pytest.mark.parametrize(
    "batch",
    [
        lambda span: {"resource_spans": [{"resource": {}, "scope_spans": [{"spans": [span]}]}]},
        lambda span: {"batches": [{"resource": {}, "scopeSpans": [{"spans": [span]}]}]},
        lambda span: {"batches": [{"resource": {}, "instrumentationLibrarySpans": [{"spans": [span]}]}]},
    ],
)
def test_spans_in_every_spelling(tmp_path, batch):
    tags = [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]
    span = {"trace_id": "t", "span_id": "s", "start_time_unix_nano": "1767607200000000000", "attributes": tags}
    assert read(tmp_path, json.dumps(batch(span))).report.formats == {"otel": 1}


ENTRY = {
    "timestamp": "2026-01-05T10:00:00Z",
    "protopayload_auditlog": {"serviceName": "storage.googleapis.com", "methodName": "storage.objects.get"},
}


def test_a_row_of_bigquery_is_an_entry_of_cloud_logging(tmp_path):
    assert read(tmp_path, json.dumps(ENTRY)).report.formats == {"gcp": 1}


AUDIT = {
    "auditID": "a",
    "verb": "get",
    "requestReceivedTimestamp": "2026-01-05T10:00:00Z",
    "user": {"username": "system:serviceaccount:n:a"},
    "objectRef": {"resource": "pods", "namespace": "n", "name": "p"},
}


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda name, text: {"logGroup": f"/aws/eks/{name}/cluster", "logEvents": [{"message": text}]},
        lambda name, text: {
            "records": [
                {
                    "resourceId": f"/SUBSCRIPTIONS/1/PROVIDERS/MICROSOFT.CONTAINERSERVICE/MANAGEDCLUSTERS/{name}",
                    "properties": {"log": text},
                }
            ]
        },
    ],
)
def test_a_wrapper_names_the_cluster_of_its_records_and_of_no_others(tmp_path, wrapped):
    lines = [wrapped(name, json.dumps({**AUDIT, "auditID": name})) for name in ("one", "two")]
    result = read(tmp_path, "\n".join(map(json.dumps, [*lines, AUDIT])))
    account = "system:serviceaccount:n:a"
    assert result.log.frame()["identity"].tolist() == [f"one:{account}", f"two:{account}", account]


def test_parquet_of_a_security_lake_is_read_row_by_row(tmp_path):
    rows = [
        {
            "time": 1_767_607_200_000 + number,
            "class_uid": 6003,
            "metadata": {"product": {"name": "CloudTrail"}, "uid": str(number)},
            "actor": {"user": {"type": "IAMUser", "uid": "arn:aws:iam::1:user/ann"}, "session": None},
            "api": {"operation": "GetObject", "service": {"name": "s3.amazonaws.com"}},
            "resources": [{"uid": "arn:aws:s3:::b/k"}],
            "unmapped": [("a", "1")],
        }
        for number in range(3)
    ]
    schema = pa.Table.from_pylist(rows[:1]).schema.set(6, pa.field("unmapped", pa.map_(pa.string(), pa.string())))
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), tmp_path / "lake.parquet", row_group_size=2)
    result = import_log(tmp_path)
    assert result.report.formats == {"ocsf": 3}
    assert set(result.log.frame()["identity"]) == {"arn:aws:iam::1:user/ann"}
    assert result.original(2)["metadata"]["uid"] == "2" and result.original(2)["unmapped"] == {"a": "1"}
    assert [json.loads(raw)["metadata"]["uid"] for _, _, raw in result.records()] == ["0", "1", "2"]


def test_a_parquet_file_that_is_damaged_is_told(tmp_path):
    (tmp_path / "lake.parquet").write_bytes(b"PAR1 and nothing else")
    (tmp_path / "log.json").write_text(TEXT)
    (problem,) = import_log(tmp_path).report.unreadable
    assert problem[0].name == "lake.parquet" and "Parquet" in problem[1]


def test_every_entry_of_the_table_says_what_it_opens():
    for each in table().wrappers:
        assert each.what and bool(each.list) + bool(each.inner) + bool(each.rename) == 1, each


def beside(folder, damaged):
    """What is told of a file that lies beside one that can be read."""
    (folder / "log.json").write_text(TEXT)
    (folder / "lake.parquet").write_bytes(damaged)
    (problem,) = import_log(folder).report.unreadable
    return problem[1]


def parquet(**columns):
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def test_parquet_whose_names_are_no_text_is_told(tmp_path):
    damaged = parquet(eventTime=["2024-03-01T00:00:00Z"]).replace(b"eventTime", b"\x80ventTime")
    assert "not Parquet that can be read" in beside(tmp_path, damaged)


@pytest.mark.parametrize(
    "kind, value", [(pa.timestamp("s"), 10**15), (pa.date32(), 10**7), (pa.duration("s"), -(10**18))]
)
def test_a_time_in_parquet_beyond_the_calendar_is_told(tmp_path, kind, value):
    assert "not Parquet that can be read" in beside(tmp_path, parquet(when=pa.array([value], kind)))
