"""Results as objects: kept whole, shown escaped, and written over only by their like."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import scopedrift as sd
from scopedrift.experiments.errors import UsageError
from scopedrift.results import MARKER


class Named(sd.Detector):
    """Flags nothing."""

    name = "<b>mine</b>"

    def score(self, batch):
        return [0.0] * len(batch)


@pytest.fixture(scope="module")
def world():
    return sd.simulate("tiny", seed=1)


@pytest.fixture(scope="module")
def found(world):
    return sd.evaluate("first-seen", world)


def test_an_evaluation_is_the_cell_that_a_run_has(world, found):
    cell = sd.run(world, "first-seen").cells.set_index("detector").loc["first-seen"]
    for name in ("recall", "precision", "false_positives", "alerts"):
        assert found.metrics[name] == cell[name]


def test_saved_results_hold_what_was_run_and_every_table(found, tmp_path):
    report = found.save(tmp_path / "out")
    assert report.is_file()
    assert json.loads((tmp_path / "out" / MARKER).read_text())["detectors"] == ["first-seen"]
    for name, table in found.tables.items():
        assert len(pd.read_parquet(tmp_path / "out" / "tables" / f"{name}.parquet")) == len(table)
    found.save(tmp_path / "out")


def test_files_of_the_user_are_not_replaced(found, world, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("do not touch")
    for save in (found.save, world.save):
        with pytest.raises(UsageError, match="mine"):
            save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "do not touch"


def test_what_a_notebook_shows_is_escaped(world):
    shown = sd.evaluate(Named(), world)._repr_html_()
    assert "&lt;b&gt;mine&lt;/b&gt;" in shown and "<b>mine" not in shown


def test_numbers_of_one_cell_are_not_given_for_many(world):
    with pytest.raises(UsageError, match="summary"):
        _ = sd.run(world, "first-seen").metrics


def test_a_figure_or_detector_that_is_not_there_is_named(found):
    with pytest.raises(UsageError, match="operating-curves"):
        found.plot("pie")
    with pytest.raises(UsageError, match="first-seen"):
        found.curve("rate")
    assert found.plot("operating-curves").get_size_inches()[0] == pytest.approx(7.6)


def test_the_tracked_run_says_what_was_run(found, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    found.track(tmp_path)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("scopedrift").experiment_id])
    (parent,) = (run for run in runs if "mlflow.parentRunId" not in run.data.tags)
    assert parent.data.params["scenario"] == "tiny" and "first-seen" in parent.data.params["detectors"]
    assert {"seeds", "alert_budget_per_day", "scenario_digest"} <= set(parent.data.params)
