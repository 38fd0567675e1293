"""Fingerprints and hash tables, against Python's own dictionaries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.toolkit.hashing import HashTable, greater_half, grown, mix, splitmix

INT64 = st.integers(-(2**63), 2**63 - 1)
BATCHES = st.lists(st.lists(st.one_of(st.integers(-5, 40), INT64), max_size=60), max_size=8)


def rows_in_order_of_appearance(batches: list[list[int]]) -> list[list[int]]:
    """What `HashTable.add` promises, by a dictionary."""
    known: dict[int, int] = {}
    return [[known.setdefault(key, len(known)) for key in batch] for batch in batches]


@given(BATCHES)
@settings(max_examples=60)
def test_a_table_is_a_dictionary_numbered_by_first_appearance(batches: list[list[int]]) -> None:
    table = HashTable()
    found = [table.add(np.array(batch, np.int64)).tolist() for batch in batches]
    assert found == rows_in_order_of_appearance(batches)
    assert len(table) == len({key for batch in batches for key in batch})


@given(st.lists(INT64, max_size=200))
@settings(max_examples=40)
def test_cutting_the_stream_changes_no_row(keys: list[int]) -> None:
    whole, pieces = HashTable(), HashTable()
    array = np.array(keys, np.int64)
    rows = whole.add(array)
    cut = [pieces.add(array[start : start + 7]) for start in range(0, len(keys), 7)]
    assert np.array_equal(rows, np.concatenate([np.zeros(0, np.int64), *cut]))


@given(st.lists(INT64, max_size=100), st.lists(INT64, max_size=100))
@settings(max_examples=40)
def test_find_knows_what_was_added_and_nothing_else(added: list[int], asked: list[int]) -> None:
    table = HashTable()
    table.add(np.array(added, np.int64))
    rows = {key: row for row, key in enumerate(dict.fromkeys(added))}
    assert table.find(np.array(asked, np.int64)).tolist() == [rows.get(key, -1) for key in asked]
    assert len(table) == len(rows)
    assert table.absent(np.array(asked, np.int64)).tolist() == [at for at, key in enumerate(asked) if key not in rows]


@pytest.mark.parametrize("key", [0, -1, 1, 2**63 - 1, -(2**63)])
def test_what_an_empty_slot_holds_is_not_in_the_table(key: int) -> None:
    table, keys = HashTable(), np.array([key])
    assert table.absent(keys).tolist() == [0] and table.find(keys).tolist() == [-1]
    table.add(keys)
    assert table.absent(keys).tolist() == []


def test_keys_that_share_a_slot_stay_apart() -> None:
    keys = np.arange(1, 3000, dtype=np.int64)  # the upper bits, which choose the slot, are all zero
    table = HashTable()
    assert np.array_equal(table.add(keys), np.arange(len(keys)))
    assert np.array_equal(table.find(keys[::-1]), np.arange(len(keys))[::-1])


@given(st.lists(INT64, min_size=1, max_size=100, unique=True), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_keep_drops_rows_and_moves_the_others_up(keys: list[int], random: object) -> None:
    mask = np.array([random.random() < 0.5 for _ in keys])  # type: ignore[attr-defined]
    table = HashTable()
    table.add(np.array(keys, np.int64))
    table.keep(mask)
    kept = [key for key, stays in zip(keys, mask, strict=True) if stays]
    assert len(table) == len(kept)
    assert table.find(np.array(keys, np.int64)).tolist() == [kept.index(k) if k in kept else -1 for k in keys]
    assert table.add(np.array(kept, np.int64)).tolist() == list(range(len(kept)))


def test_clear_forgets_everything() -> None:
    table = HashTable()
    table.add(np.arange(5000))
    table.clear()
    assert len(table) == 0
    assert table.find(np.arange(3)).tolist() == [-1, -1, -1]


@given(st.lists(st.tuples(st.integers(-1, 50), st.integers(-1, 50), INT64), min_size=2, max_size=200))
@settings(max_examples=60)
def test_equal_rows_and_only_they_share_a_fingerprint(rows: list[tuple[int, int, int]]) -> None:
    columns = [np.array(column, np.int64) for column in zip(*rows, strict=True)]
    fingerprints = mix(*columns).tolist()
    assert len(set(fingerprints)) == len(set(rows))
    assert fingerprints == mix(*columns).tolist()


def test_constants_tell_kinds_of_fingerprints_apart() -> None:
    values = np.arange(100)
    assert not set(mix(0, values)) & set(mix(1, values))
    assert np.array_equal(mix(3, values), mix(np.full(100, 3), values))
    assert not np.array_equal(mix(values, values[::-1].copy()), mix(values[::-1].copy(), values))


@pytest.mark.parametrize("columns", [(), (1, 2), tuple(np.zeros(1, np.int64) for _ in range(9))])
def test_mix_says_how_many_columns_it_takes(columns: tuple[object, ...]) -> None:
    with pytest.raises(TypeError, match="1 to 8 columns, at least one of them an array"):
        mix(*columns)  # type: ignore[arg-type]


def test_splitmix_gives_the_published_values() -> None:
    # the first outputs of SplitMix64 from state 0 (Vigna's reference implementation)
    states = np.array([0, 0x9E3779B97F4A7C15], np.uint64)
    assert [hex(z) for z in splitmix(states).tolist()] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


@given(st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=40)
def test_grown_keeps_what_is_there_and_fills_the_rest(have: int, want: int) -> None:
    array = np.arange(have)
    longer = grown(array, want, -7)
    assert len(longer) >= max(have, want)
    assert np.array_equal(longer[:have], array)
    assert np.all(longer[have:] == -7)
    assert (longer is array) == (have >= want)


def test_grown_keeps_the_width_of_a_table() -> None:
    assert grown(np.ones((2, 3)), 100).shape[1:] == (3,)


@given(st.lists(st.integers(0, 3), max_size=50))
@settings(max_examples=40)
def test_the_greater_half_is_a_half_of_equals_too(values: list[int]) -> None:
    mask = greater_half(np.array(values, np.int64))
    ranked = sorted(range(len(values)), key=lambda row: (values[row], row))
    assert np.flatnonzero(mask).tolist() == sorted(ranked[(len(values) + 1) // 2 :])
