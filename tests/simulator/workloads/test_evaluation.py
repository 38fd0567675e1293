"""Evaluation: planned bursts, in the calendar or not, behind training in the queue, on candidates that are new."""

from __future__ import annotations

import pandas as pd
import pytest

BUSY = {"suites": 4, "campaigns_per_week": 20.0}


def campaigns(log: pd.DataFrame) -> pd.DataFrame:
    """Jobs by suite, with their first event."""
    return log[log.task_kind == "evaluation"].groupby(["workload", "task"], observed=True).time.min().reset_index()


@pytest.mark.parametrize("announced", [0.0, 1.0])
def test_announced_campaigns_stand_in_the_calendar_before_they_run(tiny, announced):
    world = tiny(evaluation={**BUSY, "announced": announced})
    entries = [entry for entry in world.deployment.calendar if entry.kind == "evaluation"]
    jobs = campaigns(world.log.frame())
    assert len(jobs) > 100
    if not announced:
        assert not entries
        return
    identity = world.log.frame().groupby("workload", observed=True).identity.first()
    for suite, times in jobs.groupby("workload", observed=True).time:
        spans = [(e.start, e.end) for e in entries if identity[suite] in e.identities]
        micros = times.astype("datetime64[us, UTC]").astype("int64")
        covered = sum(any(start <= t <= end for start, end in spans) for t in micros)
        assert covered >= 0.9 * len(times)


def test_a_campaign_is_a_burst_of_reads_and_queries(events):
    log = events({"novelty": 0.0}, evaluation=BUSY)
    reads = log.operation.isin(["GetObject", "StartQueryExecution", "GetQueryResults"])
    assert reads.mean() > 0.5
    hourly = log.groupby(["workload", log.time.dt.floor("h")]).size()
    for suite in hourly.index.levels[0]:
        active = hourly[suite]
        assert active.max() > 5 * log[log.workload == suite].shape[0] / 96


def test_every_campaign_evaluates_a_candidate_that_nobody_has_read_before(events):
    log = events({"novelty": 0.0}, evaluation=BUSY)
    candidates = log[log.resource.str.contains("candidate", na=False)]
    first = candidates.groupby("resource").time.min().sort_values()
    assert len(first) > 15
    assert first.dt.floor("D").nunique() >= 3  # resources keep coming


def test_evaluation_waits_longer_than_training(events):
    crowded = {"platform": {"gpus": 8}, "errors": 0.0, "novelty": 0.0}
    families = {"training": {"pipelines": 6, "runs_per_day": 6.0, "searches": 0.0}, "evaluation": BUSY}
    log = events(crowded, **families)
    free = events({**crowded, "platform": {"contention": False}}, **families)

    def delay(kind):
        operation = "PullImage"
        start = [
            each[(each.task_kind == kind) & (each.operation == operation)].groupby("task").time.min()
            for each in (log, free)
        ]
        waited = (start[0] - start[1]).dropna()
        return waited.dt.total_seconds()

    assert delay("evaluation").quantile(0.75) > delay("train").quantile(0.75)
    assert delay("evaluation").max() > 60
