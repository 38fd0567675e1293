"""Tuning: worlds apart, the defaults first, resumable, and a result that can be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scopedrift.detectors import description, loading
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.guard import DetectorError
from scopedrift.experiments.evaluation.metrics import f1
from scopedrift.experiments.running.search import Objective, search, worth
from scopedrift.experiments.running.tune import Tuned, TuneError, missed, tune
from scopedrift.scenarios.loader import load_text, override
from scopedrift.simulator.engine import simulate

SCENARIO = """
name: tiny
horizon: 5d
windows: {baseline: 2d, calibration: 1d}
organisation: {projects: 3}
workloads: {inference: {services: 3}, serverless: {functions: 6}}
incidents: [{attack: rogue-job, count: 2}, {attack: token-theft, count: 2}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tune")


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Tuned:
    return tune("first-seen(peers=1.0)", load_text(SCENARIO), folder, trials=5, tuning=[0, 1], held_out=[2, 3])


def test_the_defaults_are_tried_first_and_ranges_are_kept(tuned: Tuned) -> None:
    known = {p.name: p for p in description.describe(loading.find("first-seen")).parameters}
    assert all(tuned.trials[0].parameters[name] == known[name].default for name in tuned.trials[0].parameters)
    for trial in tuned.trials:
        assert "peers" not in trial.parameters
        for name, value in trial.parameters.items():
            span = known[name].range
            assert span is not None and span.low <= value <= span.high
    assert tuned.parameters["peers"] == 1.0


def test_a_trial_is_worth_its_f1_less_what_it_spent_beyond_the_budget(tuned: Tuned) -> None:
    detected = incidents = false = allowed = 0.0
    for seed in (0, 1):
        found = evaluate(loading.load("first-seen(peers=1.0)"), simulate(load_text(SCENARIO), seed))
        detected, incidents = detected + found.metrics["detected"], incidents + found.metrics["incidents"]
        false += found.metrics["false_positives"]
        allowed += found.budget_per_day * found.windows.test.days
    assert tuned.trials[0].value == pytest.approx(worth(f1(detected, false, incidents), false, allowed))
    assert worth(0.6, 30, 10) == pytest.approx(0.2) and worth(0.6, 10, 10) == worth(0.6, 0, 0) == 0.6


def test_the_best_trial_wins_on_the_tuning_worlds_and_is_judged_on_others(tuned: Tuned) -> None:
    finished = [trial for trial in tuned.trials if trial.value == trial.value]
    best = max(finished, key=lambda trial: trial.value)
    assert all(tuned.parameters[name] == value for name, value in best.parameters.items())
    cells = tuned.held_out["cells"]
    assert set(cells["seed"]) == {2, 3} and set(cells["detector"]) == {"tuned", "default"}
    world = simulate(load_text(SCENARIO), 2)
    again = evaluate(loading.load("first-seen", tuned.parameters), world)
    row = cells[(cells["seed"] == 2) & (cells["detector"] == "tuned")].iloc[0]
    assert (again.threshold, again.metrics["detected"]) == (row["threshold"], row["detected"])
    assert tuned.threshold.low <= again.threshold <= tuned.threshold.high


def test_a_search_goes_on_where_it_was(tuned: Tuned, folder: Path) -> None:
    more = tune("first-seen(peers=1.0)", load_text(SCENARIO), folder, trials=6, tuning=[0, 1], held_out=[2, 3])
    assert len(more.trials) == 6
    assert [t.parameters for t in more.trials[:5]] == [t.parameters for t in tuned.trials]


def test_the_result_names_all_that_a_deployment_needs(tuned: Tuned) -> None:
    value = tuned.deployed.model_dump(mode="json")
    assert loading.load(value["detector"], value["parameters"]).parameters() == tuned.parameters
    assert value["alert_budget"] == "1/day" and value["learning_period"] == "2d" and value["identities"] > 0
    assert value["threshold_range"]["low"] <= value["threshold"] <= value["threshold_range"]["high"]
    assert value["cooldown"] == "1h"
    assert value["expected_alerts_per_day"]["estimate"] >= 0


def test_every_kind_of_which_one_was_missed_is_told_the_worst_first() -> None:
    detected = {"a": [True, True], "b": [True, True, True, False], "c": [False, False]}
    assert list(missed(detected).items()) == [("c", "caught 0 of 2"), ("b", "caught 3 of 4")]


def test_progress_names_the_best_value_once_there_is_one(tmp_path: Path) -> None:
    told: list[str] = []
    search("rate", tmp_path, on="w", trials=2, objective=lambda target: lambda trial, given: 0.5,
           progress=lambda done, what: told.append(what))  # fmt: skip
    assert told == ["trial 1", "trial 2: best 0.500"]


def test_another_budget_is_another_search(folder: Path) -> None:
    scenario = override(load_text(SCENARIO), {"evaluation.alert_budget": "5/day"})
    other = tune("first-seen(peers=1.0)", scenario, folder, trials=1, tuning=[0], held_out=[2, 3])
    assert len(other.trials) == 1


def test_what_cannot_be_tuned_is_told(tmp_path: Path) -> None:
    with pytest.raises(TuneError, match="no parameter"):
        tune("never", load_text(SCENARIO), tmp_path, trials=1, tuning=[0], held_out=[1, 2])
    with pytest.raises(ValueError, match="overlap"):
        tune("rate", load_text(SCENARIO), tmp_path, trials=1, tuning=[0], held_out=[0, 1])


def test_a_search_of_which_no_trial_runs_is_told(tmp_path: Path) -> None:
    def failing(target: str) -> Objective:
        def value(trial: Any, parameters: Mapping[str, Any]) -> float:
            raise DetectorError(target, "scoring", "no memory")

        return value

    with pytest.raises(TuneError, match="no trial of rate gave a result"):
        search("rate", tmp_path, on="nothing", trials=2, objective=failing)


def test_trials_of_other_code_are_not_taken_for_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = """
from dataclasses import dataclass
from scopedrift.detectors import Detector, param

@dataclass
class Mine(Detector):
    a: int = param({low}, {low}, 9)

    def score(self, batch):
        return [0.0] * len(batch)
"""
    asked: list[int] = []

    def objective(target: str) -> Objective:
        return lambda trial, given: float(asked.append(given["a"]) or 1)  # type: ignore[func-returns-value]

    for low, count in ((1, 3), (1, 3), (5, 6)):
        (tmp_path / "mine.py").write_text(source.format(low=low))
        found = search("./mine.py", tmp_path, on="w", trials=3, objective=objective)
        assert len(asked) == count
        assert found.best["a"] >= low
