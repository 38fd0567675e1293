"""Damaged, hostile and empty input: what can be read is read, the rest is counted and shown, never a traceback."""

import gzip
import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading import sources, splitting
from scopedrift.simulator.records.reading.importer import import_log

DATA = Path(__file__).parent / "data"
RECORDS = json.loads((DATA / "invictus.json").read_text())["Records"]
LINES = [json.dumps(record).encode() for record in RECORDS]
AUDIT = [line.encode() for line in (DATA / "falco.jsonl").read_text().splitlines()]


def imported(folder: Path, content: bytes, name: str = "log.json"):
    path = folder / name
    path.write_bytes(content)
    return import_log(path)


def lines(*items: bytes) -> bytes:
    return b"\n".join(items) + b"\n"


def test_malformed_lines_are_counted_and_sampled(tmp_path):
    result = imported(
        tmp_path, lines(LINES[0], b'{"eventName": ', LINES[1], b"<html>", b"17", b'{"a": 1}', b"[]", LINES[2])
    )
    assert result.report.events == 3
    assert result.report.skipped == {"not JSON": 2, "not a JSON object": 1, "no known kind of audit record": 1}
    assert result.report.records == 7
    first = result.report.samples[0]
    assert (first.line, first.offset) == (2, len(LINES[0]) + 1)
    assert "eventName" in first.excerpt
    assert any(line == "skipped 2: not JSON" for line in result.report.summary())


def test_a_first_line_that_is_cut_off_does_not_hide_the_rest(tmp_path):
    assert imported(tmp_path, lines(LINES[0][50:], *LINES[1:])).report.events == len(LINES) - 1
    assert imported(tmp_path, lines(LINES[0][:-50], *LINES[1:])).report.events == len(LINES) - 1


@pytest.mark.parametrize("layout", ["lines", "array", "records"])
def test_a_file_that_ends_inside_a_record(tmp_path, layout):
    content = {
        "lines": lines(*LINES),
        "array": b"[" + b",\n".join(LINES) + b"]",
        "records": b'{"Records": [' + b", ".join(LINES) + b"]}",
    }[layout]
    result = imported(tmp_path, content[: -len(LINES[-1]) // 2])
    assert result.report.events == len(LINES) - 1
    assert result.report.skipped == {splitting.CUT_OFF: 1}


def test_a_truncated_gzip_gives_what_came_before(tmp_path):
    random.seed(1)
    noise = [json.dumps({**RECORDS[0], "eventID": random.randbytes(400).hex()}).encode() for _ in range(2_000)]
    packed = gzip.compress(lines(*noise))
    half = packed[: len(packed) // 2]
    result = imported(tmp_path, half, "log.json.gz")
    assert 900 < result.report.events < 1_100
    ((file, reason),) = result.report.unreadable
    assert file.name == "log.json.gz"
    assert f"truncated gzip: it ends at compressed byte {len(half)}" in reason
    assert f"{result.report.events} events" in reason
    damaged = bytearray(packed)
    damaged[len(packed) // 2] ^= 255
    (tmp_path / "damaged").mkdir()
    result = imported(tmp_path / "damaged", bytes(damaged), "log.json.gz")
    assert 900 < result.report.events < 2_000
    assert "damaged gzip near compressed byte" in result.report.unreadable[0][1]


def test_gzip_of_several_members_and_padding(tmp_path):
    content = b"".join(gzip.compress(line + b"\n") for line in LINES) + b"\0" * 512
    result = imported(tmp_path, content, "no-suffix")
    assert result.report.events == len(LINES)
    assert not result.report.unreadable
    assert result.original(3)["eventID"] in {record["eventID"] for record in RECORDS}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no record"),
        (b" \n\n ", "holds no record"),
        (b"\x1f\x8b", "truncated gzip"),
        (b"\x1f\x8bnot gzip at all", "damaged gzip"),
        (b"PK\x03\x04\0\0\0\0", "not text"),
        ("[{}]".encode("utf-16"), "UTF-16"),
        (b"[]", "holds no record"),
        (b'{"Records": []}', "holds no record"),
        (b"hello", "not JSON"),
        (b'{"eventName": "x"', "cut off"),
        (b'{"a": 1}', "no known kind of audit record"),
        (b'{"eventName": "x", "eventSource": "y"}', "no event time"),
        (b'{"eventName": "x", "eventSource": "y", "eventTime": "yesterday"}', "event time not understood"),
        (b'{"eventName": "x", "eventSource": "y", "eventTime": "1900-01-01T00:00:00Z"}', "event time not understood"),
        (b"[" * 200_000, "no record could be|records could be read|holds no record"),
        (b'{"a":' * 200_000, "cut off|not JSON|nested"),
    ],
)
def test_where_nothing_can_be_read_one_message_says_why(tmp_path, content, message):
    with pytest.raises(LogError, match=message) as error:
        imported(tmp_path, content)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1_000


def test_paths_that_hold_nothing(tmp_path):
    with pytest.raises(LogError, match="No such file"):
        import_log(tmp_path / "missing")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(LogError, match="no log files"):
        import_log(tmp_path)
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(LogError, match="neither a file nor a folder"):
        import_log(tmp_path / "pipe.json")
    with pytest.raises(LogError, match="not a regular file"):
        import_log(tmp_path)


def test_one_bad_file_does_not_cost_the_others(tmp_path):
    (tmp_path / "bad.json").write_bytes(b"\0\1\2")
    (tmp_path / "empty.json").write_bytes(b"")
    result = imported(tmp_path, lines(*LINES))
    result = import_log(tmp_path)
    assert result.report.events == len(LINES)
    assert [file.name for file, _ in result.report.unreadable] == ["bad.json", "empty.json"]


def test_deep_nesting_costs_one_record(tmp_path):
    deep = b'{"eventName": "x", "requestParameters": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001
    for content in (lines(LINES[0], deep, LINES[1]), b'{"Records":[' + b",".join((LINES[0], deep, LINES[1])) + b"]}"):
        result = imported(tmp_path, content)
        assert result.report.events == 2
        assert result.report.skipped == {"nested too deeply": 1}


def test_a_broken_record_in_a_document_costs_that_record(tmp_path):
    broken = b'{"eventName": "x", "requestParameters": {"a": tru}, "b": []}'
    result = imported(tmp_path, b'{"Records":[' + b",".join((LINES[0], broken, LINES[1])) + b"]}")
    assert result.report.events == 2
    assert result.report.skipped == {"not JSON": 1}


def test_what_is_almost_json_is_repaired_and_counted(tmp_path):
    def changed(old: bytes, new: bytes) -> bytes:
        assert old in LINES[0]
        return LINES[0].replace(old, new, 1)

    odd = [
        changed(b'"eventVersion"', b'"x": NaN, "eventVersion"'),
        changed(b'"eventVersion"', b'"x": -Infinity, "y": 1e999, "eventVersion"'),
        changed(b'"eventVersion"', b'"x": ' + b"9" * 6_000 + b', "eventVersion"'),
        changed(b'"userAgent": "', b'"userAgent": "\xff\xfe'),
        changed(b'"sourceIPAddress": "', b'"sourceIPAddress": "\xff'),
        changed(b'"sourceIPAddress": "', b'"sourceIPAddress": "\\ud800'),
        changed(b'"eventName"', b'"readOnly": 7, "errorCode": {}, "additionalEventData": "x", "eventName"'),
    ]
    mark = RECORDS[0]["eventID"][:8].encode()  # each is an act of its own
    odd = [line.replace(mark, b"%08d" % number) for number, line in enumerate(odd)]
    result = imported(tmp_path, lines(LINES[0], *odd))
    assert result.report.events == len(odd) + 1
    assert result.report.repaired == {  # bytes and numbers in fields that no column needs are left alone
        "a number or text that JSON does not allow was replaced": 3,
        "bytes that are not UTF-8 were replaced": 1,
        "a field of an unexpected type was ignored": 1,
    }
    for position in range(len(odd) + 1):
        assert result.original(position)["eventID"][8:] == RECORDS[0]["eventID"][8:]
    result.log.save(tmp_path / "saved")
    result.log.digest.encode()


def test_huge_fields_are_kept_out_of_the_columns(tmp_path):
    record = {**RECORDS[0], "sourceIPAddress": "x" * 10_000_000, "userAgent": "y" * 10_000_000}
    result = imported(tmp_path, lines(LINES[1], json.dumps(record).encode(), LINES[2]))
    assert result.report.events == 3
    assert max(len(text) for texts in result.log.vocabulary.texts().values() for text in texts) == 2_048
    assert (
        len(next(r for r in map(result.original, range(3)) if len(r["userAgent"]) > 1_000)["userAgent"]) == 10_000_000
    )


@pytest.mark.parametrize("layout", ["lines", "array", "records"])
def test_records_and_documents_beyond_the_memory_limit(tmp_path, monkeypatch, layout):
    for module in (sources, splitting):
        monkeypatch.setattr(module, "LIMIT", 20_000)
        monkeypatch.setattr(module, "PIECE", 1_000)
    monkeypatch.setattr(splitting, "_SAMPLE", 10_000)
    huge = json.dumps({**RECORDS[0], "userAgent": '"{[' * 20_000}).encode()
    items = [*LINES[:9], huge, *LINES[9:]]
    content = {
        "lines": lines(*items),
        "array": b"[" + b",".join(items) + b"]",
        "records": b'{"kind": "x", "metadata": {"a": [1, "]"]}, "Records":[\n' + b",\n".join(items) + b'\n], "z": [1]}',
    }[layout]
    result = imported(tmp_path, content)
    assert result.report.events == len(LINES)
    assert result.report.skipped[splitting.TOO_LONG] == 1
    found = [result.original(i)["eventID"] for i in range(len(result.log))]
    assert sorted(found) == sorted(record["eventID"] for record in RECORDS)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["arn:aws:iam::1:user/x", "2023-01-01T00:00:00Z", "\ud800", "{", "AKIA", "a/b/c"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=8) | st.sampled_from(["items", "arn", "type", "image", "code"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(data=st.data())
def test_any_value_in_any_field_never_crashes(tmp_path_factory, data):
    base = json.loads(data.draw(st.sampled_from(LINES + AUDIT)))
    fields = sorted(base)
    for field in data.draw(st.lists(st.sampled_from(fields), min_size=1, max_size=4, unique=True)):
        inner = base[field]
        if isinstance(inner, dict) and inner and data.draw(st.booleans()):
            inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(ANYTHING)
        else:
            base[field] = data.draw(ANYTHING)
    path = tmp_path_factory.mktemp("fuzz") / "log.jsonl"
    path.write_bytes(lines(LINES[0], json.dumps(base).encode(), AUDIT[0]))
    result = import_log(path)
    report = result.report
    assert report.records == report.events + report.repeated + report.skipped.total()
    assert result.report.records >= 3 - ("items" in base)
    result.log.frame()
    for position in range(len(result.log)):
        assert isinstance(result.original(position), dict)


@settings(max_examples=150)
@given(data=st.data())
def test_any_damage_to_the_bytes_never_crashes(tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from([lines(*LINES[:3]), b"[" + b",\n".join(AUDIT[:3]) + b"]"])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 60))] = data.draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b"{", b"]"])
        )
    path = tmp_path_factory.mktemp("fuzz") / "log.json"
    path.write_bytes(bytes(content))
    try:
        result = import_log(path)
    except LogError as error:
        assert str(path.name) in str(error)
        return
    assert result.report.events + sum(result.report.skipped.values()) == result.report.records
    for position in range(len(result.log)):
        assert isinstance(result.original(position), dict)
