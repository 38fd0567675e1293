"""Pools and actors: numbered once, read back as arrays whenever they have grown."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator.expansion.tables import Actor, Actors, Pools
from scopedrift.simulator.log.events import MISSING

POOLS = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), max_size=12)


@settings(max_examples=50)
@given(POOLS)
def test_a_pool_keeps_its_number_and_its_order(given_pools):
    pools = Pools()
    numbers = [pools.add(items) for items in given_pools]
    assert [pools.items(number) for number in numbers] == given_pools
    assert [pools.add(items) for items in given_pools] == numbers
    assert len(set(numbers)) == len({tuple(items) for items in given_pools})
    items, start, length = pools.arrays()
    for number, listed in zip(numbers, given_pools, strict=True):
        assert items[start[number] : start[number] + length[number]].tolist() == listed


def actor(number, **given):
    plain = {
        f.name: number + at
        for at, f in enumerate(fields(Actor))
        if f.name not in ("pools", "changed") and f.type == "int"
    }
    return Actor(**{**plain, **given})


@settings(max_examples=30)
@given(st.lists(st.booleans(), max_size=12))
def test_arrays_grow_with_the_actors(reads):
    """However often they are read in between."""
    actors = Actors(["dataset", "image"])
    for number, read in enumerate(reads):
        assert actors.add(actor(number * 100, pools={"image": number})) == number
        if read:
            assert len(actors.arrays()["identity"]) == number + 1
    arrays = actors.arrays()
    for number in range(len(reads)):
        held = actors[number]
        assert int(arrays["key"][number]) == held.key and arrays["identity"][number] == held.identity
        assert arrays["pools"][number].tolist() == [MISSING, number]
        assert arrays["changed"][number].tolist() == [0, 0]


def test_rebinding_makes_another_actor_and_leaves_the_first():
    first = actor(1, pools={"dataset": 3, "image": 4})
    second = first.rebound("dataset", 7, truth=5)
    third = second.rebound("image", 8)
    assert (first.pools, dict(first.changed)) == ({"dataset": 3, "image": 4}, {})
    assert (second.pools, second.changed) == ({"dataset": 7, "image": 4}, {"dataset": 5})
    assert (third.pools, third.changed) == ({"dataset": 7, "image": 8}, {"dataset": 5})
    actors = Actors(["dataset", "image"])
    for each in (first, second, third):
        actors.add(each)
    assert actors.arrays()["changed"].tolist() == [[0, 0], [5, 0], [5, 0]]
    assert np.array_equal(actors.arrays()["pools"], [[3, 4], [7, 4], [7, 8]])
