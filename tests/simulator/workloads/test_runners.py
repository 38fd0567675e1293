"""Shared runners: one identity, many tenants, context in part, a queue for a limited number of runners."""

from __future__ import annotations

import pandas as pd
import pytest

from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import simulate

STRUCK = """
name: pools
horizon: 6d
windows: {baseline: 2d, calibration: 1d}
organisation: {projects: 3}
workloads: {runners: {pools: 3, tenants: 3, ephemeral: 0.0, activity: 3}}
incidents: [{attack: amazon-q, count: 12}]
"""


def spans(log: pd.DataFrame) -> pd.DataFrame:
    """First and last event of each job, but for the upkeep of its credential."""
    work = log[log.task.notna() & ~log.service.isin(["spire", "oauth", "metadata", "sts"])]
    return work.groupby(work.task.astype(str)).time.agg(["min", "max"])


def most_at_once(jobs: pd.DataFrame) -> int:
    """How many jobs overlap at most; the last calls of one may trail by the seconds in which it got a credential."""
    edges = pd.concat([pd.Series(1, jobs["min"]), pd.Series(-1, jobs["max"] - pd.Timedelta("6s"))])
    return int(edges.sort_index(kind="stable").cumsum().max())


@pytest.mark.parametrize("sharing", [0.0, 1.0])
def test_all_tenants_share_the_identity_and_the_name_of_their_pool(events, sharing):
    log = events({"identities": {"sharing": sharing}}, runners={"tenants": 10, "pools": 2})
    assert log.identity.nunique() == log.workload.nunique() == 2
    cloned = log[log.operation == "Clone"]
    assert cloned.groupby("identity").resource.nunique().min() >= 3


@pytest.mark.parametrize("known", [0.0, 0.4, 1.0])
def test_the_share_of_jobs_with_whole_context_is_the_parameter(events, known):
    log = events({"load": 4.0}, runners={"tenants": 25, "task_context": known, "ephemeral": 1.0})
    assert (log.task_kind.notna() == log.on_behalf_of.notna()).all()
    assert not (log.task_kind.notna() & log.task.isna()).any()
    starts = log[log.operation == "AssumeRoleWithWebIdentity"].groupby("credential").first()
    whole = starts.task_kind.notna().mean()
    assert whole == pytest.approx(known, abs=0.06)
    assert starts.task.notna().mean() == pytest.approx(known + (1 - known) / 2, abs=0.06)


def test_jobs_wait_for_one_of_the_runners(events):
    few = {"tenants": 40, "runners": 2, "task_context": 1.0}
    waiting = spans(events({"load": 6.0}, runners=few))
    free = spans(events({"load": 6.0, "platform": {"contention": False}}, runners=few))
    assert most_at_once(waiting) <= 2 < most_at_once(free)
    assert set(waiting.index) <= set(free.index)
    both = waiting.index
    assert (waiting["min"] >= free.loc[both, "min"]).all()
    assert (waiting["min"] > free.loc[both, "min"]).any()


def test_an_ephemeral_runner_starts_up_for_every_job_and_a_persistent_one_once(events):
    fresh = events(runners={"ephemeral": 1.0, "task_context": 1.0})
    kept = events({"novelty": 0}, runners={"ephemeral": 0.0, "task_context": 1.0, "runners": 5})  # no chores
    jobs = fresh.groupby("task")
    lasts = (jobs.time.max() - jobs.time.min()).dt.total_seconds()
    assert (jobs.credential.nunique() <= 2 + lasts / 1800).all()  # its own, renewed at half of an hour
    assert fresh.groupby("credential").task.nunique().max() == 1
    pulls = fresh[fresh.operation == "PullImage"].groupby("task").size()
    assert len(pulls) >= 0.97 * fresh.task.nunique()
    assert (kept[kept.operation == "PullImage"].task_kind == "runner").all()
    assert kept.groupby("credential").task.nunique().max() > 2
    assert kept[kept.task_kind == "runner"].task.nunique() == 5


def test_a_job_does_its_steps_in_order_and_a_release_ends_with_a_deployment(events):
    log = events({"load": 8.0, "errors": 0.0}, runners={"tenants": 40, "task_context": 1.0, "runners": 200})
    deployed = log[log.operation == "patch deployments"]
    assert set(deployed.task_kind) == {"release"}
    order = ["Clone", "Install", "PutImage", "patch deployments"]
    for _, job in log[log.task.isin(deployed.task[:5])].groupby("task"):
        first = [job[job.operation == name].time.min() for name in order]
        assert first == sorted(first)
    assert 0.2 < log.groupby("task_kind").task.nunique()["test"] / log.task.nunique() < 0.8


def test_builds_come_in_clusters_and_rest_at_the_weekend(events):
    log = events({"horizon": "28d", "load": 2.0}, runners={"tenants": 30, "task_context": 1.0})
    builds = log[log.operation == "Clone"].groupby("task").time.min()
    hourly = (
        builds.dt.floor("h").value_counts().reindex(pd.date_range("2026-01-01", periods=28 * 24, freq="h", tz="UTC"))
    )
    counts = hourly.fillna(0)
    assert counts.var() / counts.mean() > 2.0
    weekend = counts[counts.index.day_of_week >= 5].mean() / counts[counts.index.day_of_week < 5].mean()
    assert 0.3 < weekend < 0.85


def test_incidents_strike_the_jobs_of_tenants_and_no_runner_that_waits():
    struck = {incident.workload for incident in simulate(load_text(STRUCK), 1).truth.incidents}
    assert struck and all(name.startswith("tenant-") for name in struck)
