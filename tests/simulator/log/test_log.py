"""Logs: however one is cut, saved or loaded, it holds the same events and has the same digest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.log import storage
from scopedrift.simulator.log.event_log import Digest, EventLog
from scopedrift.simulator.log.events import COLUMNS, Vocabulary


def content(log, start=0, stop=None):
    """Everything that a log says from one position to another, as plain values."""
    batch = log.batch(start, len(log) if stop is None else stop)
    return {name: batch.text(name).tolist() for name in batch.columns}


@settings(max_examples=60)
@given(data=st.data())
def test_batches_cut_anyhow_are_the_log(data, rows, log_of):
    given_rows = data.draw(rows)
    log = log_of(given_rows)
    size, start = data.draw(st.integers(1, 50)), data.draw(st.integers(0, len(given_rows)))
    stop = data.draw(st.none() | st.integers(start, 60))
    batches = list(log.batches(size, start, stop))
    assert all(len(batch) == size for batch in batches[:-1]) and all(len(batch) for batch in batches)
    joined = [pair for batch in batches for pair in batch.pairs("arrived", "identity", "image")]
    assert joined == [(r["arrived"], r["identity"], r["image"]) for r in given_rows[start:stop]]


@settings(max_examples=30)
@given(data=st.data())
def test_a_batch_takes_positions_beyond_the_ends_as_a_slice_does(data, rows, log_of):
    given_rows = data.draw(rows)
    start, stop = data.draw(st.integers(-5, 60)), data.draw(st.integers(-5, 60))
    batch = log_of(given_rows).batch(start, stop)
    assert batch["time"].tolist() == [r["time"] for r in given_rows[max(start, 0) : max(stop, 0)]]


@settings(max_examples=20)
@given(data=st.data())
def test_a_log_comes_back_from_disk_as_it_was(data, rows, log_of, tmp_path_factory):
    given_rows = data.draw(rows)
    group = data.draw(st.integers(1, 50))
    log = log_of(given_rows, seed=3)
    path = tmp_path_factory.mktemp("log")
    with storage.LogWriter(path, log.vocabulary) as writer:  # as many row groups as there are batches
        for batch in log.batches(group):
            writer.append(batch.columns)
        writer.finish({**log.manifest, "digest": log.digest})
    loaded = EventLog.load(path)
    assert len(loaded) == len(given_rows)
    assert given_rows == [] or content(loaded) == content(log)
    assert loaded.vocabulary.texts() == log.vocabulary.texts()
    assert loaded.manifest["seed"] == 3
    assert EventLog(loaded._chunks, loaded.vocabulary).digest == log.digest == loaded.digest
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, 45)] * 2)))
    one, other = loaded.batch(start, stop), log.batch(start, stop)
    assert one.pairs("time", "identity", "registry") == other.pairs("time", "identity", "registry")
    assert list(one.names("registry")) == list(other.names("registry"))
    assert {n: len(one.names(n)) for n in ("stream", "identity", "image", "outcome")} == {
        n: len(other.names(n)) for n in ("stream", "identity", "image", "outcome")
    }
    assert loaded.arrived.tolist() == log.arrived.tolist()
    again = path / "again"
    loaded.save(again)
    assert content(EventLog.load(again)) == content(loaded) and EventLog.load(again).digest == log.digest


def test_save_and_load_keep_the_digest_in_the_manifest(small, tmp_path):
    small.log.save(tmp_path)
    loaded = EventLog.load(tmp_path)
    assert loaded.manifest["digest"] == small.log.digest == EventLog(loaded._chunks, loaded.vocabulary).digest
    assert {key: loaded.manifest[key] for key in small.log.manifest} == small.log.manifest
    assert content(loaded, 9_000, 9_500) == content(small.log, 9_000, 9_500)


@settings(max_examples=40)
@given(data=st.data())
def test_the_digest_does_not_depend_on_how_the_log_was_cut(data, rows, log_of):
    log = log_of(data.draw(rows))
    digest = Digest()
    for batch in log.batches(data.draw(st.integers(1, 50))):
        digest.update(batch.columns)
    assert digest.hexdigest(log.vocabulary) == log.digest


@settings(max_examples=60)
@given(data=st.data())
def test_the_digest_changes_with_any_value(data, rows, log_of):
    given_rows = data.draw(rows.filter(bool))
    changed = [dict(row) for row in given_rows]
    row = data.draw(st.integers(0, len(changed) - 1))
    column = data.draw(st.sampled_from(["time", "identity", "image", "outcome", "credential", "bytes"]))
    other = {"time": 7, "credential": 7, "bytes": 7}.get(column, "another")
    changed[row][column] = other
    assert given_rows == changed or log_of(changed).digest != log_of(given_rows).digest
    assert log_of([dict(row) for row in given_rows]).digest == log_of(given_rows).digest


def test_the_digest_tells_apart_what_codes_alone_would_not(log_of):
    row = {"time": 1, "arrived": 2, "stream": "runtime", "operation": "o", "image": None, "outcome": "success"}
    row |= {"credential": 1, "bytes": 1}
    assert log_of([{**row, "identity": "a"}]).digest != log_of([{**row, "identity": "b"}]).digest


def test_an_empty_log_is_a_log(tmp_path, log_of):
    empty = log_of([])
    empty.save(tmp_path)
    for log in (empty, EventLog.load(tmp_path)):
        assert len(log) == 0 and list(log.batches()) == [] and len(log.batch(0, 10)) == 0
        assert list(log.batch(0, 10).names("identity")) == [] and len(log.frame()) == 0
        assert log.position(5) == 0 and log.digest == empty.digest


def test_position_is_the_first_event_that_arrived_by_then(log_of):
    row = {"time": 0, "stream": "runtime", "identity": "a", "operation": "o", "image": None, "outcome": "success"}
    row |= {"credential": 1, "bytes": 1}
    log = log_of([{**row, "arrived": at} for at in (10, 20, 20, 30)])
    assert [log.position(at) for at in (0, 10, 11, 20, 21, 30, 31)] == [0, 0, 1, 1, 3, 3, 4]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"time": [1]}, "needs the columns time and arrived: arrived missing"),
        ({"time": [1], "arrived": [1], "colour": [1]}, "unknown columns: colour"),
        ({"time": [1], "arrived": [1, 2]}, "same length"),
        ({"time": [1, 1], "arrived": [2, 1]}, "in order of arrival"),
    ],
)
def test_columns_that_make_no_log_are_refused(columns, message):
    with pytest.raises(ValueError, match=message):
        EventLog.from_columns({name: np.array(values) for name, values in columns.items()}, Vocabulary())


def test_a_log_may_lack_columns(tmp_path):
    log = EventLog.from_columns({"time": np.array([1, 2]), "arrived": np.array([1, 2])}, Vocabulary())
    log.save(tmp_path)
    loaded = EventLog.load(tmp_path)
    assert list(loaded.batch(0, 2).columns) == ["time", "arrived"] and loaded.digest == log.digest
    assert set(loaded.batch(0, 2).columns) < set(COLUMNS)
