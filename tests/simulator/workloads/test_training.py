"""Training: stages in order under their identities, a shared GPU pool, searches that give way, monitoring."""

from __future__ import annotations

import pytest

QUIET = {"novelty": 0.0, "errors": 0.0}


def test_the_stages_of_a_run_follow_each_other(events):
    log = events({**QUIET, "platform": {"gpus": 1000}}, training={"pipelines": 4, "searches": 0.0})
    first = log.groupby(["workload", "task_kind"]).time.min().reset_index()
    first["pipeline"] = first.workload.str.extract(r"(pipeline-\d+)")[0]
    table = first.pivot(index="pipeline", columns="task_kind", values="time").dropna()
    assert len(table) >= 2
    for before, after in (("prepare", "train"), ("train", "evaluate"), ("evaluate", "deploy"), ("deploy", "monitor")):
        assert (table[before] < table[after]).all()


@pytest.mark.parametrize(("each", "identities"), [(True, 5), (False, 1)])
def test_stages_run_under_identities_of_their_own_or_the_same(tiny, each, identities):
    world = tiny({"identities": {"sharing": 0.0, "orphaned": 0.0}}, training={"pipelines": 2, "stage_identities": each})
    assert len(world.deployment.inventory) == 2 * identities


def test_searches_give_way_to_large_runs_and_resume_from_their_checkpoint(events):
    searches = {"training": {"pipelines": 6, "runs_per_day": 8.0, "searches": 1.0}}
    crowded = events({**QUIET, "platform": {"gpus": 32}}, **searches)
    free = events({**QUIET, "platform": {"contention": False}}, **searches)

    def resumed(log):
        reads = log[(log.task_kind == "train") & (log.operation == "GetObject")]
        started = log[(log.task_kind == "train") & (log.operation == "PullImage")]
        return reads[reads.resource.str.contains("checkpoints")].task.nunique() / started.task.nunique()

    assert resumed(crowded) > 1.3 * resumed(free)
    # whoever gave way starts up again, with a new credential
    starts = crowded[(crowded.task_kind == "train") & (crowded.operation == "PullImage")].groupby("task").size()
    assert (starts > 1).sum() > (free[free.operation == "PullImage"].groupby("task").size() > 1).sum()


def test_a_pipeline_does_not_depend_on_how_many_others_there_are(events):
    alone = {**QUIET, "platform": {"contention": False}}
    few, more = (events(alone, training={"pipelines": n, "runs_per_day": 6.0}) for n in (2, 3))
    own = [log[log.workload.str.startswith("pipeline-0000")].reset_index(drop=True) for log in (few, more)]
    assert len(own[0]) > 100
    assert own[0][["time", "operation", "task_kind", "outcome"]].equals(
        own[1][["time", "operation", "task_kind", "outcome"]]
    )


def test_the_trials_of_a_search_run_side_by_side(events):
    log = events(
        {**QUIET, "platform": {"contention": False}}, training={"pipelines": 3, "searches": 1.0, "runs_per_day": 1.0}
    )
    submitted = log[log.operation == "create jobs"].groupby(["workload", log.time.dt.floor("min")]).size()
    assert submitted.max() >= 4


def test_what_is_deployed_is_monitored_hour_after_hour(events):
    log = events(QUIET, training={"pipelines": 4, "runs_per_day": 5.0})
    watched = log[log.task_kind == "monitor"].groupby("task").time.agg(["min", "max"])
    assert len(watched) >= 2
    assert (watched["max"] - watched["min"]).max().total_seconds() > 24 * 3600
    assert log[log.task_kind == "monitor"].groupby(log.time.dt.hour).size().shape[0] == 24


def test_gangs_wait_for_gpus_and_never_when_there_are_enough(tiny):
    runs = {"training": {"pipelines": 5, "runs_per_day": 6.0}}
    free = tiny({**QUIET, "platform": {"contention": False}}, **runs)
    plenty = tiny({**QUIET, "platform": {"gpus": 100_000}}, **runs)
    crowded = tiny({**QUIET, "platform": {"gpus": 8}}, **runs)
    assert plenty.log.digest == free.log.digest
    pulls = []
    for world in (crowded, free):
        log = world.log.frame()
        pulls.append(log[(log.task_kind == "train") & (log.operation == "PullImage")].groupby("task").time.min())
    waited = (pulls[0] - pulls[1]).dropna().dt.total_seconds()
    assert waited.min() > -1
    assert waited.max() > 600
