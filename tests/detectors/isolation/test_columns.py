"""Batches in memory that is shared: each column only when it is read, only of this batch, and as it was for as long."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.isolation import columns as sending
from scopedrift.detectors.isolation.columns import Sender
from scopedrift.detectors.isolation.receiver import Receiver
from scopedrift.simulator.log.events import EventBatch

LOG = sample_log(24_000)
WHOLE = LOG.batch(0, 24_000)


class Both:
    """Both sides in this process, and what was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.sender = Sender()
        self.receiver = Receiver(self._answer)

    def _answer(self, want: Any) -> Any:
        self.asked.append(want)
        self.sender.freed(self.receiver.released())
        return self.sender.asked(want, again=True)

    def given(self, batch: EventBatch) -> EventBatch:
        self.receiver.complete()
        self.sender.freed(self.receiver.released())
        return self.receiver.batch(*self.sender.announced(batch))


def same(ours: EventBatch, theirs: EventBatch) -> bool:
    return list(ours.columns) == list(theirs.columns) and all(
        np.array_equal(column, theirs[name]) for name, column in ours.columns.items()
    )


@given(st.lists(st.tuples(st.integers(-25_000, 25_000), st.integers(-25_000, 25_000)), min_size=1, max_size=4))
def test_slices_hold_what_slices_hold(cuts: list[tuple[int, int]]) -> None:
    ours, theirs = WHOLE, Both().given(WHOLE)
    for start, stop in cuts:
        ours, theirs = ours.slice(start, stop), theirs.slice(start, stop)
        assert len(ours) == len(theirs)
    assert same(ours, theirs)


def test_only_what_is_read_is_asked_for_and_the_next_batch_comes_with_it() -> None:
    both = Both()
    first = both.given(LOG.batch(0, 1000))
    assert "image" in first.columns and len(first) == 1000 and not both.asked
    assert np.array_equal(first["identity"], WHOLE["identity"][:1000])
    assert np.array_equal(first["registry"], WHOLE["registry"][:1000])
    assert [want["want"] for want in both.asked] == [["identity"], ["image"]]
    del first
    second = both.given(LOG.batch(1000, 2000))
    assert both.sender.read == ["identity", "image"]
    assert np.array_equal(second["identity"], WHOLE["identity"][1000:2000]) and len(both.asked) == 2


def test_a_part_of_a_long_history_is_sent_alone() -> None:
    both = Both()
    history = both.given(WHOLE)
    for start in (0, 12_000):
        part = history.slice(start, start + 12_000)
        assert np.array_equal(part["time"], WHOLE["time"][start : start + 12_000])
    assert [(want["start"], want["stop"]) for want in both.asked] == [(0, 12_000), (12_000, 24_000)]


@pytest.mark.parametrize("keep", [lambda b: b, lambda b: b.columns, lambda b: b.slice(10, 20), lambda b: iter(b)])
def test_what_is_kept_is_completed_before_the_next_batch(keep: Any) -> None:
    both = Both()
    kept = keep(both.given(LOG.batch(0, 1000)))
    both.given(LOG.batch(1000, 2000))
    both.given(LOG.batch(2000, 3000))
    expected = keep(LOG.batch(0, 1000))
    if isinstance(kept, EventBatch):
        assert same(expected, kept)
    elif hasattr(kept, "items"):
        assert all(np.array_equal(column, kept[name]) for name, column in expected.items())
    else:
        assert [event.asdict() for event in kept] == [event.asdict() for event in expected]


def test_a_batch_can_be_pickled_and_its_memory_is_read_only() -> None:
    batch = Both().given(LOG.batch(0, 500))
    assert same(pickle.loads(pickle.dumps(batch)), batch)
    with pytest.raises(ValueError, match="WRITEABLE"):
        batch["identity"].flags.writeable = True


@pytest.mark.parametrize(
    ("want", "message"),
    [
        ({"want": ["time"], "start": 0, "stop": 101}, "no part of the batch"),
        ({"want": ["time"], "start": -1, "stop": 5}, "no part of the batch"),
        ({"want": ["time"], "start": 9, "stop": 5}, "no part of the batch"),
        ({"want": ["time"], "start": "0", "stop": 5}, "no part of the batch"),
        ({"want": ["label"], "start": 0, "stop": 5}, "no column"),
        ({"want": [["time"]], "start": 0, "stop": 5}, "no column"),
        ({"want": "time", "start": 0, "stop": 5}, "no column"),
    ],
)
def test_nothing_beyond_the_batch_is_given(want: dict[str, Any], message: str) -> None:
    sender = Sender()
    sender.announced(LOG.batch(100, 200))
    with pytest.raises(ValueError, match=message):
        sender.asked(want, again=False)


def test_nobody_can_ask_for_copies_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_SLACK", 0)
    both = Both()
    batch = both.given(WHOLE)
    with pytest.raises(ValueError, match="more copies of a batch than it may hold"):
        _ = [batch.slice(at, at + 20_000)["time"] for at in range(200)]


def test_parts_that_are_no_longer_held_can_be_asked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_SLACK", 0)
    batch = Both().given(WHOLE)
    for at in range(200):
        assert batch.slice(at, at + 20_000)["time"][0] == WHOLE["time"][at]
