"""Malformed and hostile alerts cost a message or a row of a table, never a traceback, markup or an escape code."""

from __future__ import annotations

import json
import random

import pytest

import scopedrift as sd
from scopedrift.simulator.records.errors import LogError

EVIL = "<script>alert(1)</script>\x1b[31mred\x1b[0m\u202e"
DEEP = '{"a":' * 3_000 + "1" + "}" * 3_000


def odd_lines(good):
    """Lines that are no alerts, or alerts that say odd things."""
    record = good["eventID"]
    return [
        DEEP,
        json.dumps({**good, "evidence": json.dumps(json.dumps(DEEP))}),
        json.dumps({**good, "evidence": "{a=" * 3_000 + "1" + "}" * 3_000}),
        json.dumps({**good, "rule": json.dumps({"name": "\ud800"})}),
        "[" * 5_000,
        f'{{"rule": "x", "eventID": "{record}", "alert_time": NaN, "score": NaN}}',
        f'{{"rule": "x", "eventID": "{record}", "alert_time": 1e999, "score": -Infinity}}',
        f'{{"rule": "x", "eventID": "{record}", "alert_time": {"9" * 400}, "score": {"9" * 5_000}}}',
        f'{{"rule": "x", "eventID": "{record}", "alert_time": "{"9" * 10_000}", "score": "{"9" * 10_000}"}}',
        f'{{"rule": "x", "eventID": "{record}", "alert_time": "-0001-99-99T99:99:99Z"}}',
        json.dumps({"rule": EVIL, "level": EVIL, "eventID": record, "message": EVIL, "identity": EVIL}),
        json.dumps({"rule": ["a"] * 2_000, "eventID": [record] * 2_000}),
        json.dumps({"rule": {"a": {"b": []}}, "eventID": {"x": [None, record, 3]}}),
        json.dumps({"rule": "x" * 1_000_000, "eventID": record}),
        json.dumps({"class_uid": 2004, "evidences": 7, "finding_info": [], "time": {}}),
        json.dumps({"runs": [{"results": [7, None, {}, {"ruleId": 3}]}, 5], "version": "2.1.0"}),
        json.dumps({"title": "t", "matches": [[], 5, {"eventID": record}], "count": 3}),
        json.dumps({"hits": {"hits": [{"_source": {"hits": {"hits": []}}}]}}),
        '{"rule": "\\ud800", "eventID": "' + record + '"}',
        "null", "7", '"text"', "[]", "{}", "[[[[[]]]]]", "{not json", "\x00\x01",
    ]  # fmt: skip


@pytest.fixture
def hostile(exported, tmp_path):
    good = exported.hit(exported.bad[0])
    path = tmp_path / "hostile.jsonl"
    text = "\n".join([json.dumps(good), *odd_lines(good), json.dumps(exported.hit(exported.bad[-1]))])
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


def test_odd_alerts_are_counted_and_shown(exported, hostile, scopedrift, tmp_path):
    done = scopedrift("judge", exported.folder / "world", hostile, "--no-track", "--out", "out")
    assert done.code == 0, done.err
    assert "Traceback" not in done.err and "could not be read" in done.out
    assert "\x1b" not in done.out + done.err and "\u202e" not in done.out + done.err
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page and "\x1b" not in page
    json.loads(scopedrift("judge", exported.folder / "world", hostile, "--no-track", "--json").out)
    found = sd.judge(exported.world, hostile)
    assert found.metrics["detected"] >= 1


@pytest.mark.parametrize("seed", range(4))
def test_cut_and_flipped_files_cost_a_message_or_a_row(exported, tmp_path, seed):
    rng = random.Random(seed)
    hits = [exported.hit(at) for at in exported.some(seed, 10, 10)]
    texts = {
        "hits.jsonl": "\n".join(map(json.dumps, hits)),
        "hits.json": json.dumps({"hits": {"hits": [{"_source": hit} for hit in hits]}}),
        "hits.csv": "\n".join([",".join(hits[0]), *(",".join(map(str, hit.values())) for hit in hits)]),
    }
    for name, text in texts.items():
        for _ in range(8):
            data = bytearray(text.encode())
            for _ in range(rng.randint(0, 20)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            (tmp_path / name).write_bytes(bytes(data[: rng.randint(1, len(data))]))
            try:
                found = sd.judge(exported.world, tmp_path / name)
            except LogError as error:
                assert name in str(error)
            else:
                assert found.tables["deliveries"]["alerts"].item() <= len(hits)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("hits.jsonl", b"{}\n", "hits.jsonl, line 1"),
        ("hits.jsonl", b"\x00\x01\x02\x03", "hits.jsonl: not text"),
        ("hits.json", "{}".encode("utf-16"), "hits.json: UTF-16 text"),
        ("hits.parquet", b"PAR1", "hits.parquet: not Parquet that can be read"),
        ("hits.jsonl.gz", b"\x1f\x8b\x08\x00broken", "hits.jsonl.gz"),
        ("hits.csv", b"a,a\n1,2\n", "two columns named 'a'"),
    ],
)
def test_a_file_without_any_alert_is_one_message(exported, tmp_path, scopedrift, name, content, message):
    (tmp_path / name).write_bytes(content)
    done = scopedrift("judge", exported.folder / "world", tmp_path / name, "--no-track", "--out", "out")
    assert done.code == 2 and message in done.err and "Traceback" not in done.err
    assert not (tmp_path / "out").exists() and len(done.err.strip().splitlines()) <= 2


def test_no_alerts_are_a_result_too(exported, tmp_path):
    for name, content in (("empty.jsonl", b""), ("none.json", b"[]"), ("header.csv", b"rule,eventID\n")):
        (tmp_path / name).write_bytes(content)
        found = sd.judge(exported.world, tmp_path / name)
        assert found.metrics["recall"] == 0.0 and found.metrics["alerts"] == 0.0


@pytest.mark.parametrize("what", ["folder", "missing", "world"])
def test_what_is_not_there_is_one_message(exported, tmp_path, scopedrift, what):
    (tmp_path / "empty").mkdir()
    hits = tmp_path / "empty" if what == "folder" else tmp_path / "gone.json"
    world = tmp_path / "empty" if what == "world" else exported.folder / "world"
    done = scopedrift("judge", world, hits, "--no-track")
    assert done.code == 2 and "Traceback" not in done.err and str(world if what == "world" else hits) in done.err
