"""A tuned detector's file is a detector wherever one is named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, cast

import pytest

from scopedrift.detectors.deployed import VERSION, Deployed
from scopedrift.detectors.isolation.apart import Apart
from scopedrift.detectors.isolation.placement import (
    Isolation,
    asked_with,
    divided,
    is_ours,
    place,
    run_as,
    source_of,
)
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.loading import load
from scopedrift.detectors.sources import named_files
from scopedrift.detectors.spec import SpecError, deployed, parse, seen_from, words
from scopedrift.scenarios.durations import parse_duration

FILE = """
version: 1
detector: {detector}
parameters: {parameters}
threshold: 2.5
cooldown: 90m
"""
RATE = FILE.format(detector="rate", parameters="{}")
MINE = """
from dataclasses import dataclass
from scopedrift.detectors import Detector, param

@dataclass
class Mine(Detector):
    depth: int = param(1, 1, 9)
    name = "mine"

    def score(self, batch):
        return [0.0] * len(batch)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a detector of one's own in it, and a folder `tuned` beside that."""
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(MINE)
    Path("tuned").mkdir()
    return tmp_path


def tuned(detector: str, parameters: str = "{}", place: str = "tuned/detector.yaml") -> str:
    Path(place).write_text(FILE.format(detector=detector, parameters=parameters))
    return place


@pytest.mark.parametrize("spec", ["{}", "change-aware(detector={})", "ensemble(members={} + rate)"])
def test_it_stands_for_its_detector_with_its_parameters_at_any_depth(spec: str) -> None:
    path = tuned("first-seen", "{memory: 3.0}")
    asked = spec.format(path)
    assert is_ours(asked) and run_as(place(asked)) == "built-in"
    assert parse(path) == ("first-seen", {"memory": 3.0})
    assert load(path).parameters() == load("first-seen(memory=3)").parameters()


def test_parameters_beside_it_replace_its_own() -> None:
    path = tuned("first-seen", "{memory: 3.0, peers: 2.0}")
    found = load(f"{path}(memory=5)").parameters()
    assert (found["memory"], found["peers"]) == (5.0, 2.0)


def test_its_threshold_and_cooldown_are_those_written() -> None:
    found = deployed(tuned("rate"))
    assert (found.threshold, found.cooldown) == (2.5, parse_duration("90m"))


@pytest.mark.parametrize("target", ["../mine.py", "../mine.py:Mine", "mine.py:Mine"])
def test_files_in_it_are_seen_from_its_own_folder(target: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = "tuned/detector.yaml" if target.startswith("..") else "detector.yaml"
    path = folder / tuned(target, "{depth: 4}", place)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert load(str(path)).parameters() == {"depth": 4}


@pytest.mark.parametrize("spec", ["{}", "isolated(detector={})"])
def test_code_that_is_not_ours_still_runs_in_a_process_of_its_own(spec: str, folder: Path) -> None:
    asked = spec.format(tuned("../mine.py:Mine", "{depth: 4}"))
    detector = place(asked)
    assert run_as(detector) in ("isolated", "own process")
    assert "scopedrift_file" not in type(detector).__module__
    if spec == "{}":
        assert detector.parameters() == {"depth": 4} and detector.name == "mine"
    source, readable, _ = source_of("tuned/detector.yaml")
    assert source.spec == f"{folder / 'mine.py'}:Mine" and str(folder / "mine.py") in readable


INSIDE = ["{}", "change-aware(detector={})", "change-aware(detector={}(depth=5))", "ensemble(members='rate + {}')"]


@pytest.mark.parametrize(("spec", "deep"), [*((spec, False) for spec in INSIDE), (INSIDE[0], True), (INSIDE[3], True)])
def test_a_process_that_cannot_read_it_is_told_what_it_says(spec: str, deep: bool, build: Any) -> None:
    path = tuned("../mine.py:Mine", "{depth: 4}")
    if deep:
        Path(path).rename("tuned/inner.yaml")
        path = tuned("change-aware", "{detector: ./inner.yaml}")
    detector = place(spec.format(path))
    assert run_as(detector) in ("isolated", "own process")
    batch = build([{"at": at / 9, "identity": "a", "operation": "b"} for at in range(50)]).batch(0, 50)
    detector.fit(batch, Knowledge())
    assert len(detector.score(batch)) == 50


@pytest.mark.parametrize("way", ["on", "required"])
def test_parameters_given_beside_a_specification_are_judged_like_its_own(way: Isolation) -> None:
    target, given = divided(asked_with("change-aware(detector=./mine.py)", way))
    detector = place(target, {**given, "detector": "./mine.py:Mine"})
    assert run_as(detector) in ("isolated", "own process")
    assert cast(Apart, detector)._limits.require == (way == "required")
    assert run_as(place("change-aware", {"detector": tuned("../mine.py:Mine")})) in ("isolated", "own process")
    assert run_as(place("change-aware", {"detector": tuned("rate")})) == "built-in"


@pytest.mark.parametrize(
    "spec", ["./mine.py:Mine(given='./given.yaml')", "ensemble(members='sigma(rules=./given.yaml) + ./mine.py')"]
)
def test_other_files_in_yaml_can_be_read(spec: str, folder: Path) -> None:
    Path("given.yaml").write_text("a: 1\n")
    _, readable, _ = source_of(spec)
    assert str(folder / "given.yaml") in readable


def test_two_links_to_one_file_are_two_detectors(folder: Path) -> None:
    tuned("./mine.py:Mine", place="shared.yaml")
    for name in ("one", "two"):
        (folder / name).mkdir()
        (folder / name / "mine.py").write_text(MINE)
        (folder / name / "t.yaml").symlink_to(folder / "shared.yaml")
    source, readable, _ = source_of("ensemble(members='one/t.yaml + two/t.yaml')")
    assert {target for target, _ in source.tuned.values()} == {
        f"{folder / name / 'mine.py'}:Mine" for name in ("one", "two")
    }
    assert {str(folder / name / "mine.py") for name in ("one", "two")} <= set(readable)


@pytest.mark.parametrize("spec", ["change-aware(detector={})", "ensemble(members='rate + {}')"])
def test_code_that_is_not_ours_is_seen_inside_other_detectors(spec: str) -> None:
    assert not is_ours(spec.format(tuned("../mine.py:Mine")))
    assert not is_ours(spec.format(tuned("change-aware", "{detector: '../mine.py:Mine'}")))
    assert is_ours(spec.format(tuned("rate")))


@pytest.mark.parametrize(
    "spec",
    [
        r"change-aware(detector='./mine.p\x79')",
        "change-aware(detector='./mine.' 'py')",
        "ensemble(members=['rate', './mine.py'])",
        "ensemble(members='rate +./mine.py')",
        "ensemble(members='rate + ./mine')",
        "change-aware(detector=mine:Mine)",
        "change-aware(detector='rate(x=')",
        "change-aware(detector=change-aware(detector='./mine.\\x70y'))",
    ],
)
def test_whatever_is_not_known_to_be_ours_is_not(spec: str) -> None:
    assert not is_ours(spec)
    Path("asks.yaml").write_text(FILE.format(detector=json.dumps(spec), parameters="{}"))
    assert not is_ours("asks.yaml")


@pytest.mark.parametrize("name", ["v1,2", "a=b", "it's", 'say "a"', "a[1]", "a{b}", "a(b)", "a b", "a+b"])
def test_code_is_seen_whatever_the_folder_is_called(name: str, folder: Path) -> None:
    (folder / name).mkdir()
    Path(name, "mine.py").write_text(MINE)
    Path(name, "t.yaml").write_text(FILE.format(detector="./mine.py", parameters="{}"))
    Path(name, "e.yaml").write_text(FILE.format(detector="ensemble", parameters="{members: rate + ./t.yaml}"))
    for file in ("t.yaml", "e.yaml"):
        try:
            assert not is_ours(f"{name}/{file}")
        except SpecError:
            assert name == "a(b)", "cannot be written in a specification"


def test_results_depend_on_the_file_and_on_the_files_that_it_names(folder: Path) -> None:
    path = tuned("../mine.py:Mine")
    assert {file.resolve() for file in named_files(path)} == {folder / path, folder / "mine.py"}


@pytest.mark.parametrize(
    ("target", "parameters"),
    [("./mine.py:Mine", {}), ("isolated", {"detector": "./mine.py:Mine"}), ("program", {"command": "sh ./mine.py"})],
)
def test_files_are_written_as_seen_from_the_folder_and_read_back(
    target: str, parameters: dict[str, object], folder: Path
) -> None:
    given = {"version": 1, "detector": target, "parameters": parameters, "threshold": 1.0, "cooldown": "1h"}
    text = seen_from(Path("tuned"), Deployed.model_validate(given)).text("Tuned.")
    assert "../mine.py" in text and str(folder) not in text
    Path("tuned/detector.yaml").write_text(text)
    found = deployed("tuned/detector.yaml")
    assert os.fspath(folder / "mine.py") in str([found.detector, found.parameters])
    assert str(folder / "mine.py") in seen_from(None, Deployed.model_validate(given)).text("Tuned.")


@pytest.mark.parametrize("threshold", [0.1 + 0.2, float("inf"), float("-inf"), 0.0, 1e300])
def test_a_threshold_is_read_back_exactly(threshold: float) -> None:
    given = {"version": 1, "detector": "rate", "threshold": threshold, "cooldown": "1h"}
    Path("d.yaml").write_text(Deployed.model_validate(given).text("Tuned."))
    assert deployed("d.yaml").threshold == threshold


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "name: tiny\n",
            "d.yaml: not a tuned detector: no version, detector, threshold, cooldown in it; expected",
        ),
        ("- rate\n", "d.yaml:1: expected a mapping"),
        ("a: [\n", "not valid YAML"),
        (RATE.replace("1\n", "2\n"), "version: expected the version 1, not 2"),
        (
            RATE.replace("90m", "soon"),
            "d.yaml:6: cooldown: expected a duration",
        ),
        (
            RATE.replace("2.5", "high"),
            "threshold: expected a number, not 'high'",
        ),
        (RATE.replace("2.5", ".nan"), "threshold: expected a number, not nan"),
        (RATE + "thresold: 1\n", "did you mean 'threshold'?"),
        (FILE.format(detector="other.yaml", parameters="{}"), "not the file 'other.yaml'"),
        (FILE.format(detector="frist-seen", parameters="{}"), "did you mean 'first-seen'?"),
        (FILE.format(detector="rate", parameters="{memry: 1}"), "'rate' has no parameter 'memry'"),
    ],
)
def test_a_file_that_is_none_is_told_with_what_was_expected(text: str, said: str) -> None:
    Path("d.yaml").write_text(text)
    with pytest.raises(SpecError) as told:
        load("d.yaml")
    assert said in str(told.value)


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(SpecError, match=r"nowhere\.yaml: cannot be read"):
        load("nowhere.yaml")


def test_one_that_names_itself_is_told() -> None:
    path = tuned("change-aware", "{detector: ./detector.yaml}")
    with pytest.raises(SpecError, match="does one name itself"):
        list(words(path))
    with pytest.raises(SpecError, match="does one name itself"):
        place(path)


FIELDS = {
    "Deployed": "alert_budget better_than_default cooldown! detector! expected_alerts_per_day f1 held_out identities "
    "learning_period parameters threshold! threshold_range version! will_miss",
    "Estimate": "estimate! high low",
    "Gain": "f1_difference! high! low! worlds!",
    "HeldOut": "alerts! caught days! incidents",
    "Range": "high! low!",
    "TunedScore": "default! tuned!",
}  # of version 1; ! is required


def test_its_fields_change_with_its_version_alone() -> None:
    schema = Deployed.model_json_schema()
    shapes = {"Deployed": schema, **schema["$defs"]}
    fields = {
        name: " ".join(field + "!" * (field in shape.get("required", ())) for field in sorted(shape["properties"]))
        for name, shape in shapes.items()
    }
    assert (VERSION, fields) == (1, FIELDS), (
        "a changed format needs a new version, and must say how it reads older files"
    )
