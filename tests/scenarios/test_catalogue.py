from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scopedrift.scenarios import ScenarioError, catalogue

MINUTE = 60_000_000


def training() -> catalogue.Entry:
    return catalogue.families()["training"]


def test_entries_hold_description_parameters_and_the_rest() -> None:
    entry = training()
    assert (entry.name, entry.description, entry.data) == (
        "training",
        "Pipelines that train models.",
        {"stages": ["data", "train"]},
    )
    pipelines = entry.parameters["pipelines"]
    assert (pipelines.default, pipelines.min, pipelines.max, pipelines.source) == (4, 0, 500, "assumed")
    assert entry.parameters["lifetime"].min == 1_000_000


def test_each_group_is_read() -> None:
    assert set(catalogue.families()) == {"training", "inference", "serverless"}
    assert set(catalogue.changes()) == {"registry-migration"}
    assert set(catalogue.drifts()) == {"adjacent-storage"}
    assert set(catalogue.chains()) == {"tj-actions"}
    assert catalogue.techniques()["T1"].data == {"tactic": "impact"}
    assert catalogue.operations()["a.read"].data == {"access": "read", "error": 0.1}
    assert catalogue.operations()["a.write"].data == {"error": 0.2}
    assert catalogue.platform() == {"rhythm": {0.5: 1, 2: 3}}


def test_files_are_read_once() -> None:
    assert catalogue.families() is catalogue.families()


def test_defaults_complete_what_is_given() -> None:
    assert catalogue.resolve(training(), {"pipelines": 9, "spread": 1, "waits": ["30s"]}) == {
        "pipelines": 9,
        "spread": 1.0,
        "lifetime": 5 * MINUTE,
        "scheduler": "fifo",
        "nightly": True,
        "hours": (1.0, 2.5),
        "waits": (MINUTE // 2,),
    }
    assert isinstance(catalogue.resolve(training(), {"spread": 1})["spread"], float)


def test_written_is_the_opposite_of_resolve() -> None:
    resolved = catalogue.resolve(training(), {"lifetime": "90s", "hours": [3]})
    written = catalogue.written(training(), resolved)
    assert (written["lifetime"], written["waits"]) == ("90s", ["1m", "2m"])
    assert catalogue.resolve(training(), written) == resolved


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("pipelines", 1.0, "expected a whole number, not 1.0"),
        ("pipelines", True, "expected a whole number, not true"),
        ("pipelines", "3", "expected a whole number, not '3'"),
        ("pipelines", None, "expected a whole number, not null"),
        ("pipelines", 501, "expected 0 to 500, not 501"),
        ("spread", "x", "expected a number, not 'x'"),
        ("spread", 1.5, "expected 0 to 1, not 1.5"),
        ("spread", float("nan"), "expected a finite number, not nan"),
        ("lifetime", 90, "a duration needs a unit, e.g. 90m"),
        ("lifetime", "3d", "expected 1s to 2d, not '3d'"),
        ("scheduler", "fare", "unknown choice 'fare'; did you mean 'fair'?"),
        ("scheduler", 1, "expected text, not 1"),
        ("nightly", "yes", "expected true or false, not 'yes'"),
        ("nightly", 1, "expected true or false, not 1"),
        ("hours", 3, "expected a list, not 3"),
        ("hours", [1, -1], "expected at least 0, not -1.0"),
        ("pipelins", 3, "unknown parameter; did you mean 'pipelines'?"),
    ],
)
def test_wrong_values_are_refused_in_words(name: str, value: Any, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        catalogue.resolve(training(), {name: value})
    assert str(caught.value).startswith(f"{name}: {message}")


def test_all_wrong_values_are_listed() -> None:
    with pytest.raises(ScenarioError) as caught:
        catalogue.resolve(training(), {"pipelines": -1, "spread": 2, "nope": 3})
    assert [problem.key for problem in caught.value.problems] == [("pipelines",), ("spread",), ("nope",)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parameters:\n  a: {default: 5, max: 3}\n", "workloads/bad.yaml:2: parameters.a: expected at most 3, not 5"),
        (
            "parameters:\n  a: {default: 5, mni: 3}\n",
            "workloads/bad.yaml:2: parameters.a.mni: unknown attribute of a parameter; did you mean 'min'",
        ),
        (
            "parameters:\n  a: {min: 3}\n",
            "workloads/bad.yaml:2: parameters.a: expected a mapping with at least a default",
        ),
        (
            "parameters:\n  a: {default: 5, unit: duration}\n",
            "workloads/bad.yaml:2: parameters.a: a duration needs a unit",
        ),
        ("parameters:\n  a: {default: null}\n", "workloads/bad.yaml:2: parameters.a: no parameter can have null"),
        ("parameters: 3\n", "workloads/bad.yaml:1: expected a text"),
    ],
)
def test_a_catalogue_file_is_checked_itself(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workloads").mkdir()
    (tmp_path / "workloads" / "bad.yaml").write_text(text)
    monkeypatch.setattr(catalogue, "root", lambda: tmp_path)
    with pytest.raises(ScenarioError) as caught:
        catalogue.families()
    assert str(caught.value).startswith(message)


def test_parameters_describe_themselves_to_editors() -> None:
    parameters = training().parameters
    assert parameters["pipelines"].json_schema() == {
        "type": "integer",
        "minimum": 0,
        "maximum": 500,
        "default": 4,
        "description": "How many.",
    }
    assert parameters["scheduler"].json_schema()["enum"] == ["fifo", "fair"]
    waits = parameters["waits"].json_schema()
    assert (waits["type"], waits["items"]["type"], waits["default"]) == ("array", "string", ["1m", "2m"])
