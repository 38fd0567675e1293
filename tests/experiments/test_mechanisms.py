"""What the knobs of identities and credentials do to incidents and to detection, in figures.

`pytest -m slow -s tests/experiments/test_mechanisms.py` prints the tables; worlds are paired by seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pandas as pd
import pytest
from scipy.stats import spearmanr

from scopedrift.detectors.builtin.first_seen import FirstSeen
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.scenarios import load_text, override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.truth import SCOPE_DRIFT

pytestmark = pytest.mark.slow

FLEET = load_text(
    """
name: sharing
horizon: 14d
windows: {baseline: 7d, calibration: 3d}
load: 0.3
organisation: {projects: 6}
identities: {count: 100}
workloads:
  training: {}
  inference: {requests_per_hour: 2.0}
  serverless: {most_per_day: 100.0}
  runners: {}
  agents: {}
  evaluation: {}
  housekeeping: {}
changes: [{kind: registry-migration, per_month: 6}]
incidents:
  - {attack: token-theft, count: 5, strength: 0.3}
  - {attack: rogue-job, count: 5, strength: 0.3}
  - {drift: adjacent-training-data, count: 5, strength: 0.3}
"""
)
CHAINS = load_text(
    """
name: chains
horizon: 4d
windows: {baseline: 1d, calibration: 1d}
load: 0.2
organisation: {projects: 4}
identities: {sharing: 0.0, orphaned: 0.0}
workloads: {training: {pipelines: 4}, inference: {services: 12}, serverless: {functions: 12}}
incidents: [{attack: token-theft, count: 20, strength: 0.3}]
"""
)
SEEDS = range(6)
NOISE = 0.05
"""Standard error of a mean over 120 incidents (stages)."""
Case = tuple[dict[str, Any], int]


def caught(case: Case) -> dict[str, Any]:
    """What first-seen catches in one world."""
    knobs, seed = case
    world = simulate(override(FLEET, knobs), seed)
    row = dict(knobs)
    for budget in (10.0, 30.0):  # at fewer it catches next to nothing on any of these worlds
        metrics = evaluate(FirstSeen(), world, budget_per_day=budget).metrics
        row[f"recall at {budget:g}/day"] = metrics["recall"]
        row[f"false alarms at {budget:g}/day"] = metrics["false_positives_per_day"]
    return {**row, "average precision": metrics["average_precision_incidents"], "identities": metrics["identities"]}


def achieved(case: Case) -> dict[str, Any]:
    """What intruders achieve in one world: per incident, stages and events that succeed, and how many reach impact."""
    knobs, seed = case
    world = simulate(override(CHAINS, knobs), seed)
    incidents, truth = world.truth.incidents, world.truth
    outcome = world.log.batch(0, len(world.log))["outcome"][truth.event[truth.label >= SCOPE_DRIFT]]
    stages = [sum(stage.outcome == "success" for stage in incident.stages) for incident in incidents]
    return {
        **knobs,
        "stages": sum(stages) / len(incidents),
        "events": float((outcome == world.log.vocabulary["outcome"].find("success")).sum()) / len(incidents),
        "impact": sum(incident.impact_at >= 0 for incident in incidents) / len(incidents),
    }


def table(measure: Any, knobs: Iterable[dict[str, Any]], seeds: Iterable[int] = SEEDS) -> pd.DataFrame:
    """The mean over the seeds for each setting, in the order given."""
    settings = list(knobs)
    cases = [(each, seed) for seed in seeds for each in settings]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        frame = pd.DataFrame(pool.map(measure, cases))
    means = frame.groupby(list(settings[0]), sort=False).mean().reset_index()
    print(f"\n{means.to_string(index=False, float_format='%.3f')}")
    return means


def test_sharing_lowers_what_first_seen_catches_at_the_same_budget() -> None:
    means = table(caught, [{"identities.sharing": share} for share in (0.0, 0.5, 1.0)], range(10))
    for measure in ("recall at 10/day", "recall at 30/day"):
        assert means[measure].is_monotonic_decreasing
        assert means[measure].iloc[-1] < 0.7 * means[measure].iloc[0]
    assert means["average precision"].iloc[:-1].min() < 0.7 * means["average precision"].iloc[0]  # nine are too few
    assert means["identities"].is_monotonic_decreasing


def test_a_shorter_ttl_shortens_what_a_stolen_credential_achieves() -> None:
    ttl, downstream = "identities.credential.ttl", "identities.downstream.ttl"
    means = table(achieved, [{ttl: each, downstream: "1m"} for each in ("2m", "5m", "20m", "1h", "12h")])
    assert means["stages"].is_monotonic_increasing
    assert spearmanr(means.index, means["events"]).statistic > 0.89  # from an hour on, chance decides
    assert means["impact"].iloc[0] < 0.5 * means["impact"].iloc[-1]


def test_a_powerful_downstream_token_undoes_a_short_ttl() -> None:
    breadth, ttl = "identities.downstream.breadth", "identities.downstream.ttl"
    short = {"identities.credential.ttl": "5m"}
    cases = [{**short, breadth: b, ttl: t} for t in ("1m", "1h") for b in (0.0, 0.5, 1.0)]
    means = table(achieved, cases)
    brief, lasting = means["stages"].iloc[:3], means["stages"].iloc[3:]
    assert lasting.is_monotonic_increasing
    assert lasting.iloc[2] > lasting.iloc[0] + 0.3
    assert lasting.iloc[2] > brief.iloc[2]
    assert means["impact"].iloc[5] > means["impact"].iloc[2] + 0.3


def test_excess_privilege_lengthens_chains() -> None:
    excess, breadth = "identities.excess_privilege", "identities.downstream.breadth"
    means = table(achieved, [{excess: share, breadth: 0.0} for share in (0.0, 0.3, 0.6, 0.8, 0.9, 0.95)])
    assert means["stages"].diff().min() > -NOISE
    assert means["stages"].iloc[-1] > means["stages"].iloc[0] + 0.5
    assert means["impact"].iloc[-1] > means["impact"].iloc[0] + 0.2
