"""Counts that settle: against a plain dictionary, and independent of how the stream was cut."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.toolkit.counts import DecayingCounts

KEYS = st.lists(st.integers(1, 12), max_size=30)


def keys_of(values: list[int]) -> np.ndarray:
    return np.array(values, np.int64)


@given(st.lists(KEYS, max_size=6))
@settings(max_examples=50)
def test_what_is_added_counts_from_the_next_settling_on(days: list[list[int]]) -> None:
    counts, settled = DecayingCounts(), Counter[int]()
    asked = keys_of(list(range(14)))
    for day in days:
        counts.add(counts.rows(keys_of(day)))
        assert counts.of(asked).tolist() == [settled[key] for key in range(14)]
        settled.update(day)
        counts.settle()
    assert counts.of(asked).tolist() == [settled[key] for key in range(14)]


@given(st.lists(KEYS, min_size=1, max_size=6), st.floats(0.1, 1.0))
@settings(max_examples=40)
def test_counts_fade_by_the_share_that_is_kept(days: list[list[int]], keep: float) -> None:
    counts, model = DecayingCounts(), defaultdict[int, float](float)
    for day in days:
        counts.add(counts.rows(keys_of(day)), 2.0)
        counts.settle(keep)
        for key in model:
            model[key] *= keep
        for key in day:
            model[key] += 2.0
    assert np.allclose(counts.of(keys_of(list(range(14)))), [model[key] for key in range(14)])


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 3)), max_size=60), st.integers(1, 60))
@settings(max_examples=60)
def test_once_a_period_counts_once_however_the_stream_is_cut(events: list[tuple[int, int]], size: int) -> None:
    events = sorted(events, key=lambda event: event[1])  # periods only move on
    keys, periods = keys_of([key for key, _ in events]), keys_of([period for _, period in events])
    counts, counted = DecayingCounts(), list[int]()
    for start in range(0, len(events), size):
        part = slice(start, start + size)
        counted += (start + counts.add_once(counts.rows(keys[part]), periods[part])).tolist()
    first = {event: position for position, event in reversed(list(enumerate(events)))}
    assert counted == sorted(first.values())
    counts.settle()
    expected = Counter(key for key, _ in set(events))
    assert counts.of(keys_of(list(range(10)))).tolist() == [expected[key] for key in range(10)]


def test_beyond_the_limit_the_lesser_half_is_dropped() -> None:
    counts = DecayingCounts(limit=100)
    rows = counts.rows(np.arange(1, 151))
    counts.add(rows, np.arange(1.0, 151.0))
    kept = counts.settle()
    assert kept is not None and kept.sum() < 100
    assert counts.of(np.array([1, 150])).tolist() == [0.0, 150.0]
    assert len(counts.table) == kept.sum()


def test_within_the_limit_rows_stay_as_they_are() -> None:
    counts = DecayingCounts(limit=100)
    rows = counts.rows(np.arange(1, 51))
    assert counts.settle() is None
    assert np.array_equal(counts.rows(np.arange(1, 51)), rows)
