"""What holds for every family: alone it runs, it is deterministic, and it leaves the others alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pandas as pd
import pytest

from scopedrift.scenarios import catalogue, loader
from scopedrift.scenarios.documents import ScenarioError
from scopedrift.simulator.engine import simulate

FAMILIES = {
    name: {each: min(family.parameters[each].default, 4) for each in (family.size.parameter, *family.size.along)}
    for name, family in catalogue.families().items()
}
"""Every family of the catalogue, small."""
GUIDE = Path(__file__).parents[3] / "docs" / "add-a-workload-family.md"
TINY = {"name": "cut", "horizon": "3d", "windows": {"baseline": "1d", "calibration": "1d"}}
APART = {"load": 0.25, "platform": {"contention": False}, "identities": {"sharing": 0.0, "orphaned": 0.0}}


def prints(log: pd.DataFrame) -> pd.Series:
    """A hash of each event, in order of the hashes."""
    return pd.util.hash_pandas_object(log, index=False).sort_values(ignore_index=True)


@pytest.fixture(scope="module")
def together(events) -> pd.DataFrame:
    return events(APART, **FAMILIES)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_runs_alone_and_the_same_again(tiny, name):
    one, other = (tiny(**{name: FAMILIES[name]}) for _ in range(2))
    assert len(one.log) > 50
    assert one.log.digest == other.log.digest
    assert one.log.digest != tiny(seed=4, **{name: FAMILIES[name]}).log.digest
    assert {family for entry in one.deployment.inventory.values() for family in entry.families} == {name}


def test_the_log_of_all_families_does_not_depend_on_the_window():
    text = json.dumps({**TINY, "workloads": FAMILIES})
    whole, cut = (simulate(loader.load_text(text), 3, window=window) for window in (10**9, 2_000))
    assert whole.log.digest == cut.log.digest


@pytest.mark.parametrize("added", FAMILIES)
def test_without_contention_adding_a_family_changes_no_event_of_the_others(events, together, added):
    others = {name: given for name, given in FAMILIES.items() if name != added}
    alone = events(APART, **others)
    kept = together[together.workload.isin(set(alone.workload))]
    assert len(together) > len(kept)
    pd.testing.assert_series_equal(prints(kept), prints(alone))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_number_of_a_family_names_its_source_or_says_assumed(name):
    family = catalogue.families()[name]
    for what, spec in family.calibration.items():
        assert spec.source, f"{name}: {what}"
    sizes = {family.size.parameter, *family.size.along}
    for parameter in family.parameters.values():
        if parameter.kind in ("int", "float") and parameter.name not in sizes:
            assert parameter.source, f"{name}: {parameter.name}"


@pytest.fixture
def guide(tmp_path, monkeypatch) -> Callable[..., str]:
    """The guide's YAML and module, as printed, in folders of their own; returns a scenario that has the family."""
    blocks = GUIDE.read_text(encoding="utf-8").split("```")[1::2]
    files = {block.partition("\n")[0]: block.partition("\n")[2] for block in blocks}

    def add(replaced: str = "", by: str = "") -> str:
        data = tmp_path / "data"
        for source in catalogue.root().rglob("*.yaml"):
            target = data / source.relative_to(catalogue.root())
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
        (data / "workloads" / "mirrors.yaml").write_text(files["yaml"], encoding="utf-8")
        modules = tmp_path / "modules"
        modules.mkdir()
        (modules / "mirrors.py").write_text(files["python"].replace(replaced, by), encoding="utf-8")
        monkeypatch.setattr(catalogue, "root", lambda: data)
        package = import_module("scopedrift.simulator.workloads")
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(modules)])
        monkeypatch.delitem(sys.modules, f"{package.__name__}.mirrors", raising=False)
        return json.dumps({**TINY, "workloads": {"mirrors": {"mirrors": 2}}})

    return add


def test_a_family_is_added_with_the_two_files_of_the_guide(guide):
    log = simulate(loader.load_text(guide()), 1).log.frame()
    assert set(log.task_kind.dropna()) == {"mirror"}
    assert log.identity.nunique() == 2
    assert {"CopyObject", "GetObject"} <= set(log.operation)
    assert (log.groupby("task").operation.first() != "CopyObject").all()


def test_a_rhythm_that_does_not_exist_is_answered_with_those_that_do(guide):
    scenario = loader.load_text(guide('"flat"', '"office"'))
    with pytest.raises(ScenarioError, match=r"unknown rhythm 'office': expected one of working, customers, .*flat"):
        simulate(scenario, 1)


def test_parameters_that_file_and_module_do_not_share_are_named(guide):
    scenario = loader.load_text(guide("copies_per_day: float", "copies_per_week: float"))
    with pytest.raises(ScenarioError, match=r"mirrors\.yaml.*copies_per_(day|week)"):
        simulate(scenario, 1)


def test_a_module_that_names_no_model_of_its_parameters_is_refused(guide):
    scenario = loader.load_text(guide("parameters: MirrorParameters)", "parameters)"))
    with pytest.raises(ScenarioError, match="workload family mirrors: `build` must name the model of its parameters"):
        simulate(scenario, 1)


def test_the_guide_names_every_rhythm():
    text = GUIDE.read_text(encoding="utf-8")
    assert not [name for name in catalogue.platform().rhythm if f"| `{name}` |" not in text]
