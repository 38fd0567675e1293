"""A directory holds a whole log or none; what is damaged or foreign is said, with the place."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.storage import EVENTS, FORMAT, MANIFEST, VOCABULARY, LogFormatError, LogWriter

ROW = {
    "time": 1,
    "arrived": 2,
    "stream": "runtime",
    "identity": "a",
    "operation": "o",
    "image": "ghcr.io/a/b:1",
    "outcome": "success",
    "credential": 1,
    "bytes": None,
}


@pytest.fixture
def saved(tmp_path, log_of):
    path = tmp_path / "log"
    log_of([{**ROW, "identity": f"id-{k % 7}", "bytes": k} for k in range(5000)]).save(path)
    return path


def read_all(path):
    log = EventLog.load(path)
    return [batch.pairs("identity", "bytes") for batch in log.batches(1000)]


def truncate(path, keep):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


def flip(path, at):
    data = bytearray(path.read_bytes())
    for k in range(64):
        data[int(len(data) * at) + k] ^= 0xFF
    path.write_bytes(bytes(data))


def rewrite(path, **columns):
    """The same Parquet file with some columns replaced (`None`: removed)."""
    table = pq.read_table(path)
    for name, values in columns.items():
        at = table.schema.get_field_index(name)
        table = table.drop_columns([name]) if values is None else table.set_column(at, name, values)
    pq.write_table(table, path)


DAMAGE = {
    "no such directory": (lambda p: [f.unlink() for f in p.iterdir()] and p.rmdir(), "not a saved log"),
    "an empty directory": (lambda p: [f.unlink() for f in p.iterdir()], "not a saved log.*manifest.json"),
    "no manifest": (lambda p: (p / MANIFEST).unlink(), "not a saved log.*manifest.json"),
    "no events": (lambda p: (p / EVENTS).unlink(), "not a saved log.*events.parquet"),
    "no vocabulary": (lambda p: (p / VOCABULARY).unlink(), "not a saved log.*vocabulary.parquet"),
    "half a manifest": (lambda p: truncate(p / MANIFEST, 0.5), "damaged log"),
    "a binary manifest": (lambda p: (p / MANIFEST).write_bytes(b"\xff\xfe\x00"), "damaged log"),
    "another program's manifest": (lambda p: (p / MANIFEST).write_text('{"format": "x/1"}'), f"format '{FORMAT}'"),
    "a list as manifest": (lambda p: (p / MANIFEST).write_text("[]"), f"format '{FORMAT}'"),
    "a folder as manifest": (lambda p: ((p / MANIFEST).unlink(), (p / MANIFEST).mkdir()), "not a saved log"),
    "half the events": (lambda p: truncate(p / EVENTS, 0.5), "damaged log"),
    "no bytes of events": (lambda p: truncate(p / EVENTS, 0.0), "damaged log"),
    "half the vocabulary": (lambda p: truncate(p / VOCABULARY, 0.5), "damaged log"),
    "text as events": (lambda p: (p / EVENTS).write_text("time,arrived\n1,2\n"), "damaged log"),
    "events that are damaged inside": (lambda p: flip(p / EVENTS, 0.3), "damaged log"),
    "a damaged footer": (lambda p: flip(p / EVENTS, 0.9), "damaged log"),
    "a damaged vocabulary": (lambda p: flip(p / VOCABULARY, 0.3), "damaged log"),
    "another vocabulary": (lambda p: pq.write_table(VOCABULARY_OF_ANOTHER, p / VOCABULARY), "damaged log"),
    "a vocabulary without texts": (
        lambda p: pq.write_table(pa.table({"column": ["a"]}), p / VOCABULARY),
        "damaged log",
    ),
    "a vocabulary of numbers": (lambda p: rewrite(p / VOCABULARY, text=pa.array(range(11))), "damaged log"),
    "no arrival times": (lambda p: rewrite(p / EVENTS, arrived=None), "damaged log.*arrived"),
    "numbers for identities": (lambda p: rewrite(p / EVENTS, identity=pa.array(range(5000))), "damaged log"),
    "text for times": (lambda p: rewrite(p / EVENTS, time=pa.array(["x"] * 5000)), "damaged log"),
    "missing times": (lambda p: rewrite(p / EVENTS, time=pa.array([None] * 5000, TIMESTAMP)), "damaged log"),
    "another program's Parquet": (lambda p: pq.write_table(pa.table({"a": [1]}), p / EVENTS), "damaged log"),
}
VOCABULARY_OF_ANOTHER = pa.table({"column": ["identity"], "text": ["somebody else"]})
TIMESTAMP = pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_or_foreign_directory_is_one_clear_message(what, saved):
    damage, message = DAMAGE[what]
    assert len(read_all(saved)) == 5
    damage(saved)
    with pytest.raises(LogFormatError, match=message) as caught:
        read_all(saved)
    assert str(saved) in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_is_not_a_log(tmp_path):
    path = tmp_path / "a-file"
    path.write_text("hello")
    with pytest.raises(LogFormatError, match="not a saved log"):
        EventLog.load(path)


def columns_of(log, rows):
    return log.batch(0, len(rows)).columns


def test_a_writer_left_early_leaves_nothing(tmp_path, log_of):
    rows = [ROW] * 10
    log = log_of(rows)
    with pytest.raises(RuntimeError), LogWriter(tmp_path / "log", log.vocabulary) as writer:
        writer.append(columns_of(log, rows))
        raise RuntimeError
    assert list((tmp_path / "log").iterdir()) == []
    with pytest.raises(LogFormatError):
        EventLog.load(tmp_path / "log")


def test_a_writer_left_early_leaves_the_log_that_was_there(tmp_path, log_of, saved):
    before = read_all(saved)
    log = log_of([ROW])
    with pytest.raises(RuntimeError), LogWriter(saved, log.vocabulary) as writer:
        writer.append(columns_of(log, [ROW]))
        raise RuntimeError
    assert read_all(saved) == before


def test_a_log_takes_the_place_of_another(saved, log_of):
    log_of([{**ROW, "identity": "somebody else"}]).save(saved)
    assert read_all(saved) == [[("somebody else", -1)]]
    assert sorted(file.name for file in saved.iterdir()) == sorted([EVENTS, VOCABULARY, MANIFEST])


KILLED = """
    import os, signal, sys
    import pandas  # which Arrow would otherwise load in every child
    from pathlib import Path
    import numpy as np
    from scopedrift.simulator.log import storage
    from scopedrift.simulator.log.events import Vocabulary

    calls, last = 0, 0

    def die_at_last(function):
        def wrapped(*args, **kwargs):
            global calls
            calls += 1
            if calls == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return wrapped

    # every call that changes the directory counts as one step
    storage.pq.write_table = die_at_last(storage.pq.write_table)
    for name in ("replace", "unlink", "write_text", "mkdir"):
        setattr(Path, name, die_at_last(getattr(Path, name)))

    def write(path):
        # the same names as in the other log, in another order: only the codes would tell a mixture
        names = {"stream": ["runtime"], "operation": ["o"], "image": ["ghcr.io/a/b:1"], "outcome": ["success"]}
        vocabulary = Vocabulary({**names, "identity": ["id-1", "id-0", "id-3", "id-2"]})
        with storage.LogWriter(path, vocabulary) as writer:
            for k in range(2):
                codes = np.arange(9, dtype=np.int32) % 2
                writer.append({"time": np.arange(9), "arrived": np.arange(9), "identity": codes})
            die_at_last(lambda: None)()
            writer.finish({"seed": 1})

    for folder in sys.argv[1:]:
        last += 1
        child = os.fork()
        if not child:
            write(Path(folder))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("over_another", [False, True], ids=["in a new directory", "over another log"])
def test_a_killed_writer_leaves_no_log_that_is_half_of_one(over_another, tmp_path, log_of):
    """The writer is killed before each of its changes to the directory in turn, then not at all."""
    folders = [tmp_path / str(step) for step in range(1, 9)]
    if over_another:
        for folder in folders:
            log_of([{**ROW, "identity": f"id-{k}"} for k in range(4)]).save(folder)
    command = [sys.executable, "-c", textwrap.dedent(KILLED), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    codes = [int(line) for line in done.stdout.split()]
    assert set(codes) == {-signal.SIGKILL, 0} and codes == sorted(codes) and len(codes) == len(folders)
    old, new = {f"id-{k}" for k in range(4)}, {"id-0", "id-1"}
    for folder, code in zip(folders, codes, strict=True):
        try:
            log = EventLog.load(folder)
            seen = {identity for (identity,) in log.batch(0, 100).pairs("identity")}
            assert log.manifest.get("seed") == 1 or log.digest == EventLog(log._chunks, log.vocabulary).digest
        except LogFormatError:
            seen = set()
        # whole, or nothing: the old log until the new one takes its place, never a mixture
        assert seen in ([new] if code == 0 else [set(), old if over_another else new, new])
    assert EventLog.load(folders[-1]).manifest["seed"] == 1


def test_identities_beyond_the_small_vocabulary_come_back(tmp_path, log_of):
    rows = [{**ROW, "identity": f"id-{k}" if k % 3 else None} for k in range(5000)]
    log_of(rows).save(tmp_path)
    assert [i for b in read_all(tmp_path) for i, _ in b] == [row["identity"] for row in rows]


def test_any_tool_can_read_the_events(saved):
    table = pq.read_table(saved / EVENTS).to_pandas()
    assert table["identity"].iloc[8] == "id-1" and str(table["time"].dt.tz) == "UTC"
    assert json.loads((saved / MANIFEST).read_text())["format"] == FORMAT


def test_a_row_group_holds_the_texts_that_it_uses_and_not_the_whole_vocabulary(tmp_path, log_of):
    log = log_of([{**ROW, "identity": f"id-{k}"} for k in range(5000)])
    with LogWriter(tmp_path, log.vocabulary) as writer:
        for batch in log.batches(1000):
            writer.append(batch.columns)
        writer.finish({})
    group = pq.ParquetFile(tmp_path / EVENTS).read_row_group(2)
    assert group["identity"].chunk(0).dictionary.to_pylist() == [f"id-{k}" for k in range(2000, 3000)]
