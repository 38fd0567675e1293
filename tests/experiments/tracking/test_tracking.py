"""Tracking, against a real MLflow store on SQLite."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scopedrift.experiments.tracking import BUDGETS, Tracker, TrackingError, combined_digest, open_tracker

NAN = float("nan")
SEEDS = (0, 1, 2)


def tables(detectors: tuple[str, ...] = ("rate", "never"), seeds: tuple[int, ...] = SEEDS) -> dict[str, pd.DataFrame]:
    """Result tables of a small run: `rate` finds half of the incidents, `never` none, `broken` fails."""
    cells, summary, curves = [], [], []
    for detector in detectors:
        recall = 0.5 if detector == "rate" else 0.0
        failed = detector == "broken"
        for seed in seeds:
            cells.append(
                {
                    "scenario": "small",
                    "seed": seed,
                    "detector": detector,
                    "status": "failed" if failed else "ok",
                    "reason": "ZeroDivisionError: division by zero" if failed else "",
                    "knowledge": "policy,calendar" if detector == "rate" else "",
                    "recall": NAN if failed else recall + 0.01 * seed,
                    "precision": 0.25 if recall else NAN,
                    "false_positives": 3.0 * seed,
                    "threshold": math.inf,
                    "score_seconds": 0.5,
                }
            )
            curves += [
                {"scenario": "small", "seed": seed, "detector": detector, "threshold": threshold}
                | {"false_positives_per_day": alarms, "recall": found, "precision": found / 2}
                for threshold, alarms, found in ((3.0, 0.5, recall / 2), (1.0, 2.0, recall))
            ]
        summary.append(
            {
                "scenario": "small",
                "detector": detector,
                "recall": recall,
                "recall_low": recall / 2,
                "recall_high": recall * 1.5,
                "precision": 0.25 if recall else NAN,
                "precision_low": NAN,
                "time_to_detect_median_s": 90.0 if recall else NAN,
                "seeds": len(seeds),
                "failed": 0,
            }
        )
    worlds = [{"scenario": "small", "seed": seed, "digest": f"{seed:064x}"} for seed in seeds]
    rows = {"cells": cells, "summary": summary, "curves": curves, "worlds": worlds}
    return {name: pd.DataFrame(table) for name, table in rows.items()}


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    tracker = open_tracker(tmp_path_factory.mktemp("tracked"))
    patch.undo()
    return tracker


def children(tracker: Tracker, parent: str) -> list[Any]:
    return list(
        tracker.client.search_runs([tracker.experiment], f"tags.`mlflow.parentRunId` = '{parent}'", max_results=100)
    )


def test_one_run_per_detector_holds_estimate_interval_and_parameters(tracker):
    with tracker.invocation("run small", {"scenario": "small"}, {"alert_budget_per_day": 1.0}) as parent:
        runs = parent.log_results(tables(), params={"horizon_days": 21.0}, detectors={"rate": {"window_s": 3600}})
    assert set(runs) == {("small", "rate"), ("small", "never")}
    run = tracker.client.get_run(runs["small", "rate"])
    assert run.data.metrics["recall"] == 0.5
    assert run.data.metrics["recall_low"] == 0.25
    assert run.data.metrics["recall_high"] == 0.75
    assert run.data.metrics["time_to_detect_median_s"] == 90.0
    assert run.data.params["detector.window_s"] == "3600"
    assert run.data.params["horizon_days"] == "21.0"
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id
    assert run.data.tags["seeds"] == "0,1,2"
    assert run.data.tags["knowledge"] == "policy,calendar"
    assert run.data.tags["version"]
    assert run.info.status == "FINISHED"
    above = tracker.client.get_run(parent.run_id)
    assert above.info.status == "FINISHED"
    assert above.data.params["alert_budget_per_day"] == "1.0"
    assert above.data.tags["command"] == "run small"


def test_what_was_not_reached_is_absent_rather_than_zero(tracker):
    with tracker.invocation("run small", {}, {}) as parent:
        runs = parent.log_results(tables())
    metrics = tracker.client.get_run(runs["small", "never"]).data.metrics
    assert "time_to_detect_median_s" not in metrics
    assert "precision" not in metrics
    assert metrics["recall"] == 0.0


def test_operating_curve_is_stepped_over_budgets(tracker):
    with tracker.invocation("run small", {}, {}) as parent:
        run = parent.log_results(tables())["small", "rate"]
    budgets = {m.step: m.value for m in tracker.client.get_metric_history(run, "curve/false_positives_per_day")}
    recall = {m.step: m.value for m in tracker.client.get_metric_history(run, "curve/recall")}
    precision = {m.step: m.value for m in tracker.client.get_metric_history(run, "curve/precision")}
    assert budgets == pytest.approx(dict(enumerate(BUDGETS)))
    for step, budget in enumerate(BUDGETS):
        expected = 0.0 if budget < 0.5 else 0.25 if budget < 2.0 else 0.5
        assert recall[step] == pytest.approx(expected)
        assert (step in precision) == (budget >= 0.5), "no precision where nothing alerts"
        if budget >= 0.5:
            assert precision[step] == pytest.approx(expected / 2)


def test_curve_takes_the_best_recall_within_a_budget_whatever_the_order_of_rows(tracker):
    mixed = tables()
    rng = np.random.default_rng(0)
    points = pd.DataFrame(
        {
            "scenario": "small",
            "seed": np.repeat(SEEDS, 40),
            "detector": "rate",
            "threshold": rng.normal(size=120),
            "false_positives_per_day": rng.uniform(0, 20, 120),
            "recall": rng.uniform(0, 1, 120),
            "precision": rng.uniform(0, 1, 120),
        }
    )
    mixed["curves"] = points.sample(frac=1, random_state=1)
    with tracker.invocation("run small", {}, {}) as parent:
        run = parent.log_results(mixed)["small", "rate"]
    recall = {m.step: m.value for m in tracker.client.get_metric_history(run, "curve/recall")}
    for step, budget in enumerate(BUDGETS):
        best = [
            points[(points["seed"] == seed) & (points["false_positives_per_day"] <= budget)]["recall"].max()
            for seed in SEEDS
        ]
        assert recall[step] == pytest.approx(np.mean(np.nan_to_num(best)))


def test_worlds_are_dataset_inputs_under_our_digest(tracker):
    with tracker.invocation("run small", {}, {}) as parent:
        several = parent.log_results(tables())["small", "rate"]
        single = parent.log_results(tables(seeds=(7,)))["small", "rate"]
    (dataset,) = (entry.dataset for entry in tracker.client.get_run(several).inputs.dataset_inputs)
    assert dataset.name == "small"
    whole = combined_digest(f"{seed:064x}" for seed in SEEDS)
    assert whole.startswith(dataset.digest)
    assert tracker.client.get_run(several).data.tags["digest"] == whole
    (dataset,) = (entry.dataset for entry in tracker.client.get_run(single).inputs.dataset_inputs)
    assert dataset.name == "small-seed-7"
    assert tracker.client.get_run(single).data.tags["digest"] == f"{7:064x}"


def test_cells_have_runs_of_their_own_on_request_only(tracker):
    with tracker.invocation("run small", {}, {}) as parent:
        plain = parent.log_results(tables())["small", "rate"]
        each = parent.log_results(tables(), cells=True)["small", "rate"]
    assert children(tracker, plain) == []
    cells = {run.data.params["seed"]: run for run in children(tracker, each)}
    assert set(cells) == {"0", "1", "2"}
    assert cells["2"].data.metrics["recall"] == pytest.approx(0.52)
    assert cells["2"].data.metrics["false_positives"] == 6.0
    assert "threshold" not in cells["2"].data.metrics, "an infinite threshold is no number to draw"


def test_a_failed_detector_has_a_failed_run_with_the_reason(tracker):
    with tracker.invocation("run small", {}, {}) as parent:
        runs = parent.log_results(tables(("rate", "broken")), cells=True)
    broken = tracker.client.get_run(runs["small", "broken"])
    assert broken.info.status == "FAILED"
    assert "division by zero" in broken.data.tags["reason"]
    assert {run.info.status for run in children(tracker, broken.info.run_id)} == {"FAILED"}
    assert tracker.client.get_run(runs["small", "rate"]).info.status == "FINISHED"


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_an_invocation_that_ends_early_is_marked(tracker, error, status):
    with pytest.raises(error), tracker.invocation("run small", {}, {}) as parent:
        raise error
    assert tracker.client.get_run(parent.run_id).info.status == status


def test_files_are_attached_beside_the_database(tracker, tmp_path):
    report = tmp_path / "report.html"
    report.write_text("<html></html>")
    with tracker.invocation("run small", {}, {}) as parent:
        parent.log_files([report])
        parent.log_files([report], "plots")
    assert [f.path for f in tracker.client.list_artifacts(parent.run_id)] == ["plots", "report.html"]
    stored = list(Path(tracker.uri.removeprefix("sqlite:///")).parent.glob("artifacts/**/report.html"))
    assert len(stored) == 2


def test_many_parameters_and_metrics_exceed_no_batch_limit(tracker):
    wide = tables(("rate",))
    more = pd.DataFrame([{f"metric_{i}": float(i) for i in range(1200)}])
    wide["summary"] = pd.concat([wide["summary"], more], axis=1)
    with tracker.invocation("run small", {}, {}) as parent:
        run = parent.log_results(wide, params={f"p{i}": i for i in range(250)})["small", "rate"]
    data = tracker.client.get_run(run).data
    assert data.metrics["metric_1199"] == 1199.0
    assert data.params["p249"] == "249"


def test_the_store_can_be_opened_again_and_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mine' / 'own.db'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    first, again = open_tracker(tmp_path / "unused"), open_tracker(tmp_path / "unused")
    assert first.experiment == again.experiment
    assert (tmp_path / "mine" / "own.db").exists()
    assert not (tmp_path / "unused").exists()
    assert first.client.get_experiment_by_name("ours").artifact_location == (tmp_path / "mine" / "artifacts").as_uri()


@pytest.mark.parametrize("uri", ["sqlite:////proc/nowhere/x.db", "nonsense://x", "file:///tmp/mlruns-of-old"])
def test_an_unusable_store_is_one_sentence(tmp_path, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(TrackingError, match="cannot open the tracking store") as caught:
        open_tracker(tmp_path)
    assert "\n" not in str(caught.value)


SCRIPT = """
import sys
from pathlib import Path
from scopedrift.experiments.tracking import open_tracker
tracker = open_tracker(Path(sys.argv[1]))
with tracker.invocation("run small", {}, {}):
    pass
import mlflow.telemetry.utils
assert mlflow.telemetry.utils.is_telemetry_disabled()
"""


def test_tracking_is_silent_and_calls_nobody(tmp_path):
    hidden = ("MLFLOW_TRACKING_URI", "CI", "PYTEST_CURRENT_TEST", "GITHUB_ACTIONS", "MLFLOW_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_reader_does_not_stop_the_writer(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracker = open_tracker(tmp_path)
    reader = sqlite3.connect(tmp_path / "mlflow.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM runs").fetchall()
    with tracker.invocation("run small", {}, {}) as parent:
        parent.log_results(tables())
    assert reader.execute("SELECT count(*) FROM runs").fetchone() == (0,), "the reader still holds what it began with"
    reader.close()
