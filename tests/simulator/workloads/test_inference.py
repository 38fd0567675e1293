"""Inference: traffic with the day, batch jobs, releases on weekdays that roll out images."""

from __future__ import annotations

QUIET = {"novelty": 0.0}


def test_requests_follow_the_day(events):
    log = events({**QUIET, "horizon": "7d"}, inference={"services": 10, "batches_per_day": 0.0})
    hours = log[log.task_kind == "request"].groupby(log.time.dt.hour).size()
    assert hours.loc[10:18].mean() > 1.4 * hours.loc[2:5].mean()


def test_batch_jobs_are_bursts_of_reads_beside_online_requests(events):
    log = events(QUIET, inference={"services": 3, "batches_per_day": 3.0, "requests_per_hour": 1.0})
    batch = log[log.task_kind == "batch"]
    assert batch.task.nunique() > 10
    assert (batch.operation == "GetObject").mean() > 0.4
    assert batch.resource.str.contains("/part-").mean() > 0.5
    assert log.identity.nunique() == 3  # under the same identity as the service
    assert not events(QUIET, inference={"services": 3, "batches_per_day": 0.0}).task_kind.eq("batch").any()


def test_releases_roll_out_images_on_weekdays(events):
    services = {"services": 12, "releases_per_week": 5.0, "requests_per_hour": 1.0}
    log = events({**QUIET, "horizon": "21d"}, inference=services)
    released = log[log.operation == "patch deployments"]
    assert len(released) > 60
    assert (released.time.dt.day_of_week >= 5).mean() < 0.06
    assert released.groupby("workload").image.nunique().min() > 3
