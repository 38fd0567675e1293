"""Suites: what they expand to, and how wrong ones are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.suite import Plan, load_suite

GRID = """
name: grid
scenarios: [core-week]
overrides: {horizon: 12d}
vary: {identities.sharing: [0.0, 1.0], identities.credential.ttl: [5m, 1h, 12h]}
seeds: 3
detectors: [first-seen]
alert_budget: 3/week
"""


def planned(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "suite.yaml"
    path.write_text(text)
    return load_suite(str(path))


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID)
    assert len(plan.variants) == 6
    assert {variant.scenario.identities.sharing for variant in plan.variants} == {0.0, 1.0}
    assert plan.variants[1].label == "core-week (sharing=0.0, ttl=1h)"
    assert {variant.scenario.evaluation.alert_budget for variant in plan.variants} == {3 / 7}
    assert {variant.scenario.horizon for variant in plan.variants} == {12 * 86_400_000_000}


@pytest.mark.parametrize("design", ["latin-hypercube", "sobol"])
def test_a_design_covers_its_ranges_and_is_the_same_each_time(tmp_path: Path, design: str) -> None:
    text = f"""
name: design
scenarios: [core-week]
design: {design}
points: 8
vary:
  identities.excess_privilege: {{from: 0.1, to: 0.9}}
  identities.credential.ttl: {{from: 5m, to: 12h, log: true}}
detectors: [rate]
"""
    plan = planned(tmp_path, text)
    shares = sorted(variant.scenario.identities.excess_privilege for variant in plan.variants)
    assert len(shares) == 8
    assert all(0.1 + 0.1 * i <= share <= 0.1 + 0.1 * (i + 1) for i, share in enumerate(shares))  # one a stratum
    lives = [variant.scenario.identities.credential.ttl or 0 for variant in plan.variants]
    assert all(300_000_000 <= life <= 12 * 3_600_000_000 for life in lives)
    assert sum(life < 3_600_000_000 for life in lives) == 4  # the geometric middle of 5m and 12h is 1h
    assert planned(tmp_path, text) == plan


def test_the_digest_is_of_what_results_depend_on(tmp_path: Path) -> None:
    plan = planned(tmp_path, GRID)
    assert planned(tmp_path, GRID.replace("name: grid", "name: other")).digest == plan.digest
    for changed in (("seeds: 3", "seeds: 4"), ("12d", "13d"), ("[first-seen]", "[rate]")):
        assert planned(tmp_path, GRID.replace(*changed)).digest != plan.digest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nscenarios: [core-week]\n", "detectors: this key is missing"),
        ("name: x\nscenarios: [core-weak]\ndetectors: [rate]\n", "suite.yaml:2: scenarios[0]: no scenario 'core-weak'"),
        ("name: x\nscenarios: [core-week]\ndetektors: [rate]\ndetectors: [rate]\n", "did you mean 'detectors'"),
        ("name: x\nscenarios: [core-week]\ndetectors: [rate]\nvary: {a: {from: 0, to: 1}}\n", "a grid needs a list"),
        ("name: x\nscenarios: [core-week]\ndetectors: [rate]\nvary: {identities.sharin: [1.0]}\n", "sharin"),
        (
            "name: x\nscenarios: [core-week]\ndetectors: [rate]\ndesign: sobol\nvary: {load: {from: 2, to: 1}}\n",
            "expected from below to",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ScenarioError) as error:
        planned(tmp_path, text)
    assert said in str(error.value)
    assert "suite.yaml:" in str(error.value)


def test_no_such_suite() -> None:
    with pytest.raises(ScenarioError, match="scopedrift list suites"):
        load_suite("nonsense")
