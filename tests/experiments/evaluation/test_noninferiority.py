"""What worlds before and after say about a loss: significance, what they exclude, and what they could have found."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.experiments.evaluation.noninferiority import loss_interval, power, turned_sum_p

ALPHA = 0.05
GATES = 400
SLACK = 3 * math.sqrt(ALPHA * (1 - ALPHA) / GATES)
PAIRS = st.lists(st.tuples(st.integers(-5, 5), st.integers(0, 8)), min_size=2, max_size=20)


def run(rng: np.random.Generator, loss: float, noise: float, worlds: int = 20) -> tuple[list[int], list[int]]:
    """A detector that loses each incident with chance `loss`, beside losses and gains that cancel on average."""
    had = rng.poisson(2.5, worlds) + 1
    worse = rng.binomial(had, loss) + rng.poisson(noise * had) - rng.poisson(noise * had)
    return worse.tolist(), had.tolist()


@given(st.lists(st.integers(-6, 6), max_size=9))
def test_the_p_value_is_the_share_of_turned_differences_that_sum_up_to_as_much(differences):
    turns = [sum(turn) for turn in product(*((d, -d) for d in differences))]
    assert turned_sum_p(differences) == pytest.approx(np.mean([turn >= sum(differences) for turn in turns]))


@pytest.mark.parametrize("loss", [0.15, 0.25, 0.4])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.25])
def test_the_true_loss_lies_above_the_upper_bound_no_oftener_than_stated(loss, noise):
    rng = np.random.default_rng([int(100 * loss), int(100 * noise)])
    over = sum(loss > loss_interval(*run(rng, loss, noise), "share", ALPHA).high for _ in range(GATES))
    assert over / GATES <= ALPHA + SLACK


@pytest.mark.parametrize("loss", [0.1, 0.15, 0.25, 0.4])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.25])
def test_the_power_stated_is_the_share_found(loss, noise):
    rng = np.random.default_rng([7, int(100 * loss), int(100 * noise)])
    found, stated = [], []
    for number in range(GATES):
        worse, had = run(rng, loss, noise)
        found.append(turned_sum_p(worse) < 0.025 and sum(worse) >= 0.05 * sum(had))
        if number % 8 == 0:
            stated.append(power(worse, had, loss, 0.025, 0.05))
    assert abs(np.mean(found) - np.mean(stated)) < 0.1, (np.mean(found), np.mean(stated))


@given(PAIRS)
def test_the_interval_holds_the_estimate(pairs):
    worse, base = zip(*pairs, strict=True)
    found = loss_interval(worse, base, "rate", ALPHA)
    if sum(base):
        assert found.low <= found.estimate <= found.high
        assert found.estimate == pytest.approx(sum(worse) / sum(base))
    else:
        assert math.isnan(found.estimate)


def test_few_unchanged_incidents_exclude_less_than_many():
    few, many = (loss_interval([0] * 20, [n] * 20, "share", ALPHA) for n in (1, 10))
    assert few.high > 0.1 > many.high > 0.0


def test_worlds_that_disagree_exclude_less():
    calm, torn = [1] * 20, [5, -3] * 10
    assert sum(calm) == sum(torn)
    assert loss_interval(torn, [8] * 20, "share", ALPHA).high > loss_interval(calm, [8] * 20, "share", ALPHA).high
    assert power(torn, [8] * 20, 0.25, 0.025, 0.05) < power([0] * 20, [8] * 20, 0.25, 0.025, 0.05)


def test_nothing_caught_before_can_be_lost():
    assert power([0] * 20, [0] * 20, 0.25, 0.025, 0.05) == 0.0
