"""Keyed draws: a value belongs to a name and a number, never to the order in which values are taken."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.scenarios.catalogue import Distribution
from scopedrift.simulator.randomness import TABLE, Draws, Quantiles, evenly, generator, hash64, key, mix

U64 = st.integers(0, 2**64 - 1)
NAMES = st.lists(st.text(st.characters(exclude_categories=["C"]), max_size=4) | st.integers(), max_size=3)


@settings(max_examples=50)
@given(st.integers(), NAMES, NAMES)
def test_a_key_is_stable_and_belongs_to_one_name(seed, names, others):
    assert key(seed, *names) == key(seed, *names)
    assert 0 <= key(seed, *names) < 2**64
    assert key(seed, *names) != key(seed + 1, *names)
    if list(map(str, names)) != list(map(str, others)):
        assert key(seed, *names) != key(seed, *others)


def test_a_key_does_not_change_between_versions():
    assert key(7, "workload", "pipeline-0001") == 4429306644485228376


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(0, 10), st.integers(0, 50))
def test_members_fall_evenly_into_the_parts_of_the_range(seed, digits, block):
    many = 2**digits
    places = [evenly(seed, number, "family", "trait") for number in range(block * many, (block + 1) * many)]
    assert sorted(int(place * many) for place in places) == list(range(many))


def test_traits_of_one_member_are_independent():
    one, other = ([evenly(5, number, "family", trait) for number in range(2048)] for trait in ("one", "other"))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.08
    assert np.histogram2d(one, other, bins=4)[0].min() > 0.7 * 2048 / 16


def test_names_are_not_run_together():
    assert key(1, "ab", "c") != key(1, "a", "bc") != key(1, "abc")


@settings(max_examples=50)
@given(st.lists(st.tuples(U64, st.integers(0, 2**63 - 1)), min_size=1, max_size=20), st.randoms())
def test_the_vectorised_hash_is_the_scalar_one_in_any_order(pairs, random):
    def hashed(items):
        left, right = zip(*items, strict=True)
        return hash64(np.array(left, np.uint64), np.array(right, np.uint64)).tolist()

    assert hashed(pairs) == [mix(left, right) for left, right in pairs]
    shuffled = random.sample(pairs, len(pairs))
    assert dict(zip(shuffled, hashed(shuffled), strict=True)) == dict(zip(pairs, hashed(pairs), strict=True))


def test_the_bits_of_the_hash_are_even_and_neighbours_unrelated():
    hashed = hash64(np.full(40_000, key(3, "a"), np.uint64), np.arange(40_000))
    bits = np.unpackbits(hashed.view(np.uint8)).reshape(-1, 64)
    band = 5 * 0.5 / np.sqrt(len(hashed))  # five standard errors of a fair coin
    assert np.abs(bits.mean(axis=0) - 0.5).max() < band
    assert np.abs((bits[1:] ^ bits[:-1]).mean(axis=0) - 0.5).max() < band
    assert len(np.unique(hashed)) == len(hashed)


class Flat(NamedTuple):
    a: float
    b: float
    c: float
    d: float
    e: float
    f: float


class Pair(NamedTuple):
    left: float
    right: float


class Grouped(NamedTuple):
    a: float
    pair: Pair
    d: float
    rest: tuple[float, float]


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(0, 300))
def test_row_j_of_a_process_is_the_same_however_many_are_read_at_once(block, number):
    one = Draws(5, "training", "pipeline", of=Flat, block=block)
    other = Draws(5, "training", "pipeline", of=Flat, block=7)
    noise = Draws(5, "training", "another", of=Flat)
    for _ in range(number + 1):
        row = one.row()
        noise.row()  # what others draw meanwhile changes nothing
    for _ in range(number + 1):
        same = other.row()
    assert row == same and all(0.0 <= u < 1.0 for u in row)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 30))
def test_a_group_of_draws_has_those_that_its_place_in_the_row_has(seed, number):
    flat, grouped = Draws(seed, "a", of=Flat), Draws(seed, "a", of=Grouped)
    for _ in range(number):
        first, second, third, fourth, fifth, sixth = flat.row()
        assert grouped.row() == Grouped(first, Pair(second, third), fourth, (fifth, sixth))


def test_generators_of_different_names_differ():
    first, again, other = (generator(1, name).random(8).tolist() for name in ("a", "a", "b"))
    assert first == again != other


# --- tabulated distributions

POSITIVE = st.floats(1e-3, 1e6)


@given(POSITIVE, st.floats(0.0, 1.0, exclude_max=True))
def test_a_number_is_that_number_always(value, u):
    assert Quantiles.of(Distribution(value=value))(u) == value
    assert Quantiles.of(Distribution(value=value)).mean() == pytest.approx(value)


@given(
    st.dictionaries(st.integers(1, 99).map(lambda p: p / 100), POSITIVE, min_size=1, max_size=6).map(
        lambda anchors: dict(zip(sorted(anchors), sorted(anchors.values()), strict=True))
    )
)
def test_anchors_are_reproduced_within_a_cell_of_the_table(anchors):
    table = Quantiles.of(Distribution(quantiles=anchors))
    assert table.table == sorted(table.table) and len(table.table) == TABLE
    for p, value in anchors.items():
        below, above = table(p - 1 / TABLE), table(p + 1 / TABLE)
        assert below * (1 - 1e-9) <= value <= above * (1 + 1e-9)
    low, high = min(anchors.values()), max(anchors.values())
    assert table(0.0) == pytest.approx(low) and table(1 - 1e-9) == pytest.approx(high)


@given(POSITIVE, st.floats(1.01, 1000.0))
def test_a_log_normal_has_its_median_and_its_ninetieth_percentile(median, ratio):
    sigma = float(np.log(ratio)) / 1.2815516
    for spec in (Distribution(median=median, p90=median * ratio), Distribution(median=median, sigma=sigma)):
        table = Quantiles.of(spec)
        assert table(0.5) == pytest.approx(median, rel=0.003 * np.log(ratio) + 1e-9)
        assert table(0.9) == pytest.approx(median * ratio, rel=0.006 * np.log(ratio) + 1e-9)
        assert table.table == sorted(table.table)


def test_the_order_of_the_anchors_in_the_file_does_not_matter():
    tables = [Quantiles.of(Distribution(quantiles=given)).table for given in ({0.9: 5, 0.1: 1}, {0.1: 1, 0.9: 5})]
    assert tables[0] == tables[1]
