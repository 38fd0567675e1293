"""The coverage table: generated from the catalogue, complete, and with ids of the right shape."""

from __future__ import annotations

import re
import runpy
from importlib.resources import files
from pathlib import Path

import pytest

from scopedrift.scenarios import catalogue, coverage

DOCUMENT = Path(__file__).parents[2] / "docs" / "coverage.md"
SHAPES = {
    "attack": r"T1\d{3}(\.\d{3})?",
    "atlas": r"AML\.T0\d{3}(\.\d{3})?",
    "nhi": r"NHI([1-9]|10):2025",
    "asi": r"ASI(0[1-9]|10)",
    "maestro": r"L[1-7]",
    "nist": r"(MEASURE 2\.[47]|MANAGE (2\.4|4\.1|4\.3)|GOVERN 1\.[56])",
}
PUBLISHED = {
    "shadowray", "llmjacking", "eight-minute-intrusion", "container-miner", "vertex-double-agents",
    "notebook-escalation", "tj-actions", "ultralytics", "nx-unc6426", "salesloft-drift", "amazon-q",
    "trivy-litellm", "tanstack", "pytorch-runner", "codefinger",
}  # fmt: skip


@pytest.fixture(autouse=True)
def small_world(monkeypatch):
    """The real catalogue, not the small one of the other tests."""
    monkeypatch.setattr(catalogue, "root", lambda: files("scopedrift.scenarios") / "data")


def stages():
    for template in [*catalogue.chains().values(), *catalogue.drifts().values()]:
        for stage in template.every_stage():
            yield template, stage


def test_the_document_is_what_the_catalogue_says():
    assert DOCUMENT.read_text(encoding="utf-8") == coverage.markdown(), "run `make pages` to bring it up to date"


def test_no_cell_of_any_table_is_empty():
    rows = [line for line in coverage.markdown().splitlines() if line.startswith("|")]
    assert len(rows) > 100
    assert [row for row in rows if any(not cell.strip() for cell in row.strip("|").split(" | "))] == []


def test_every_signal_has_techniques_and_look_alikes():
    assert list(catalogue.signals()) == [f"S{n}" for n in range(1, 18)]
    used = {signal for entry in catalogue.techniques().values() for signal in entry.signals}
    assert used == set(catalogue.signals())


@pytest.mark.parametrize("standard", coverage.STANDARDS)
def test_ids_have_the_shape_of_their_standard(standard):
    for entry in catalogue.techniques().values():
        ids = getattr(entry.taxonomy, standard)
        assert ids and len(ids) == len(set(ids)), entry.name
        assert [each for each in ids if not re.fullmatch(SHAPES[standard], each)] == [], entry.name


def test_all_published_chains_are_there_and_say_where_they_are_from():
    assert set(catalogue.chains()) >= PUBLISHED
    for name in PUBLISHED:
        chain = catalogue.chains()[name]
        assert len(chain.stages) >= 4 and chain.source and chain.published and chain.objective != "none"


def test_every_technique_is_used():
    assert {stage.technique.name for _, stage in stages()} == set(catalogue.techniques())


def surface_of(change: str) -> frozenset[str]:
    """The operations in which a benign change shows: what it does, and what it changes of what workloads do."""
    operations, families = catalogue.operations(), catalogue.families()
    entry, found = catalogue.changes()[change], set[str]()
    for effect in entry.effects:
        if effect.burst is not None:
            found.update(effect.burst.activity.operations)
        found |= {name for name, each in operations.items() if each.slot in effect.rebind}
        if effect.migrate_registry or effect.relocate:
            found |= {name for name, each in operations.items() if each.image}
        if effect.restart:
            found |= {step for kind in catalogue.platform().credentials.values() for step in kind.flow}
        if effect.surge is not None:
            chosen = [families[name] for name in entry.scope.families or families]
            found |= {o for family in chosen for spec in family.activities.values() for o in spec.operations}
    return frozenset(found)


def test_look_alikes_share_the_surface():
    for entry in catalogue.techniques().values():
        listed, alike = set(entry.activity.operations), entry.look_alikes
        assert alike, entry.name
        assert all(listed & surface_of(change) for change in alike), entry.name
        together = frozenset().union(*(surface_of(change) for change in alike))
        assert set(entry.needs) & together, f"{entry.name}: no look-alike does what it is about"


def test_every_benign_change_is_a_look_alike_of_something():
    named = {change for entry in catalogue.techniques().values() for change in entry.look_alikes}
    assert named == set(catalogue.changes())


def test_standards_of_a_chain_are_those_of_its_techniques():
    found = coverage.standards_of(["mine", "submit-job"])
    assert found["attack"] == ["T1496.001", "T1610", "T1053.007"] and found["maestro"] == ["L4"]


def test_it_is_printed_as_a_module(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(coverage.__file__, run_name="__main__")
    assert capsys.readouterr().out == coverage.markdown()
