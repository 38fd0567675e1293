"""The gate: four verdicts, honest about power, deaf to luck, and never silent about what is missing."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from scopedrift.experiments.running.baseline import Baseline, Record, measured, read_baseline
from scopedrift.experiments.running.gate_output import as_json, junit, summary
from scopedrift.experiments.running.verdicts import OVERALL, Gate, judge
from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.suite import GateTerms

TERMS = GateTerms()


def record(caught: set[int], incidents: int = 200, false: int = 20, worlds: int = 0) -> Record:
    worlds = worlds or max(incidents // 10, 1)
    alarms = tuple(false // worlds + (world < false % worlds) for world in range(worlds))
    return Record(incidents, frozenset(f"{i % worlds}/i-{i // worlds}" for i in caught), alarms, 100.0)


def baseline(worlds: str = "w", **scenarios: Record) -> Baseline:
    return Baseline("s", 1, worlds, {(name, "mine"): found for name, found in scenarios.items()})


def gate(now: Baseline, before: Baseline, terms: GateTerms = TERMS) -> Gate:
    return judge(now, before, terms, {})


def word(found: Gate, scenario: str = "a") -> str:
    return next(v.word for v in found.verdicts if v.scenario == scenario)


HALF = set(range(100))


def test_the_same_again_passes() -> None:
    found = gate(baseline(a=record(HALF)), baseline(a=record(HALF)))
    assert found.word == "pass" and [v.scenario for v in found.verdicts] == ["a"]


def test_a_planted_loss_of_recall_is_found_with_the_stated_power() -> None:
    rng = np.random.default_rng(0)
    before = baseline(a=record(HALF))
    found = 0
    for _ in range(150):
        lost = {i for i in HALF if rng.random() < TERMS.effect}
        found += gate(baseline(a=record(HALF - lost)), before).word == "regress"
    promised = next(v.power for v in gate(before, before).verdicts if v.scenario == "a")
    assert promised >= TERMS.power
    assert found / 150 >= promised - 0.09


def run(rng: np.random.Generator, worlds: int = 20) -> Record:
    """A detector with a lucky and an unlucky threshold in each world: all of a world's numbers go together."""
    lucky = rng.random(worlds)
    caught = {f"{world}/i-{i}" for world in range(worlds) for i in range(10) if rng.random() < lucky[world]}
    return Record(10 * worlds, frozenset(caught), tuple(rng.poisson(16 * lucky).tolist()), 100.0)


def test_equals_are_called_worse_no_oftener_than_they_should_be() -> None:
    rng = np.random.default_rng(1)
    false = sum(gate(baseline(a=run(rng)), baseline(a=run(rng))).word == "regress" for _ in range(200))
    assert 0 < false <= binom.ppf(0.99, 200, TERMS.alpha)


def test_scenarios_that_share_their_luck_are_no_more_worlds() -> None:
    rng = np.random.default_rng(2)
    false = 0
    for _ in range(100):
        now, before = run(rng), run(rng)  # the same background under one seed, in each of four scenarios
        sides = [baseline(**{f"s{i}": side for i in range(4)}) for side in (now, before)]
        false += gate(*sides).word == "regress"
    assert false <= binom.ppf(0.99, 100, TERMS.alpha)


@pytest.mark.parametrize(("effect", "least"), [(0.15, 0.05), (0.15, 0.15), (0.1, 0.2), (0.3, 0.25)])
def test_the_power_stated_is_the_share_found(effect: float, least: float) -> None:
    terms, rng = GateTerms(effect=effect, least=least), np.random.default_rng(3)
    before = baseline(a=record(HALF))
    promised = gate(before, before, terms).verdicts[0].power
    kept = [{i for i in HALF if rng.random() >= effect} for _ in range(150)]
    found = np.mean([gate(baseline(a=record(one)), before, terms).word == "regress" for one in kept])
    assert abs(found - promised) < 0.12


def test_a_loss_in_one_world_alone_may_be_luck() -> None:
    lost = {i for i in HALF if i % 20 == 3}
    assert len(lost) == 5 and gate(baseline(a=record(HALF - lost)), baseline(a=record(HALF))).word == "pass"


def test_a_significant_loss_that_does_not_matter_passes() -> None:
    many = set(range(1_000))
    now = baseline(a=record(many - set(range(20)), 1_000))
    assert gate(now, baseline(a=record(many, 1_000))).word == "pass"


def test_more_false_alarms_are_a_regression_and_fewer_are_not() -> None:
    before = baseline(a=record(HALF, false=40))
    assert gate(baseline(a=record(HALF, false=120)), before).word == "regress"
    assert gate(baseline(a=record(HALF, false=0)), before).word == "pass"


def test_a_floor_holds_whatever_the_baseline_was() -> None:
    terms = GateTerms(floors={"a": {"mine": 0.6}})
    found = gate(baseline(a=record(HALF)), baseline(a=record(HALF)), terms)
    assert found.word == "regress"
    assert "below the floor of 60%" in next(v.reason for v in found.verdicts if v.scenario == "a")


def test_few_incidents_are_called_underpowered_and_not_passed() -> None:
    few = baseline(a=record({1, 2, 3}, incidents=6))
    assert gate(few, few).word == "underpowered"


def test_scenarios_too_small_alone_are_judged_together() -> None:
    before = baseline(**{f"s{i}": record(set(range(16)), 40, worlds=20) for i in range(8)})
    found = gate(before, before)
    assert word(found, "s0") == "underpowered"
    assert word(found, OVERALL) == found.word == "pass"


def test_what_is_missing_fails() -> None:
    two = baseline(a=record(HALF), b=record(HALF))
    one = baseline(a=record(HALF))
    assert gate(one, two).word == "regress"
    assert gate(two, one).word == "regress"
    found = judge(one, one, TERMS, {("b", "mine"): "failed in 1 of 2 worlds: RuntimeError: no"})
    assert found.word == "regress" and "RuntimeError" in next(v.reason for v in found.verdicts if v.scenario == "b")


def test_other_worlds_cannot_be_compared() -> None:
    for found, said in (
        (gate(baseline("w2", a=record(HALF)), baseline(a=record(HALF))), "--update"),
        (gate(baseline(a=record(HALF, worlds=19)), baseline(a=record(HALF))), "a different number of worlds"),
        (gate(baseline(a=record(HALF)), Baseline("s", 1, "w", {})), "holds none of mine"),
    ):
        assert found.word == "inconclusive" and found.exit_code == 3 and said in found.problem
        root = ET.fromstring(junit(found, "s").split("\n", 1)[1])
        assert (root.get("errors"), root.get("failures")) == ("1", "0")
        assert said in summary(found, "s")


@given(st.sets(st.integers(0, 199)), st.sets(st.integers(0, 199)), st.integers(0, 99), st.integers(0, 99))
@settings(max_examples=60)
def test_the_same_inputs_give_the_same_verdict_and_losing_more_is_never_better(
    now: set[int], before: set[int], false: int, false_before: int
) -> None:
    old = baseline(a=record(before, false=false_before))
    found = gate(baseline(a=record(now, false=false)), old)
    assert found == gate(baseline(a=record(now, false=false)), old)
    worse = gate(baseline(a=record(now - before, false=false + 5)), old)
    if found.word == "regress":
        assert worse.word == "regress"


def test_a_baseline_survives_its_file(tmp_path: Path) -> None:
    made = Baseline("s", 2, "abc", {("a (x=1)", "m(y=2)"): record({3, 14, 159}), ("b", "n"): record(set())})
    assert read_baseline(made.text(), "f") == made
    assert made.text().count("\n") < 25


GOOD = baseline(a=record({1}, 20)).text()
BAD = [
    GOOD.replace("1/i-0", "3/i-0"),
    GOOD.replace("[10, 10]", "[10, -1]"),
    GOOD.replace("[10, 10]", "[10, .inf]"),
    GOOD.replace("[10, 10]", "[10, 10000000000000]"),
    GOOD.replace("incidents: 20", "incidents: .inf"),
]


@pytest.mark.parametrize("text", ["a: 1", "format: scopedrift-gate/2", "format: scopedrift-gate/2\nscenarios: 3", *BAD])
def test_a_file_that_is_no_baseline_is_told(text: str) -> None:
    assert text != GOOD and read_baseline(GOOD, "b.yaml")
    with pytest.raises(ScenarioError, match=r"b\.yaml"):
        read_baseline(text, "b.yaml")


def test_machines_and_people_read_the_same_verdict() -> None:
    before = baseline(**{"<a>|": record(HALF)})
    found = gate(baseline(**{"<a>|": record(set(range(40)))}), before)
    root = ET.fromstring(junit(found, "s").split("\n", 1)[1])
    assert root.get("failures") == "1" and root.get("tests") == "1"
    failure = root.find("./testcase[@classname='<a>|']/failure")
    assert failure is not None and "60%" in (failure.get("message") or "")
    text = summary(found, "s")
    assert text.startswith("**scopedrift gate s: regress**") and r"&lt;a&gt;\|" in text


def test_a_planted_loss_that_chance_could_explain_does_not_pass() -> None:
    """A gate once passed 43 caught before, 32 now: the loss was no smaller than the one it had to exclude."""
    rng = np.random.default_rng(4)
    before = set(range(43))
    lost = set(rng.choice(43, 21, replace=False).tolist())
    gained = set(range(43, 53))
    terms = GateTerms(effect=0.25)
    found = gate(
        baseline(a=record(before - lost | gained, 103, 79, 20)), baseline(a=record(before, 103, 65, 20)), terms
    )
    verdict = found.verdicts[0]
    assert (verdict.caught_before, verdict.caught) == (43, 32)
    assert found.word != "pass" and verdict.loss.high > 0.25 and verdict.power < 0.8


def test_more_false_alarms_than_a_pass_excludes_are_inconclusive() -> None:
    worse = record(HALF, false=0)
    alarms = tuple(10 if world < 3 else 1 for world in range(20))
    before = tuple(1 for _ in range(20))
    sides = [replace(worse, false_positives=side) for side in (alarms, before)]
    found = gate(*(baseline(a=side) for side in sides))
    assert found.word == "inconclusive" and "times the false alarms" in found.verdicts[0].reason


def test_everything_that_was_measured_is_in_every_output() -> None:
    before = baseline(a=record(HALF))
    found = gate(baseline(a=record(set(range(40)))), before)
    verdict = found.verdicts[0]
    facts = ["60 %", f"{100 * verdict.loss.high:.0f}", f"{verdict.p_recall:.2g}"]
    for text in (junit(found, "s"), summary(found, "s")):
        assert all(fact in text for fact in facts)
    told = as_json(found, "s")
    assert told["verdict"] == "regress" and told["loss"] == pytest.approx(0.6)
    assert json.loads(json.dumps(told)) == told


def test_a_detector_without_any_result_fails() -> None:
    cells = pd.DataFrame({"scenario": ["a"], "detector": ["other"], "status": ["ok"], "seed": [0], "reason": [""]})
    worlds = pd.DataFrame({"scenario": ["a"], "seed": [0], "digest": ["d"]})
    tables = {"cells": cells, "incidents": cells[["scenario", "detector"]], "worlds": worlds}
    assert measured(tables, "s", 1, ["mine"])[1] == {("a", "mine"): "gave no result"}
