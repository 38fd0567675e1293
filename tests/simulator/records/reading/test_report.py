"""What an import read and could not read: every record is one or the other."""

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log
from scopedrift.simulator.records.reading.report import ImportReport

DATA = Path(__file__).parent / "data"
GOOD = [json.dumps(record) for record in json.loads((DATA / "invictus.json").read_text())["Records"]]
BAD = ["{", "17", '{"a": 1}', '{"eventName": "x", "eventSource": "y"}', "not JSON", '"text"', "[[[", "\x00"]


def imported(folder, *files: list[str]):
    """Both layouts on disk: plain and packed."""
    for number, lines in enumerate(files):
        content = "".join(line + "\n" for line in lines).encode()
        (folder / f"{number}.jsonl").write_bytes(gzip.compress(content) if number % 2 else content)
    return import_log(folder)


LINE = st.sampled_from(GOOD) | st.sampled_from(BAD)
quick = settings(max_examples=60)


@quick
@given(st.lists(st.tuples(st.sampled_from(GOOD), st.lists(LINE, max_size=12)), min_size=1, max_size=3))
def test_every_line_is_an_event_or_a_counted_record_and_events_are_in_order_of_time(tmp_path_factory, files):
    contents = [[first, *rest] for first, rest in files]
    result = imported(tmp_path_factory.mktemp("lost"), *contents)
    good = [json.loads(line)["eventID"] for lines in contents for line in lines if line in GOOD]
    assert result.report.records == sum(map(len, contents))
    assert result.report.events == len(set(good)) == len(result.log)
    assert result.report.repeated == len(good) - len(set(good))
    assert result.report.events + result.report.repeated + result.report.skipped.total() == result.report.records
    times = result.log.batch(0, len(result.log))["time"].tolist()
    assert times == sorted(times)
    assert sorted(result.original(i)["eventID"] for i in range(len(result.log))) == sorted(set(good))


@quick
@given(st.lists(LINE.filter(lambda line: line != "\x00"), min_size=1, max_size=12))
def test_no_record_is_lost_whatever_a_file_begins_with(tmp_path_factory, lines):
    good = [json.loads(line)["eventID"] for line in lines if line in GOOD]
    try:
        result = imported(tmp_path_factory.mktemp("lost"), lines)
    except LogError:
        assert not good
        return
    assert sorted(result.original(i)["eventID"] for i in range(len(result.log))) == sorted(set(good))
    assert result.report.events + len(good) - len(set(good)) + result.report.skipped.total() == result.report.records
    assert result.report.records <= len(lines)


def test_the_first_samples_of_each_reason_are_kept():
    report = ImportReport()
    for i in range(20):
        report.skip(Path("x.json"), i, i + 1, None, "odd" if i % 2 else "even", b"\x1b[31m" + b"x" * 500)
    assert report.records == 20 and report.skipped == {"odd": 10, "even": 10}
    assert [sample.line for sample in report.samples] == list(range(1, 11))
    shown = str(report.samples[0])
    assert shown.startswith("x.json, line 1: even: ") and "\x1b" not in shown and len(shown) < 200


def test_the_report_as_lines_and_as_plain_values():
    report = ImportReport(files=1, events=1, records=1, ignored=2)
    report.formats["cloudtrail"] = 1
    report.skip(Path("x.json"), 7, None, 3, "not JSON", b"{")
    report.unreadable.append((Path("y.gz"), "truncated gzip"))
    assert report.summary() == [
        "1 event from 2 records in 1 file (cloudtrail 1)",
        "skipped 1: not JSON",
        "y.gz: truncated gzip",
        "2 files not read: the name is not that of a log",
    ]
    assert "byte 7, record 4 of the list there" in str(report.samples[0])
    json.dumps(report.asdict())


@pytest.mark.parametrize(
    ("record", "names"),
    [
        (
            {
                "eventTime": "2026-01-05T10:00:00Z",
                "eventSource": "s3.amazonaws.com",
                "eventName": "ListBuckets",
                "userIdentity": {"type": "Unknown"},
                "requestParameters": {"maxBuckets": 5},
                "resources": [{"accountId": "1"}],
            },
            {"userIdentity (identity)", "requestParameters (resource)", "resources (resource)"},
        ),
        (
            {
                "auditID": "a",
                "verb": "list",
                "requestReceivedTimestamp": "2026-01-05T10:00:00Z",
                "user": {"uid": "1"},
                "objectRef": {},
                "responseStatus": {"status": "Failure"},
            },
            {"user (identity)", "objectRef (resource)", "responseStatus (outcome)"},
        ),
        (
            {
                "timestamp": "2026-01-05T10:00:00Z",
                "protoPayload": {"serviceName": "s", "methodName": "m", "authenticationInfo": {"x": 1}},
            },
            {"protoPayload.authenticationInfo (identity)"},
        ),
        (
            {"time": 1_767_607_200_000, "class_uid": 6003, "metadata": {}, "actor": {"x": 1}, "status_id": 99},
            {"actor (identity)", "status_id (outcome)"},
        ),
    ],
)
def test_a_field_that_was_there_and_of_no_use_is_counted_by_name(tmp_path, record, names):
    (tmp_path / "log.jsonl").write_text(json.dumps(record))
    report = import_log(tmp_path / "log.jsonl").report
    assert dict(report.unused) == dict.fromkeys(names, 1)
    assert all(any(name in line for line in report.summary()) for name in names)
