"""Result tables: their columns, their pooled estimates and intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scopedrift.detectors.base import Detector
from scopedrift.detectors.builtin.references import Never, Oracle
from scopedrift.experiments.evaluation.evaluate import evaluate, evaluate_safely
from scopedrift.experiments.evaluation.summary import combine, summarise
from scopedrift.experiments.evaluation.survival import clustered, median
from scopedrift.experiments.evaluation.tables import tables
from scopedrift.reports.columns import PER_CELL, TABLES


class Raises(Detector):
    name = "raises"

    def score(self, batch: Any) -> Any:
        raise RuntimeError("no")


@pytest.fixture(scope="module")
def swept(randomly: Callable[..., Any], by_bytes: Detector) -> dict[str, pd.DataFrame]:
    parts = []
    for seed in range(6):
        world = randomly(seed).with_terms(3.0)
        parts += [tables(evaluate_safely(d, world), world) for d in (by_bytes, Oracle(), Never(), Raises())]
    return combine(parts)


def test_every_table_has_its_columns_and_types(swept: dict[str, pd.DataFrame]) -> None:
    for name in (*PER_CELL, "summary"):
        assert list(swept[name].columns) == list(TABLES[name]), name
        assert len(swept[name]) or name == "rules", name  # of detectors that are made of rules
    for name, column in [
        ("incidents", "detected_at"),
        ("alerts", "opened_at"),
        ("stages", "started_at"),
        ("changes", "end"),
    ]:
        assert isinstance(swept[name][column].dtype, pd.DatetimeTZDtype), column
    assert len(swept["cells"]) == 24 and len(swept["worlds"]) == 6 and len(swept["changes"]) == 6
    assert len(swept["stages"]) == 6 * 3 * 2 and len(swept["incidents"]) == 6 * 3 * 3


def test_rows_agree_with_each_other(swept: dict[str, pd.DataFrame]) -> None:
    cells = swept["cells"].set_index(["detector", "seed"])
    incidents, raised = (swept[name].groupby(["detector", "seed"]) for name in ("incidents", "alerts"))
    for key, mine in incidents:
        assert mine["detected"].sum() == cells.loc[key, "detected"]
        assert (mine["delay_s"].isna() == ~mine["detected"].astype(bool)).all()
        assert (mine["detected_at"].isna() == ~mine["detected"].astype(bool)).all()
        expected = median(mine["delay_s"].to_numpy(float), mine["follow_up_s"].to_numpy(float))
        assert cells.loc[key, "time_to_detect_median_s"] == pytest.approx(expected, nan_ok=True)
    for key, mine in raised:
        assert len(mine) == cells.loc[key, "alerts"]
        assert mine["false_alarm"].sum() == cells.loc[key, "false_positives"]
        assert ((mine["cause"] == "") == ~mine["false_alarm"].astype(bool)).all()
        assert ((mine["incident"] == "") == mine["false_alarm"]).all()
        assert (mine["reason"] != "").all()
        point = swept["curves"].set_index(["detector", "seed", "threshold"]).loc[(*key, cells.loc[key, "threshold"])]
        assert point["recall"] == cells.loc[key, "recall"]
        assert point["false_positives_per_day"] == cells.loc[key, "false_positives_per_day"]
    hits = swept["stage_hits"]
    assert (hits["detected"] == (hits["flagged"] > 0)).all() and (hits["name"] != "").all()


def test_a_failed_cell_is_shown_and_left_out_of_estimates(swept: dict[str, pd.DataFrame]) -> None:
    failed = swept["cells"][swept["cells"]["detector"] == "raises"]
    assert (failed["status"] == "failed").all() and failed["recall"].isna().all()
    assert failed["reason"].str.contains("RuntimeError: no").all()
    row = swept["summary"].set_index("detector").loc["raises"]
    assert row["seeds"] == 0 and row["failed"] == 6 and np.isnan(row["recall"])


def test_summary_pools_over_worlds(swept: dict[str, pd.DataFrame]) -> None:
    cells, summary = swept["cells"], swept["summary"].set_index("detector")
    mine = cells[cells["detector"] == "by-bytes"]
    row = summary.loc["by-bytes"]
    found, false = mine["detected"].sum(), mine["false_positives"].sum()
    assert row["precision"] == pytest.approx(found / (found + false))
    assert row["recall"] == pytest.approx(found / mine["incidents"].sum())
    assert row["false_positives_per_day"] == pytest.approx(false / mine["test_days"].sum())
    assert row["average_precision"] == pytest.approx(mine["average_precision"].mean())
    for metric in ("precision", "recall", "f1", "false_positives_per_day", "time_to_detect_restricted_mean_s"):
        assert row[f"{metric}_low"] <= row[metric] <= row[f"{metric}_high"], metric
    assert row["interval"] == "worlds" and row["seeds"] == 6 and "too small" in row["sample"]
    assert 0.8 < summary.loc["oracle", "recall_low"] < 1 == summary.loc["oracle", "recall_high"]
    assert 0 == summary.loc["never", "recall_low"] < summary.loc["never", "recall_high"] < 0.2
    assert np.isnan(summary.loc["never", "time_to_detect_median_s"]) and np.isnan(summary.loc["never", "precision"])


def test_the_better_detector_ranks_first_and_references_have_no_rank(swept: dict[str, pd.DataFrame]) -> None:
    cells = swept["cells"]
    mine = cells[cells["detector"] == "by-bytes"].assign(incidents=10, false_positives=2, status="ok")
    worlds = [mine.assign(seed=mine["seed"] + 100 * lap) for lap in range(2)]  # 12 worlds
    named = {"good": 9, "as good": 9, "bad": 1, "never": 0}
    made = [
        w.assign(detector=name, detected=found, recall_at_equal_alarms=found / 10)
        for name, found in named.items()
        for w in worlds
    ]
    made = [w.assign(reference="alerts on nothing") if (w["detector"] == "never").all() else w for w in made]
    table = summarise(pd.concat(made, ignore_index=True), swept["incidents"]).set_index("detector")
    assert table["rank"].to_dict() == pytest.approx({"good": 1, "as good": 1, "bad": 3, "never": np.nan}, nan_ok=True)
    assert (table["minimum_detectable"].drop("never") >= 0).all() and np.isnan(table.loc["never", "minimum_detectable"])
    assert table["tied_with"].to_dict() == {"good": "as good", "as good": "good", "bad": "", "never": ""}


def test_the_summary_is_deterministic(swept: dict[str, pd.DataFrame]) -> None:
    again = summarise(swept["cells"], swept["incidents"])
    pd.testing.assert_frame_equal(again, swept["summary"])


def test_the_interval_of_time_to_detect_is_over_worlds_not_incidents() -> None:
    """Worlds whose incidents are all alike say no more than one incident each."""
    delay = np.repeat([60.0, 120.0, 240.0, 480.0], 25)
    alone, copied = (
        clustered(values, np.full(len(values), 3_600.0), np.repeat(np.arange(4), len(values) // 4), 3_600.0)
        for values in (delay[::25], delay)
    )
    assert alone[0] == copied[0] and alone[1:] == pytest.approx(copied[1:])
    assert clustered(delay, np.full(100, 3_600.0), np.arange(100), 3_600.0)[1] < alone[1]


def test_the_interval_of_one_seed_is_over_its_incidents(randomly: Callable[..., Any], by_bytes: Detector) -> None:
    world = randomly(3, attacks=8, events=900).with_terms(8.0)
    row = combine([tables(evaluate(by_bytes, world), world)])["summary"].iloc[0]
    assert row["interval"] == "incidents" and row["seeds"] == 1
    assert row["recall_low"] < row["recall"] < row["recall_high"]
    assert row["precision_low"] < row["precision"] < row["precision_high"]
    assert np.isnan(row["false_positives_per_day_low"])
    assert row["recall_at_equal_alarms_low"] < row["recall_at_equal_alarms"] < row["recall_at_equal_alarms_high"]


def test_an_upper_bound_that_the_worlds_do_not_reach_is_not_reached() -> None:
    seeds = list(range(6))
    cells = pd.DataFrame({**dict.fromkeys(TABLES["cells"], 1.0), "scenario": "s", "detector": "d", "seed": seeds})
    cells["status"] = "ok"
    incidents = pd.DataFrame({"scenario": "s", "detector": "d", "seed": seeds, "follow_up_s": 86_400.0})
    incidents["delay_s"] = [60.0, 120.0, 180.0, np.nan, np.nan, np.nan]
    row = summarise(cells, incidents).iloc[0]
    assert row["time_to_detect_median_s"] == 180.0 and row["time_to_detect_median_s_low"] < 180.0
    assert np.isnan(row["time_to_detect_median_s_high"])
    assert row["time_to_detect_restricted_mean_s"] == pytest.approx((60 + 120 + 180 + 3 * 86_400) / 6)


def test_no_evaluation_gives_empty_tables() -> None:
    empty = combine([])
    assert all(len(table) == 0 for table in empty.values())
    assert all(list(empty[name].columns) == list(TABLES[name]) for name in ("summary", "cells"))
