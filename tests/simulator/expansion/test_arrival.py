"""Order of arrival: ties are broken by a hash, and codes are numbered as a reader of the stream would."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scopedrift.simulator.expansion.arrival import ArrivalCodes, arrival_order
from scopedrift.simulator.log.events import CODED, MISSING, Vocabulary


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 3) | st.integers(0, 2**61), st.integers(0, 3) | st.integers(0, 2**64 - 1)), min_size=1
    )
)
@example([*((0, 7 * k % 20) for k in range(20)), (2**61, 5)])
def test_the_order_is_by_arrival_then_by_tie(pairs):
    arrived = np.array([a for a, _ in pairs], np.int64)
    tie = np.array([t for _, t in pairs], np.uint64)
    order = arrival_order(arrived, tie)
    assert sorted(order.tolist()) == list(range(len(pairs)))
    assert [pairs[i] for i in order] == sorted(pairs)


def _ends(positions):
    return (positions[0], positions[-1] + 1) if len(positions) else (0, 0)


@settings(max_examples=50)
@given(st.lists(st.integers(-1, 4), max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_codes_are_numbered_by_first_arrival_however_the_log_is_cut(codes, cuts):
    world = SimpleNamespace(names={column: [f"{column}-{k}" for k in range(5)] for column in CODED})
    vocabulary = Vocabulary()
    translate = ArrivalCodes(world, lambda column, text: vocabulary[column].code(text)).translate
    whole = {column: np.array(codes, np.int32) for column in CODED}
    for piece in np.split(np.arange(len(codes)), sorted(min(cut, len(codes)) for cut in cuts)):
        translate({column: values[slice(*_ends(piece))] for column, values in whole.items()})
    got = whole["identity"].tolist()
    first = list(dict.fromkeys(c for c in codes if c >= 0))
    assert got == [MISSING if c < 0 else first.index(c) for c in codes]
    assert list(vocabulary["identity"]) == [f"identity-{c}" for c in first]
