from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.scenarios import ScenarioError, catalogue
from scopedrift.scenarios.catalogue.entry import PACES, Pace
from scopedrift.scenarios.durations import parse_duration

MINUTE = 60_000_000


def with_file(name: str, text: str, folder: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The catalogue with one more file, or another one."""
    shutil.copytree(folder, copy / "data")
    (copy / "data" / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(catalogue, "root", lambda: copy / "data")
    return catalogue


def training() -> catalogue.WorkloadFamily:
    return catalogue.families()["training"]


def test_entries_hold_description_parameters_and_the_rest() -> None:
    entry = training()
    assert (entry.name, entry.description) == ("training", "Pipelines that train models.")
    assert entry.activities["read"].operations == ("a.read",)
    pipelines = entry.parameters["pipelines"]
    assert (pipelines.default, pipelines.min, pipelines.max, pipelines.source) == (4, 0, 500, "assumed")
    assert entry.parameters["lifetime"].min == 1_000_000


def test_each_group_is_read() -> None:
    assert set(catalogue.families()) == {"training", "inference", "serverless"}
    assert set(catalogue.changes()) == {"registry-migration"}
    assert set(catalogue.drifts()) == {"adjacent-storage"}
    assert set(catalogue.chains()) == {"tj-actions"}
    assert set(catalogue.signals()) == {"S1"}
    technique = catalogue.techniques()["T1"]
    assert technique.activity.weights == {"a.read": 3, "a.write": 1}
    assert (technique.count, technique.yields) == ((3, 12), None)
    operations = catalogue.operations()
    assert (operations["a.read"].error, operations["a.write"].error) == (0.045, 0.2)


def test_a_position_of_a_chain_may_leave_a_choice() -> None:
    first, second = catalogue.chains()["tj-actions"].stages
    assert [stage.name for stage in first] == ["waits"] and first[0].share == 1.0
    assert [(stage.name, stage.share, stage.vital) for stage in second] == [("takes", 0.3, True), ("steals", 0.7, True)]
    assert catalogue.chains()["tj-actions"].techniques == ("T1",)


@given(st.sampled_from([*PACES, "95d", "10m", "1s"]))
def test_a_pace_is_a_class_or_within_a_third_of_what_was_published(text: str) -> None:
    pace = Pace.parse(text)
    assert 0 < pace.low < pace.typical < pace.high
    if text not in PACES:
        assert pace.typical == pytest.approx(parse_duration(text))


def test_files_are_read_once() -> None:
    assert catalogue.families() is catalogue.families()


def test_defaults_complete_what_is_given() -> None:
    assert training().resolve({"pipelines": 9, "spread": 1, "waits": ["30s"]}) == {
        "pipelines": 9,
        "spread": 1.0,
        "lifetime": 5 * MINUTE,
        "scheduler": "fifo",
        "nightly": True,
        "hours": (1.0, 2.5),
        "waits": (MINUTE // 2,),
    }
    assert isinstance(training().resolve({"spread": 1})["spread"], float)


def test_written_is_the_opposite_of_resolve() -> None:
    resolved = training().resolve({"lifetime": "90s", "hours": [3]})
    written = training().written(resolved)
    assert (written["lifetime"], written["waits"]) == ("90s", ["1m", "2m"])
    assert training().resolve(written) == resolved


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
        training().resolve({name: value})
    assert str(caught.value).startswith(f"{name}: {message}")


def test_all_wrong_values_are_listed() -> None:
    with pytest.raises(ScenarioError) as caught:
        training().resolve({"pipelines": -1, "spread": 2, "nope": 3})
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
        ("parameters: 3\n", "workloads/bad.yaml:1: parameters: expected a mapping, not 3"),
        ("description: [a]\n", "workloads/bad.yaml:1: description: expected text, not a list"),
        ("name: other\n", "workloads/bad.yaml:1: expected a mapping without a name"),
        ("activites: {}\n", "workloads/bad.yaml:1: activites: unknown key; did you mean 'activities'?"),
        ("activities:\n  a: {mix: {}}\n", "workloads/bad.yaml:2: activities.a: expected 1 to 64 operations"),
        (
            "activities:\n  a: {sequence: [a.raed]}\n",
            "workloads/bad.yaml:2: activities.a.sequence[0]: unknown operation",
        ),
        (
            "activities:\n  a: {mix: {a.read: 1, a.read > a.write: 2}}\n",
            "workloads/bad.yaml:2: activities.a: expected chains of one length, 1 as in the first",
        ),
        ("calibration:\n  n: {value: 3}\n", "workloads/bad.yaml:2: calibration.n: expected a source, or"),
        (
            "calibration:\n  n: {median: 3, source: assumed}\n",
            "workloads/bad.yaml:2: calibration.n: expected a value, values with shares, quantiles",
        ),
    ],
)
def test_a_family_is_checked_itself(
    text: str, message: str, catalogue_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = with_file("workloads/bad.yaml", text, catalogue_folder, tmp_path, monkeypatch)
    with pytest.raises(ScenarioError) as caught:
        read.families()
    assert str(caught.value).startswith(message)


STAGE = "{name: reads, technique: T1, impact: true}"
CHAIN = "objective: theft\npublished: no\nvictims: {families: [training]}\nstages:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{CHAIN}  - {{name: a, technique: T2, impact: true}}", "5: stages[0].technique: unknown technique 'T2'"),
        (f"{CHAIN}  - {{name: a, technique: [T1], impact: true}}", "5: stages[0].technique: unknown technique a list"),
        (f"{CHAIN}  - {{name: a, impact: true}}", "5: stages[0].technique: this key is missing"),
        (f"{CHAIN}  - {STAGE[:-1]}, wiat: hours}}", "5: stages[0].wiat: unknown key; did you mean 'wait'?"),
        (f"{CHAIN}  - {STAGE[:-1]}, wait: 3}}", "5: stages[0].wait: expected one of seconds, minutes"),
        (f"{CHAIN}  - {STAGE[:-1]}, on_denied: stop}}", "5: stages[0].on_denied: unknown choice 'stop'"),
        (f"{CHAIN}  - {STAGE[:-1]}, targets: {{dataset: near}}}}", "5: stages[0].targets.dataset: expected own-SLOT"),
        (f"{CHAIN}  - {STAGE[:-1]}, targets: {{data: drop}}}}", "5: stages[0].targets.data: unknown slot 'data'"),
        (
            f"{CHAIN}  - one_of:\n      - {STAGE}\n      - {{nam: b}}",
            "7: stages[0].one_of[1].name: this key is missing",
        ),
        (
            f"{CHAIN}  - one_of:\n      - {STAGE}\n      - {{name: b, technique: T}}",
            "7: stages[0].one_of[1].technique: unk",
        ),
        (f"{CHAIN}  - {STAGE}\n  - {STAGE}", "1: expected exactly one stage with `impact: true`"),
        (f"{CHAIN.replace('training', 'trainin')}  - {STAGE}", "3: victims.families[0]: unknown family 'trainin'; did"),
    ],
)
def test_a_chain_is_checked_itself(
    text: str, message: str, catalogue_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = with_file("chains/bad.yaml", text, catalogue_folder, tmp_path, monkeypatch)
    with pytest.raises(ScenarioError) as caught:
        read.chains()
    assert str(caught.value).startswith(f"chains/bad.yaml:{message}")


@pytest.mark.parametrize(
    ("effects", "message"),
    [
        (
            "[{restart: true, relocate: true}]",
            "effects[0]: expected exactly one of migrate_registry, relocate, restart",
        ),
        ("[{}]", "effects[0]: expected exactly one of"),
        ("[{surge: {factor: 2}}]", "effects[0].surge.lasts: this key is missing"),
        (
            "[{burst: {activity: {mix: {a.read: -1}}, count: {median: 1, sigma: 1}, duration: 1h}}]",
            "effects[0].burst.act",
        ),
    ],
)
def test_a_change_is_checked_itself(
    effects: str, message: str, catalogue_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = with_file("changes/bad.yaml", f"lasts: 2d\neffects: {effects}", catalogue_folder, tmp_path, monkeypatch)
    with pytest.raises(ScenarioError) as caught:
        read.changes()
    assert str(caught.value).startswith(f"changes/bad.yaml:2: {message}")


def test_a_technique_needs_only_what_it_does(
    catalogue_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (catalogue_folder / "techniques.yaml").read_text().replace("{a.read: 3, a.write: 1}", "{a.write: 1}")
    read = with_file("techniques.yaml", text, catalogue_folder, tmp_path, monkeypatch)
    with pytest.raises(ScenarioError, match=r"techniques.yaml:1: T1: needs a.read, which its activity does not list"):
        read.techniques()


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


@pytest.mark.parametrize(("after", "why"), [("a", "comes after it"), ("nothing", "is unknown")])
def test_an_order_of_calls_that_cannot_be_is_refused(after: str, why: str) -> None:
    def call(name: str, *before: str) -> catalogue.Operation:
        common: Any = {"stream": "runtime", "service": "s", "operation": "o", "access": "read", "slot": "job"}
        return catalogue.Operation(name=name, after=before, **common)

    with pytest.raises(ValueError, match=why):
        catalogue.calling_order({"a": call("a", "b"), "b": call("b", after)})
