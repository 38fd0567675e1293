"""Serverless: cold starts, fan-out into functions that run, concurrency limits, re-delivery."""

from __future__ import annotations

QUIET = {"novelty": 0.0, "errors": 0.0}


def test_an_idle_function_starts_cold_and_a_warm_one_does_not(events):
    log = events(QUIET, serverless={"functions": 20, "most_per_day": 60.0, "fan_out": 0.0})
    for _, one in log.groupby("workload"):
        tasks = one.groupby("task").time.agg(["min", "max"]).sort_values("min")
        cold = tasks.index.isin(one[one.operation == "GetInstanceIdentity"].task)
        idle = (tasks["min"] - tasks["max"].shift()).dt.total_seconds()
        assert cold[(idle > 1000).to_numpy()].all()
        assert not cold[(idle < 500).to_numpy()].any()


def test_the_children_of_a_fan_out_run(events):
    many = {"functions": 30, "most_per_day": 100.0}
    with_parents = events(QUIET, serverless={**many, "fan_out": 0.6})
    without = events(QUIET, serverless={**many, "fan_out": 0.0})
    calls = int((with_parents.operation == "Invoke").sum())
    assert calls > 200
    assert not without.operation.eq("Invoke").any()
    # a fan-out also calls by queue, and cold starts have tasks of their own
    assert calls < with_parents.task.nunique() - without.task.nunique() < 1.7 * calls


def test_the_concurrency_limit_holds_back_what_exceeds_it(events):
    day = {**QUIET, "horizon": "1d", "windows": {"baseline": "8h", "calibration": "8h"}}
    busy = {"functions": 60, "most_per_day": 5000.0, "fan_out": 0.0}

    def most(log):
        return log.groupby(["workload", log.time.dt.floor("10min")]).task.nunique().groupby("workload").max()

    tight = most(events(day, serverless={**busy, "concurrency": 1}))
    wide = most(events(day, serverless={**busy, "concurrency": 1000})).reindex(tight.index)
    assert (tight < 0.7 * wide).any()
    assert (tight <= 1.1 * wide + 4).all()


def test_what_is_delivered_twice_is_found_done_in_the_same_task(events):
    log = events(QUIET, serverless={"functions": 60, "most_per_day": 150.0, "fan_out": 0.0})
    tasks = log.groupby("task")
    span = (tasks.time.max() - tasks.time.min()).dt.total_seconds()
    ends = tasks.operation.last()
    late = ends[(ends == "DeleteMessage") & (span > 2)]
    assert 0.005 < len(late) / len(ends) < 0.2
