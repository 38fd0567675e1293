"""Claims: what their files may say, and that every published one can be run."""

from __future__ import annotations

from importlib.resources import files

import pytest

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.claim import QUICK_SEEDS, claims, load_claims, read_claim
from scopedrift.scenarios.documents import ScenarioError

TEXT = """
name: example
title: An example
signals: [S8]
claim: Something is so.
world: fleet
overrides: {horizon: 12d}
knob: sharing
settings:
  "0": {identities.sharing: 0.0}
  "0.5": {identities.sharing: 0.5}
  "1": {identities.sharing: 1.0}
detectors: [first-seen]
measure: recall
expect: falls
"""


@pytest.fixture(autouse=True)
def small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real catalogue, not the small one of the other tests."""
    monkeypatch.setattr(catalogue, "root", lambda: files("scopedrift.scenarios") / "data")


@pytest.mark.parametrize("name", claims())
def test_every_claim_can_be_planned_and_its_settings_differ(name: str) -> None:
    (claim,) = load_claims(name)
    assert claim.name == name
    plan = claim.plan()
    assert len({variant.scenario.digest() for variant in plan.variants}) == len(claim.settings)
    assert len({variant.label for variant in plan.variants}) == len(claim.settings)


def test_overrides_hold_for_every_setting() -> None:
    plan = read_claim(TEXT, "example").plan()
    assert {variant.scenario.horizon for variant in plan.variants} == {12 * 86_400_000_000}
    assert [variant.scenario.identities.sharing for variant in plan.variants] == [0.0, 0.5, 1.0]


def test_quick_keeps_the_ends() -> None:
    quick = read_claim(TEXT, "example").quick()
    assert list(quick.settings) == ["0", "1"]
    assert quick.seeds == (1000, 1001, 1002)[:QUICK_SEEDS]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("expect: falls", "expect: above", "two detectors"),
        ("expect: falls", "expect: drops", "expect"),
        ("measure: recall", "measure: rekall", "recall"),
        ("name: example", "nmae: example", "nmae"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, expected: str) -> None:
    with pytest.raises(ScenarioError, match=expected):
        read_claim(TEXT.replace(old, new), "example")


def test_an_unknown_world_or_claim_is_named() -> None:
    with pytest.raises(ScenarioError, match="did you mean 'fleet'"):
        read_claim(TEXT.replace("world: fleet", "world: fleat"), "example").plan()
    with pytest.raises(ScenarioError, match="no claim"):
        load_claims("nothing-like-it")


def test_the_signals_exist() -> None:
    assert {signal for claim in load_claims() for signal in claim.signals} <= set(catalogue.signals())
