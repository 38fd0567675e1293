"""Activities: data become look-up tables that say exactly what the data say, or are refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import ActivitySpec
from scopedrift.simulator.expansion.activities import ActivityTable, Operations
from scopedrift.simulator.log.events import ACCESS, STREAMS
from scopedrift.simulator.randomness import TABLE

OPERATIONS = Operations(catalogue.operations())
NAMES = [operation.name for operation in OPERATIONS.all]


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from(NAMES), st.floats(0.01, 100.0), min_size=1, max_size=8))
def test_a_mix_gives_each_operation_its_share(mix):
    activities = ActivityTable(OPERATIONS)
    activity = activities.add("a", ActivitySpec(mix=mix))
    table = activities.arrays().operation[activity.code]
    for name, weight in mix.items():
        share = (table == OPERATIONS.codes[name]).mean()
        assert abs(share - weight / sum(mix.values())) <= 1 / TABLE + 1e-9
    assert {o.name for o in activity.operations} == set(mix) and activity.steps == 0


@settings(max_examples=40)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=10))
def test_a_sequence_keeps_its_order(steps):
    activities = ActivityTable(OPERATIONS)
    activity = activities.add("a", ActivitySpec(sequence=tuple(steps)))
    table = activities.arrays().operation[activity.code]
    assert [OPERATIONS.all[code].name for code in table[: len(steps)]] == steps
    assert activity.steps == len(steps) == activities.arrays().steps[activity.code]


def test_an_activity_is_compiled_once():
    activities = ActivityTable(OPERATIONS)
    first = activities.add("a", ActivitySpec(mix={NAMES[0]: 1}))
    assert activities.add("a", ActivitySpec(mix={NAMES[1]: 1})) is first is activities["a"] and "a" in activities


def test_an_unknown_operation_is_refused_by_name():
    with pytest.raises(ValueError, match=r"activity a: unknown operations storage\.raed"):
        ActivityTable(OPERATIONS).add("a", ActivitySpec(sequence=("storage.raed",)))


def test_the_operations_are_those_of_the_catalogue():
    assert {o.stream for o in OPERATIONS.all} <= set(STREAMS) and {o.access for o in OPERATIONS.all} <= set(ACCESS)
    for operation in OPERATIONS.all:
        code = OPERATIONS.codes[operation.name]
        assert STREAMS[OPERATIONS.stream[code]] == operation.stream
        assert ACCESS[OPERATIONS.access[code]] == operation.access
        assert OPERATIONS.operations[OPERATIONS.operation[code]] == operation.operation
        assert OPERATIONS.services[OPERATIONS.service[code]] == operation.service
        assert (OPERATIONS.sizes[code] >= 0).all() if operation.bytes else (OPERATIONS.sizes[code] == -1).all()


def test_calls_come_after_those_that_they_need():
    order = OPERATIONS.order
    assert order["storage.list"] < order["storage.read"] < order["storage.copy"]
    assert all(order[before] < order[o.name] for o in OPERATIONS.all for before in o.after)


@settings(max_examples=20)
@given(st.floats(0.0, 50.0), st.floats(0.0, 50.0))
def test_more_errors_never_make_a_call_likelier_to_succeed(one, other):
    fewer, more = (OPERATIONS.thresholds(errors) for errors in sorted((one, other)))
    assert all((few <= many).all() for few, many in zip(fewer, more, strict=True))
    denied, failed = more
    assert (denied <= failed).all() and failed.max() < 65536
    assert not np.any(OPERATIONS.thresholds(0.0))


def test_a_mix_is_tabulated_in_the_order_in_which_its_calls_are_made():
    activities = ActivityTable(OPERATIONS)
    activity = activities.add("a", ActivitySpec(mix={"storage.copy": 1, "storage.read": 6, "storage.list": 1}))
    table = activities.arrays().operation[activity.code]
    made = [OPERATIONS.all[code].name for code in dict.fromkeys(table.tolist())]
    assert made == ["storage.list", "storage.read", "storage.copy"] and activities.arrays().ordered[activity.code]


def test_chains_and_habits_keep_an_order_of_their_own():
    activities = ActivityTable(OPERATIONS)
    chains = activities.add("chains", ActivitySpec(mix={"agent.chat > agent.tool.read": 1}))
    habit = activities.add("habit", ActivitySpec(mix={"storage.read": 1, "storage.list": 1}, stay=0.5))
    assert not activities.arrays().ordered[[chains.code, habit.code]].any()
