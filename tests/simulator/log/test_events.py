"""Names, batches and single events: every view of the same columns says the same, and only what arrived exists."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.log.events import (
    CODED,
    COLUMNS,
    DTYPES,
    MISSING,
    OPAQUE,
    TIMES,
    EventBatch,
    Names,
    Vocabulary,
    registry_of,
)


def expected(row, column):
    """What a view must say of one column of a hand-made row."""
    if column == "registry":
        return None if row["image"] is None else registry_of(row["image"])
    value = row.get(column)
    return f"{value:016x}" if column in OPAQUE and value is not None else value


def test_the_columns_fall_into_times_codes_ids_and_bytes():
    assert len(COLUMNS) == len(set(COLUMNS)) == 19
    assert {*TIMES, *CODED, *OPAQUE, "bytes"} == set(COLUMNS) == set(DTYPES)


# --- names


@given(st.lists(st.text(max_size=3)))
def test_a_text_keeps_the_code_that_it_got_when_it_was_first_added(texts):
    names = Names()
    codes = [names.code(text) for text in texts]
    first_seen = list(dict.fromkeys(texts))
    assert codes == [first_seen.index(text) for text in texts]
    assert list(names) == names.texts() == first_seen
    assert [names.code(text) for text in texts] == codes
    assert [names[code] for code in codes] == texts
    assert [names.find(text) for text in texts] == codes
    assert names.find("not there, and longer than any") == MISSING


def test_a_copy_of_the_texts_is_no_way_into_the_vocabulary():
    vocabulary = Vocabulary({"identity": ["a"]})
    vocabulary["identity"].texts().append("b")
    vocabulary.texts()["identity"].append("b")
    assert list(vocabulary["identity"]) == ["a"]


# --- batches


@settings(max_examples=60)
@given(data=st.data())
def test_text_pairs_frame_and_iteration_agree_with_the_rows(data, rows, log_of):
    given_rows = data.draw(rows)
    batch = log_of(given_rows).batch(0, len(given_rows))
    columns = [*batch.columns, "registry"]
    for column in columns:
        text = batch.text(column).tolist()
        if column == "bytes":  # numbers stay numbers: missing is -1
            assert text == [MISSING if row["bytes"] is None else row["bytes"] for row in given_rows]
        else:
            assert text == [expected(row, column) for row in given_rows]
    assert batch.pairs("identity", "registry") == [(r["identity"], expected(r, "registry")) for r in given_rows]
    events = list(batch)
    assert [[getattr(e, c) for c in columns] for e in events] == [[expected(r, c) for c in columns] for r in given_rows]
    assert all(
        e.asdict() == {c: expected(r, c) for c in batch.columns} for e, r in zip(events, given_rows, strict=True)
    )
    frame = batch.frame()
    assert list(frame) == list(batch.columns) and len(frame) == len(batch) == len(given_rows)
    for column in set(frame) - {*TIMES, "bytes"}:
        assert [None if pd.isna(v) else v for v in frame[column]] == [expected(r, column) for r in given_rows]
    for column in TIMES:
        assert [at.value // 1000 for at in frame[column]] == [r[column] for r in given_rows]
        assert str(frame[column].dt.tz) == "UTC"


@settings(max_examples=40)
@given(data=st.data())
def test_a_name_does_not_exist_before_the_stream_has_shown_it(data, rows, log_of):
    given_rows = data.draw(rows)
    log = log_of(given_rows)
    stop = data.draw(st.integers(0, len(given_rows)))
    batch = log.batch(data.draw(st.integers(0, stop)), stop)
    for column in ("identity", "image", "operation", "registry"):
        shown = list(dict.fromkeys(t for r in given_rows[:stop] if (t := expected(r, column)) is not None))
        names = batch.names(column)
        assert list(names) == names[:] == shown and len(names) == len(shown)
        assert [names.find(text) for text in shown] == list(range(len(shown)))
        later = {expected(r, column) for r in given_rows[stop:]} - {*shown, None}
        assert all(names.find(text) == MISSING for text in later)
        with pytest.raises(IndexError, match=f"{len(shown)} names so far"):
            names[len(shown)]
        assert not shown or names[-1] == shown[-1]


def test_columns_are_read_only_in_every_way_that_a_batch_hands_them_out(log_of, rows):
    row = {"time": 1, "arrived": 2, "stream": "runtime", "identity": "a", "operation": "o", "image": "i"}
    log = log_of([{**row, "outcome": "success", "credential": 1, "bytes": 1}] * 5)
    batch = log.batch(0, 5)
    for part in (batch, batch.slice(1, 3), log.batch(2, 4), next(log.batches(2))):
        for column in part.columns:
            with pytest.raises(ValueError, match="read-only"):
                part[column][0] = 0
    with pytest.raises(ValueError, match="read-only"):
        log.arrived[0] = 0
    assert batch["time"].tolist() == [1] * 5


def test_writing_into_a_derived_column_changes_no_other_reader(log_of):
    row = {"time": 1, "arrived": 2, "stream": "runtime", "identity": "a", "operation": "o", "image": "ghcr.io/i"}
    batch = log_of([{**row, "outcome": "success", "credential": 1, "bytes": 1}] * 3).batch(0, 3)
    with suppress(ValueError):
        batch["registry"][:] = MISSING
    assert batch.text("registry").tolist() == ["ghcr.io"] * 3


@settings(max_examples=30)
@given(data=st.data())
def test_a_slice_is_the_events_at_these_positions(data, rows, log_of):
    given_rows = data.draw(rows)
    batch = log_of(given_rows).batch(0, len(given_rows))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(given_rows))] * 2)))
    part = batch.slice(start, stop)
    assert len(part) == stop - start
    assert part.pairs("time", "identity", "registry") == batch.pairs("time", "identity", "registry")[start:stop]


def test_a_column_that_the_log_lacks_is_a_key_error_in_bulk_and_none_in_one_event(log_of):
    row = {"time": 1, "arrived": 2, "stream": "runtime", "identity": "a", "operation": "o", "image": None}
    batch = log_of([{**row, "outcome": "success", "credential": None, "bytes": None}]).batch(0, 1)
    with pytest.raises(KeyError):
        batch["resource"]
    event = next(iter(batch))
    assert event.resource is None and event.registry is None and event.credential is None and event.bytes is None
    with pytest.raises(AttributeError, match="no column 'colour'"):
        event.colour  # noqa: B018


def test_a_batch_without_a_count_of_names_knows_the_whole_vocabulary():
    vocabulary = Vocabulary({"image": ["ghcr.io/a", "b/c"]})
    batch = EventBatch({"time": np.array([1]), "image": np.array([1], np.int32)}, vocabulary)
    assert list(batch.names("image")) == ["ghcr.io/a", "b/c"]
    assert batch.text("registry").tolist() == ["docker.io"]


def test_a_derived_column_follows_a_vocabulary_that_grows():
    vocabulary = Vocabulary({"image": ["ghcr.io/a"]})
    assert vocabulary.derive("registry", 1).tolist() == [0]
    for image in ("quay.io/b", "ghcr.io/c"):
        vocabulary["image"].code(image)
    assert vocabulary.derive("registry", 3).tolist() == [0, 1, 0]
    assert list(vocabulary["registry"]) == ["ghcr.io", "quay.io"]


@pytest.mark.parametrize(
    ("image", "registry"),
    [
        ("ghcr.io/a/b:1", "ghcr.io"),
        ("a/b", "docker.io"),
        ("python:3.12", "docker.io"),
        ("localhost/a", "localhost"),
        ("localhost:5000/a", "localhost:5000"),
        ("123.dkr.ecr.eu-west-1.amazonaws.com/p/a@sha256:00", "123.dkr.ecr.eu-west-1.amazonaws.com"),
        ("", "docker.io"),
    ],
)
def test_the_registry_is_what_a_container_runtime_would_pull_from(image, registry):
    assert registry_of(image) == registry
