"""Taking a piece away: who is concerned, that evidence taken away never flatters, and where it matters."""

from __future__ import annotations

import pandas as pd
import pytest

from scopedrift.detectors import loading
from scopedrift.experiments.running.ablation import ablation
from scopedrift.experiments.running.run import run
from scopedrift.experiments.running.selection import resolve
from scopedrift.reports.columns import TABLES
from scopedrift.scenarios.loader import load_text

SCENARIO = """
name: ablated
horizon: 5d
windows: {baseline: 2d, calibration: 1d}
organisation: {projects: 3}
workloads:
  training: {pipelines: 2}
  inference: {services: 3}
incidents:
  - {attack: rogue-job, count: 4}
  - {drift: adjacent-training-data, count: 4}
novelty: 0  # nobody writes to the stream of agents
evaluation: {alert_budget: 10/day}
"""
NAMES = ("first-seen", "task-context")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    scenario = load_text(SCENARIO)
    detectors = {name: loading.load(name) for name in NAMES}
    cells = run(scenario, resolve(NAMES), range(2))["cells"]
    return ablation(scenario, detectors, range(2), cells)


def test_knowledge_concerns_who_asks_for_it_and_streams_everybody(table: pd.DataFrame) -> None:
    assert list(table.columns) == list(TABLES["ablation"])
    knowledge = table[table["kind"] == "knowledge"]
    assert set(knowledge["detector"]) == {"task-context"}
    streams = table[table["kind"] == "stream"].groupby("removed")["detector"].agg(set)
    assert (streams == set(NAMES)).all() and len(streams) == 5


def test_without_all_it_knows_a_detector_is_blind(table: pd.DataFrame) -> None:
    row = table[(table["detector"] == "task-context") & (table["removed"] == "task_context")].iloc[0]
    assert row["recall"] > 0 and row["recall_without"] == 0
    assert row["difference"] == pytest.approx(-row["recall"])


def test_an_incident_without_evidence_counts_as_missed(table: pd.DataFrame) -> None:
    storage = table[(table["removed"] == "cloud_audit") & (table["detector"] == "task-context")].iloc[0]
    assert storage["recall_without"] <= 0.5  # the drift shows in the cloud audit log alone
    assert storage["recall"] > storage["recall_without"]


def test_a_stream_that_nobody_writes_to_is_worth_nothing(table: pd.DataFrame) -> None:
    agent = table[table["removed"] == "agent"]
    assert (agent["difference"] == 0).all()
    assert (agent["false_positives_per_day"] == agent["false_positives_per_day_without"]).all()
