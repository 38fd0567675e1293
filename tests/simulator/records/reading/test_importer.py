"""Real records become events: counts, order, columns, and the way back."""

import errno
import gzip
import json
import os
from pathlib import Path

import pytest

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.importer import import_log

DATA = Path(__file__).parent / "data"
RECORDS = json.loads((DATA / "invictus.json").read_text())["Records"]
OBJECTS = [json.loads(line) for line in (DATA / "falco.jsonl").read_text().splitlines()]


def written(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ids(imported) -> list[str]:
    return [imported.original(i)["eventID"] for i in range(len(imported.log))]


LAYOUTS = {
    "records": lambda r: json.dumps({"Records": r}),
    "pretty records": lambda r: json.dumps({"note": {"a": [1]}, "Records": r, "next": None}, indent=2),
    "array": lambda r: json.dumps(r),
    "pretty array": lambda r: json.dumps(r, indent=2),
    "array of lines": lambda r: "[\n" + ",\n".join(map(json.dumps, r)) + "\n]\n",
    "lines": lambda r: "".join(json.dumps(x) + "\n" for x in r),
    "lines without the last end": lambda r: "\r\n".join(map(json.dumps, r)),
    "lines with gaps": lambda r: "\n\n" + "\n\n".join(map(json.dumps, r)) + "\n \n",
    "concatenated": lambda r: "".join(map(json.dumps, r)),
    "pretty concatenated": lambda r: "\n".join(json.dumps(x, indent=1) for x in r),
    "look-up": lambda r: json.dumps({"Events": [{"EventId": "x", "CloudTrailEvent": json.dumps(x)} for x in r]}),
    "lines of records": lambda r: "".join(json.dumps({"Records": [x]}) + "\n" for x in r),
    "Elastic hits": lambda r: json.dumps({"took": 1, "hits": {"hits": [{"_id": "x", "_source": x} for x in r]}}),
    "Elastic hits of ECS": lambda r: json.dumps(
        {"hits": {"hits": [{"_source": {"event": {"original": json.dumps(x)}}} for x in r]}}
    ),
    "event bus": lambda r: "".join(json.dumps({"detail-type": "API call", "detail": x}) + "\n" for x in r),
    "log export": lambda r: json.dumps({"logEvents": [{"timestamp": 1, "message": json.dumps(x)} for x in r]}),
    "byte order mark": lambda r: "\ufeff" + json.dumps({"Records": r}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_every_layout_gives_the_same_log_and_finds_every_original(tmp_path, layout, packed):
    expected = sorted(RECORDS, key=lambda record: record["eventTime"])
    content = LAYOUTS[layout](RECORDS).encode()
    path = written(tmp_path, "trail.json", gzip.compress(content) if packed else content)
    imported = import_log(path)
    assert imported.report.events == imported.report.records == len(RECORDS)
    assert not imported.report.skipped and not imported.report.unreadable
    assert [imported.original(i) for i in range(len(expected))] == expected
    reference = import_log(DATA / "invictus.json")
    assert imported.log.digest == reference.log.digest


def test_counts_are_those_of_plain_json():
    frame = import_log(DATA / "invictus.json").log.frame()
    names = [record["eventName"] for record in RECORDS]
    assert frame["operation"].value_counts().to_dict() == {name: names.count(name) for name in set(names)}
    sources = [record["eventSource"].removesuffix(".amazonaws.com") for record in RECORDS]
    assert frame["service"].value_counts().to_dict() == {name: sources.count(name) for name in set(sources)}
    failed = sum("errorCode" in record for record in RECORDS)
    assert failed and int((frame["outcome"] != "success").sum()) == failed
    sizes = [
        r["additionalEventData"]["bytesTransferredOut"] for r in RECORDS if "Host" in (r["requestParameters"] or {})
    ]
    assert sorted(frame["bytes"][frame["bytes"] >= 0]) == sorted(sizes)


def test_several_files_are_one_log_in_order_of_time(tmp_path):
    (tmp_path / "2023" / "07").mkdir(parents=True)
    written(tmp_path, "2023/07/late.json", json.dumps({"Records": RECORDS[10:]}))
    written(
        tmp_path, "2023/first.jsonl.gz", gzip.compress("".join(json.dumps(r) + "\n" for r in RECORDS[:10]).encode())
    )
    written(tmp_path, "notes.txt", "not a log")
    imported = import_log(tmp_path)
    assert sorted(ids(imported)) == sorted(record["eventID"] for record in RECORDS)
    assert (imported.log.arrived[1:] >= imported.log.arrived[:-1]).all()
    assert (imported.report.files, imported.report.ignored) == (2, 1)
    assert [imported.original(i)["eventTime"] for i in range(len(RECORDS))] == sorted(r["eventTime"] for r in RECORDS)


def test_codes_are_numbered_by_first_arrival():
    batch = import_log(DATA / "invictus.json").log.batch(0, len(RECORDS))
    for column in ("identity", "operation", "resource", "source"):
        shown = [code for code in batch[column].tolist() if code >= 0]
        assert list(dict.fromkeys(shown)) == list(range(len(batch.names(column))))


def test_cloudtrail_and_kubernetes_in_one_folder(tmp_path):
    written(tmp_path, "a.json", json.dumps({"Records": RECORDS}))
    written(tmp_path, "b.log", "".join(json.dumps(o) + "\n" for o in OBJECTS))
    imported = import_log(tmp_path)
    count = sum(len(o.get("items", [o])) for o in OBJECTS)
    assert dict(imported.report.formats) == {"cloudtrail": len(RECORDS), "kubernetes": count}
    assert set(imported.log.frame()["stream"]) == {"cloud_audit", "kubernetes_audit"}
    only = import_log(tmp_path, format="kubernetes")
    assert len(only.log) == count
    assert only.report.skipped == {"no known kind of audit record": len(RECORDS)}


def test_mixed_formats_in_one_file(tmp_path):
    path = written(
        tmp_path, "mixed.jsonl", "".join(json.dumps(o) + "\n" for o in (*RECORDS[:3], OBJECTS[0], RECORDS[3]))
    )
    assert dict(import_log(path).report.formats) == {"cloudtrail": 4, "kubernetes": 1}


def test_the_same_file_reached_twice_is_read_once(tmp_path):
    path = written(tmp_path, "a.json", json.dumps(RECORDS))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "again.json").symlink_to(path)
    assert len(import_log([tmp_path, path]).log) == len(RECORDS)


def test_what_cannot_be_opened_is_told_and_stops_nobody(tmp_path, monkeypatch):
    written(tmp_path, "a.json", json.dumps(RECORDS))
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere")
    (tmp_path / "closed").mkdir()
    listed = os.scandir

    def scandir(path):
        if Path(path).name == "closed":  # whoever runs the tests may be allowed everything
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    imported = import_log(tmp_path)
    assert len(imported.log) == len(RECORDS)
    assert {file.name for file, _ in imported.report.unreadable} == {"closed", "gone.log"}
    assert f"{tmp_path / 'closed'}: cannot be read: Permission denied" in imported.report.summary()


def test_progress_ends_at_the_total(tmp_path):
    path = written(tmp_path, "a.json.gz", gzip.compress(json.dumps(RECORDS).encode()))
    seen = []
    import_log(path, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size,) * 2


def test_an_unknown_format_is_answered_with_a_suggestion(tmp_path):
    with pytest.raises(LogError, match="did you mean 'cloudtrail'"):
        import_log(DATA, format="cloudtrial")


def test_a_saved_import_is_the_same_log(tmp_path):
    log = import_log(DATA / "stratus.json").log
    log.save(tmp_path / "log")
    assert type(log).load(tmp_path / "log").frame().equals(log.frame())


def test_original_says_when_the_file_has_changed(tmp_path):
    path = written(tmp_path, "a.json", json.dumps(RECORDS))
    imported = import_log(path)
    path.write_text("")
    with pytest.raises(LogError, match="the record at byte 0 is gone"):
        imported.original(0)
    with pytest.raises(IndexError):
        imported.original(len(RECORDS))
