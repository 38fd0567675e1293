"""Stages and tasks are numbered from ranges that have nothing in common."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.simulator.expansion.numbers import NO_TASK, STAGES, TASKS, NumberRange, check_apart

ranges = st.tuples(st.integers(-50, 50), st.integers(1, 20)).map(lambda at: NumberRange("some", at[0], at[0] + at[1]))


@pytest.mark.parametrize("group", [STAGES, TASKS])
def test_no_two_ranges_share_a_number(group):
    check_apart(group)
    for one, other in combinations(group, 2):
        assert one.end <= other.first or other.end <= one.first
    assert all(each.first < each.end for each in group)


def test_what_belongs_to_no_task_has_a_number_of_its_own():
    assert not any(each.first <= NO_TASK < each.end for each in TASKS)


@given(st.lists(ranges, min_size=2, max_size=5))
def test_ranges_that_overlap_are_refused(some):
    shared = any(set(range(a.first, a.end)) & set(range(b.first, b.end)) for a, b in combinations(some, 2))
    if not shared:
        check_apart(tuple(some))
    else:
        with pytest.raises(ValueError, match="overlap"):
            check_apart(tuple(some))


@given(ranges, st.integers(-30, 30))
def test_a_range_gives_its_own_numbers_and_no_others(some, offset):
    if 0 <= offset < some.end - some.first:
        assert some.first <= some.at(offset) < some.end
    else:
        with pytest.raises(ValueError, match="some: number"):
            some.at(offset)
