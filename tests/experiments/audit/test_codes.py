"""The numbering of texts is a coin for each text, whatever the texts stand for."""

from __future__ import annotations

import numpy as np

from scopedrift.experiments.audit.codes import parity, surplus


def test_the_surplus_of_a_code_is_its_share_among_own_events_less_that_among_others() -> None:
    codes = np.array([0, 1, 1, 0, 0, 1])
    assert surplus(codes, [(np.array([1, 2]), np.array([0, 3, 4, 5]))]) == {1: 0.75, 0: -0.75}
    assert surplus(codes, []) == {}


def test_incidents_that_favour_one_kind_of_task_share_a_parity_by_luck() -> None:
    favoured = [[{1: 1.0, 0: -0.5, 2: -0.5}] * 12 for _ in range(3)]
    shift, p_value = parity(favoured)
    assert shift == 0.5 and p_value > 0.01


def test_many_texts_of_one_parity_are_no_luck() -> None:
    odd = [[{2 * i + 1: 1.0, 2 * i: -1.0} for i in range(12)] for _ in range(4)]
    assert parity(odd)[1] < 1e-6


def test_the_chance_is_an_upper_bound() -> None:
    rng = np.random.default_rng(0)
    below = 0
    for _ in range(1_000):
        codes = rng.permutation(1_000)[:8].tolist()
        worlds = [[dict(zip(codes, [1.0, -0.4, -0.3, -0.3, 0.5, -0.5, 0.2, -0.2], strict=True))]]
        below += parity(worlds)[1] < 0.05
    assert below <= 50
