from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from scopedrift.scenarios import Scenario, ScenarioError, descriptions, library, load, load_text, override

DAY = 86_400_000_000


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def message(call: Any, *arguments: Any) -> str:
    with pytest.raises(ScenarioError) as caught:
        call(*arguments)
    return str(caught.value)


def child(text: str) -> Scenario:
    return load_text("name: child\nextends: core-week\n" + text, source="child.yaml")


def test_a_scenario_is_found_by_name_and_by_path(small_world: Path) -> None:
    assert load("core-week") == load(small_world / "core-week.yaml") == load(str(small_world / "core-week.yaml"))


def test_the_library_lists_names_and_descriptions(small_world: Path) -> None:
    written(small_world, "broken.yaml", "description: Wrong.\nnonsense: 1\n")
    written(small_world, "notes.txt", "not a scenario")
    assert list(library()) == ["broken", "core-week"]
    assert descriptions() == {"broken": "Wrong.", "core-week": "A week."}


@pytest.mark.parametrize("name", ["core-wek", "Core-Week", "./core-wek.yaml", "elsewhere/core-wek.yaml"])
def test_a_missing_scenario_is_answered_with_near_names(name: str) -> None:
    answer = message(load, name)
    assert answer.startswith("no scenario ")
    assert answer.endswith("did you mean 'core-week'?; see `scopedrift list scenarios`")
    assert repr(name) in answer


@pytest.mark.parametrize("name", ["nonsense", "", ".", "..", "a\0b", "a\0b.yaml", "x" * 5000, "x/" * 5000, "a\nb"])
def test_nonsense_names_are_answered_on_one_line(name: str) -> None:
    answer = message(load, name)
    assert answer.startswith("no scenario ")
    assert "\n" not in answer and "\0" not in answer and len(answer) < 300


def test_a_pipe_is_no_scenario(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    assert message(load, tmp_path / "pipe.yaml").endswith("is a pipe or a device; expected a file")


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    assert message(load, tmp_path).endswith("is a folder; expected a file")


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(os.urandom(100) + b"\xff")
    assert message(load, path).startswith(f"{path}:")


def test_mappings_merge_and_lists_replace() -> None:
    scenario = child("workloads: {training: {spread: 0.75}}\nincidents: [{drift: adjacent-storage}]\nhorizon: 20d\n")
    assert scenario.workloads["training"]["pipelines"] == 7
    assert scenario.workloads["training"]["spread"] == 0.75
    assert set(scenario.workloads) == {"training", "inference"}
    assert [incident.template for incident in scenario.incidents] == ["adjacent-storage"]
    assert (scenario.horizon, scenario.windows.baseline) == (20 * DAY, 7 * DAY)


def test_name_version_and_description_are_not_inherited() -> None:
    scenario = child("")
    assert (scenario.name, scenario.version, scenario.description) == ("child", 1, "")
    assert message(load_text, "extends: core-week\n").startswith("<text>:1: name: this key is missing")


def test_null_takes_a_key_away() -> None:
    scenario = child("workloads: {training: {pipelines: null}, inference: null}\n")
    assert list(scenario.workloads) == ["training"]
    assert scenario.workloads["training"]["pipelines"] == 4
    assert message(child, "horizon: null\n").startswith("child.yaml:3: horizon: this key is missing")


@pytest.mark.parametrize("off", ["off", "false", "'off'"])
def test_a_family_is_switched_off_and_on_again(off: str, small_world: Path) -> None:
    written(small_world, "quiet.yaml", f"name: quiet\nextends: core-week\nworkloads: {{training: {off}}}\n")
    assert list(load("quiet").workloads) == ["inference"]
    again = load_text("name: again\nextends: quiet\nworkloads: {training: {spread: 1}}\n")
    assert again.workloads["training"]["pipelines"] == 4


def test_several_levels_and_relative_paths(tmp_path: Path) -> None:
    written(tmp_path, "a/base.yaml", "name: base\nextends: core-week\nload: 2\nnovelty: 3\n")
    written(tmp_path, "a/middle.yaml", "name: middle\nextends: base.yaml\nload: 4\n")
    leaf = written(tmp_path, "b/leaf.yaml", "name: leaf\nextends: ../a/middle.yaml\nerrors: 5\n")
    scenario = load(leaf)
    assert (scenario.load, scenario.novelty, scenario.errors) == (4, 3, 5)
    assert scenario.workloads["training"]["pipelines"] == 7


def test_a_mistake_in_a_parent_names_the_parents_file_and_line(tmp_path: Path) -> None:
    base = written(
        tmp_path, "base.yaml", "name: base\nextends: core-week\nidentities:\n  sharing: 3\n  excess_privilege: 2\n"
    )
    leaf = written(tmp_path, "leaf.yaml", "name: leaf\nextends: base.yaml\nidentities:\n\n\n\n  excess_privilege: 4\n")
    lines = message(load, leaf).splitlines()
    assert lines[0].startswith(f"{base}:4: identities.sharing: ")
    assert lines[1].startswith(f"{leaf}:7: identities.excess_privilege: ")
    written(tmp_path, "base.yaml", "name: base\nload: 1\nload: 2\n")
    assert message(load, leaf).startswith(f"{base}:3: load: this key is given twice")


def test_a_replaced_list_takes_its_places_along() -> None:
    assert message(child, "incidents:\n\n- {attack: nope}\n").startswith("child.yaml:5: incidents[0].attack: ")
    assert message(child, "incidents:\n\n- {}\n").startswith("child.yaml:5: incidents[0]: ")


@pytest.mark.parametrize(
    ("extends", "answer"),
    [
        ("core-wek", "f.yaml:2: extends: no scenario 'core-wek': did you mean 'core-week'?"),
        ("3", "f.yaml:2: extends: expected a scenario's name or a path, not 3"),
        ("", "f.yaml:2: extends: expected a scenario's name or a path, not null"),
        ("[a, b]", "f.yaml:2: extends: expected a scenario's name or a path, not a list"),
        ("other.yaml", "f.yaml:2: extends: expected a scenario's name: a path needs a file"),
    ],
)
def test_a_bad_extends_is_answered(extends: str, answer: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_text(f"name: x\nextends: {extends}\n", source="f.yaml")
    assert str(caught.value).startswith(answer)


def test_circles_are_refused(tmp_path: Path, small_world: Path) -> None:
    one = written(tmp_path, "one.yaml", "name: one\nextends: two.yaml\n")
    two = written(tmp_path, "two.yaml", "name: two\nextends: ./one.yaml\n")
    assert message(load, one).startswith(f"{two}:2: extends: extends itself: {one} -> {two} -> {one}")
    written(small_world, "self.yaml", "name: self\nextends: self\n")
    assert message(load, "self").startswith("library/self.yaml:2: extends: extends itself")


def test_overrides_make_a_new_scenario() -> None:
    scenario = load("core-week")
    changed = override(
        scenario,
        {
            "identities.sharing": 0.5,
            "workloads.training.pipelines": 3,
            "incidents.0.strength": 1,
            "windows.baseline": "8d",
            "workloads.serverless": {},
            "workloads.inference": "off",
            "incidents.0.victim.family": "training",
        },
    )
    assert scenario == load("core-week")
    assert changed.identities.sharing == 0.5
    assert (changed.workloads["training"]["pipelines"], changed.workloads["training"]["spread"]) == (3, 0.25)
    assert set(changed.workloads) == {"training", "serverless"}
    assert (changed.incidents[0].strength, changed.incidents[0].victim) == (1.0, {"family": "training"})
    assert changed.windows.baseline == 8 * DAY


def test_overriding_nothing_or_the_same_changes_nothing() -> None:
    scenario = load("core-week")
    assert override(scenario, {}) == scenario
    assert override(scenario, {"workloads.training.pipelines": 7}).digest() == scenario.digest()


def test_none_restores_a_default() -> None:
    scenario = override(load("core-week"), {"workloads.training.pipelines": None, "identities.count": 9})
    assert scenario.workloads["training"]["pipelines"] == 4
    assert not scenario.is_given("training", "pipelines")
    assert override(scenario, {"identities.count": None}).identities.count is None


def test_another_template_takes_its_own_parameters() -> None:
    scenario = override(load("core-week"), {"incidents.0.attack": None, "incidents.0.drift": "adjacent-storage"})
    assert scenario.incidents[0].parameters == {"reads": 40}


@pytest.mark.parametrize(
    ("key", "value", "answer"),
    [
        ("identities.sharng", 0.5, "unknown key; did you mean 'sharing'?"),
        ("identities.sharing", 3, "expected at most 1"),
        ("identities.credential", {"ttl": 5}, "ttl: a duration needs a unit, e.g. 5m"),
        ("identites.sharing", 0.5, "unknown key; did you mean 'identities'?"),
        ("load.more", 1, "load has no key 'more'"),
        ("", 1, "a scenario has no key ''"),
        ("workloads.trainng.pipelines", 1, "the scenario does not run the family 'trainng'; did you mean 'training'?"),
        ("workloads.serverless.x", 1, "the scenario does not run the family 'serverless'"),
        ("workloads.trainng", {}, "unknown workload family; did you mean 'training'?"),
        ("workloads.training.pipelines", "x", "expected a whole number, not 'x'"),
        ("workloads.training.lifetime", 90, "a duration needs a unit, e.g. 90m"),
        ("incidents.1.count", 1, "incidents has no position '1'; it holds 1, from 0"),
        ("incidents.x.count", 1, "incidents has no position 'x'"),
        ("windows.baseline", "13d", "horizon: expected more than 16d"),
    ],
)
def test_bad_overrides_are_answered(key: str, value: Any, answer: str) -> None:
    assert message(override, load("core-week"), {key: value}).startswith(f"override {key or repr(key)}: {answer}")
