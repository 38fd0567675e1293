"""Housekeeping: timers, whatever anybody does; identities that legitimately reach every project."""

from __future__ import annotations

import pytest


def test_services_run_at_their_intervals_day_and_night(events):
    log = events({"novelty": 0.0}, housekeeping={"services": 8, "jitter": 0.05, "missed": 0.0})
    every = {"scheduler": 300, "feature-store": 3600, "lease-controller": 600}
    for kind, seconds in every.items():
        starts = log[log.task_kind == kind].groupby("task").time.min().sort_values()
        gaps = starts.diff().dt.total_seconds().dropna()
        assert gaps.median() == pytest.approx(seconds, rel=0.1)
    assert log.time.dt.hour.nunique() == 24


def test_what_serves_every_project_reaches_every_project_and_is_declared_to(tiny):
    world = tiny({"novelty": 0.0}, housekeeping={"services": 8})
    log = world.log.frame()
    scraped = log[(log.task_kind == "metrics-scraper") & (log.operation == "GetMetricData")]
    assert scraped.project.nunique() == 3
    (identity,) = scraped.identity.unique()
    granted = {grant.project for grant in world.deployment.policy[identity].grants if grant.service == "monitoring"}
    assert granted == set(scraped.project)
    leases = log[log.operation == "update leases"]
    assert leases.groupby("identity").project.nunique().max() == 1


def test_missed_runs_are_rare_and_a_parameter(events):
    all_runs = events({"novelty": 0.0}, housekeeping={"services": 2, "missed": 0.0})
    fewer = events({"novelty": 0.0}, housekeeping={"services": 2, "missed": 0.5})
    runs = [log[log.task_kind == "scheduler"].task.nunique() for log in (all_runs, fewer)]
    assert runs[1] == pytest.approx(0.5 * runs[0], rel=0.15)


def test_backups_run_at_night(events):
    log = events({"novelty": 0.0}, housekeeping={"services": 8})
    backups = log[(log.task_kind == "backup") & (log.operation == "GetObject")]
    assert len(backups) > 100
    assert backups.time.dt.hour.between(2, 3).all()
