"""Reading columns: absent ones, derived codes, groups and segments, against plain loops."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.toolkit.columns import Derived, column, grouped, segments, sorted_by, text, texts
from scopedrift.simulator.log.events import Names


def test_an_absent_column_is_none_and_a_derived_one_is_found(build) -> None:
    batch = build([{"at": 0, "image": "ghcr.io/a/b:1"}]).batch(0, 1)
    assert column(batch, "identity") is None
    assert column(batch, "registry") is not None
    assert text(batch, "registry", 0) == "ghcr.io"


def test_texts_give_none_for_what_is_missing(build) -> None:
    batch = build([{"at": 0, "identity": "a"}, {"at": 1, "operation": "get"}]).batch(0, 2)
    assert texts(batch, ("identity", "operation", "project"), np.array([0, 1])) == [
        ("a", None, None),
        (None, "get", None),
    ]


@given(st.lists(st.integers(0, 40), max_size=80), st.integers(1, 12))
@settings(max_examples=60)
def test_segments_cut_where_the_unit_changes(values: list[int], unit: int) -> None:
    ordered = sorted(values)
    expected, at = [], 0
    for number, items in groupby(value // unit for value in ordered):
        length = len(list(items))
        expected.append((at, at + length, number))
        at += length
    assert list(segments(np.array(ordered, np.int64), unit)) == expected


@given(st.lists(st.integers(0, 9), max_size=80))
@settings(max_examples=60)
def test_grouped_is_a_stable_sort_by_key(keys: list[int]) -> None:
    order, starts, lengths = grouped(np.array(keys, np.int64))
    assert order.tolist() == sorted(range(len(keys)), key=keys.__getitem__)
    groups = [order[s : s + n].tolist() for s, n in zip(starts, lengths, strict=True)]
    assert groups == [[row for row, key in enumerate(keys) if key == value] for value in sorted(set(keys))]


def test_derived_codes_are_computed_once_for_each_text(build) -> None:
    called: list[str] = []

    def first_letter(name: str) -> str:
        called.append(name)
        return name[0]

    derived = Derived("identity", first_letter)
    log = build([{"at": h, "identity": name} for h, name in enumerate(["ab", "ac", None, "ba", "ab"])])
    found = [derived.codes(batch).tolist() for batch in log.batches(2)]
    assert found == [[0, 0], [-1, 1], [0]]
    assert called == ["ab", "ac", "ba"]
    assert derived.table().tolist() == [0, 0, 1]


def test_columns_may_share_their_names(build) -> None:
    names = Names()
    actor, principal = Derived("identity", str, names), Derived("on_behalf_of", str, names)
    batch = build([{"at": 0, "identity": "a", "on_behalf_of": "b"}, {"at": 1, "identity": "b"}]).batch(0, 2)
    assert actor.codes(batch).tolist() == [0, 1]
    assert principal.codes(batch).tolist() == [1, -1]


def test_derived_from_an_absent_column_is_none(build) -> None:
    assert Derived("identity", str).codes(build([{"at": 0}]).batch(0, 1)) is None


@given(st.lists(st.integers(0, 1 << 20), max_size=80))
def test_rows_sort_stably(rows: list[int]) -> None:
    row = np.array(rows, np.int32)
    assert sorted_by(row).tolist() == np.argsort(row, kind="stable").tolist()
