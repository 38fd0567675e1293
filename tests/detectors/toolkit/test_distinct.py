"""Each distinct row is judged once, and every row gets the answer of its own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.toolkit.distinct import Distinct

ROWS = st.integers(1, 30).flatmap(
    lambda width: st.lists(st.lists(st.sampled_from([0, 1, 15, 31]), min_size=width, max_size=width), max_size=40)
)


@given(ROWS, st.integers(1, 40), st.sampled_from([3, 8000]))
@settings(max_examples=60)
def test_every_row_gets_its_own_answer(rows: list[list[int]], cut: int, most: int) -> None:
    asked: list[tuple[int, ...]] = []

    def judge(part: np.ndarray) -> np.ndarray:
        asked.extend(map(tuple, part.tolist()))
        return np.stack([part.sum(axis=1), (part * np.arange(1, part.shape[1] + 1)).sum(axis=1)], axis=1)

    distinct = Distinct(judge, most)
    for begin in range(0, len(rows), cut):
        part = np.array(rows[begin : begin + cut])
        found = distinct.answers(part)
        assert found.tolist() == [[sum(row), sum(n * x for n, x in enumerate(row, 1))] for row in part.tolist()]
    if most > len(rows):
        assert len(asked) == len(set(asked))


def test_no_rows_are_no_question() -> None:
    distinct = Distinct(lambda rows: np.zeros((len(rows), 4), np.int16))
    distinct.answers(np.ones((3, 14), np.int64))
    assert distinct.answers(np.ones((0, 14), np.int64)).shape == (0, 4)


def test_numbers_that_differ_in_one_place_alone_are_told_apart() -> None:
    rows = np.concatenate([value * np.eye(28, dtype=np.int64) for value in range(1, 32)])
    found = Distinct(lambda part: part @ np.arange(1, 29) * 32 + part.max(axis=1)).answers(rows)
    assert found.tolist() == [32 * place * value + value for value in range(1, 32) for place in range(1, 29)]


def test_a_question_that_fails_leaves_no_answer() -> None:
    fails = [True]

    def judge(rows: np.ndarray) -> np.ndarray:
        if fails.pop() if fails else False:
            raise MemoryError
        return rows.sum(axis=1)

    distinct, rows = Distinct(judge), np.arange(28).reshape(2, 14)
    with pytest.raises(MemoryError):
        distinct.answers(rows)
    assert distinct.answers(rows).tolist() == rows.sum(axis=1).tolist()
