"""Frozen suites: the simulator still makes the worlds that results under a suite's name and version stand for."""

from __future__ import annotations

import pytest

from scopedrift.scenarios.seeds import NOT_FOR_RESULTS, range_of
from scopedrift.scenarios.suite import load_suite, suites
from scopedrift.simulator.engine import simulate

FROZEN = {
    variant.label: (variant.scenario, plan.suite.frozen[variant.label], name)
    for name in suites()
    for plan in [load_suite(name)]
    for variant in plan.variants
}
FAST = load_suite("quick").variants[0].label


@pytest.mark.parametrize("name", suites())
def test_every_suite_of_the_library_is_frozen(name):
    plan = load_suite(name)
    assert set(plan.suite.frozen) == {variant.label for variant in plan.variants}


@pytest.mark.parametrize("name", suites())
def test_no_suite_of_the_library_uses_worlds_that_detectors_were_written_on(name):
    assert not {range_of(seed) for seed in load_suite(name).suite.seeds} & set(NOT_FOR_RESULTS)


@pytest.mark.parametrize("label", [pytest.param(x, marks=() if x == FAST else pytest.mark.slow) for x in FROZEN])
def test_the_worlds_of_a_frozen_suite_are_the_same(label):
    scenario, digest, suite = FROZEN[label]
    assert simulate(scenario, 0).log.digest == digest, (
        f"{label} makes another log at seed 0: results of the suite {suite} would mean something else."
        " Undo the change, or raise the version of every suite that holds it and freeze its new digest"
        " (`scopedrift simulate`, seed 0, prints it); then publish the results anew"
    )
