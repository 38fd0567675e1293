"""How closely injected events follow one another, and what they run, are those of what they ride on."""

from __future__ import annotations

from typing import cast

import pytest

from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.injection.rides import Ride
from scopedrift.simulator.log.events import MINUTE, SECOND

SCENARIO = """
name: rides
horizon: 4d
turns: 0  # no benign task goes on from another image
windows: {baseline: 2d, calibration: 12h}
organisation: {projects: 3}
workloads: {training: {pipelines: 3}, runners: {tenants: 4}}
changes: [{kind: evaluation-burst, count: 2}, {kind: tenant-onboarding, count: 3}]
incidents: [{attack: rogue-job, count: 6}]
"""


@pytest.fixture(scope="module")
def world():
    return simulate(load_text(SCENARIO), 1)


def ride(until: int, room: int) -> Ride:
    return Ride(cast(Actor, None), 1, 1, 0, -1, until, room, renews=False, gap=2 * SECOND)


@pytest.mark.parametrize(
    ("until", "room", "pace", "part"),
    [
        (10 * MINUTE, 99, SECOND, 40),  # all that would come while it lasts
        (10 * MINUTE, 99, MINUTE, 10),  # a quarter at least
        (10 * MINUTE, 7, SECOND, 7),  # no more than it takes
        (8 * SECOND, 99, SECOND, 4),  # no more than fit in as densely
    ],
)
def test_a_ride_takes_its_share_as_densely_as_its_model(until: int, room: int, pace: int, part: int) -> None:
    assert ride(until, room).share(40, 40, pace, 0) == (part, part * 2 * SECOND)


def test_a_foreign_image_changes_the_image_of_no_task(world) -> None:
    told = world.truth.frame()
    events = world.log.batch(0, len(world.log)).frame()
    ridden = events.loc[told.index[told["label"] == "attack"], "task"].dropna().unique()
    images = events[events["task"].isin(ridden)].groupby("task", observed=True)["image"].nunique()
    assert (images == 1).sum() > 5 and images.max() == 1


def test_what_a_change_does_for_runners_is_done_for_somebody(world) -> None:
    told = world.truth.frame()
    events = world.log.batch(0, len(world.log)).frame().loc[told.index[told["label"] == "benign_change"]]
    runs = events[events["task_kind"].isin(["build", "test", "release", "scheduled"])]
    assert len(runs) and runs["on_behalf_of"].notna().mean() > 0.9


def test_a_job_of_an_incident_is_submitted_as_benign_jobs_are() -> None:
    scenario = SCENARIO.replace("{attack: rogue-job, count: 6}", "{drift: orphaned-job, count: 8}").replace(
        "2d,", "1d,"
    )
    world = simulate(load_text(scenario), 1)
    told = world.truth.frame()
    events = world.log.batch(0, len(world.log)).frame().assign(injected=False)
    events.loc[told.index[told["label"] == "scope_drift"], "injected"] = True
    trained = events[events["task_kind"] == "train"].sort_values("time").groupby("task", observed=True)
    whole = trained["injected"].mean()
    first = trained["operation"].agg(lambda calls: list(calls[calls != "FetchX509SVID"])[:2])
    submitted = first.map(lambda calls: "GetInstanceIdentity" not in calls)
    assert (whole == 1).sum() > 3 and submitted[whole == 0].mean() > 0.9
    assert submitted[whole == 1].mean() > 0.9


def test_an_incident_leaves_itself_the_time_that_it_may_take() -> None:
    slow = load_text(SCENARIO.replace("rogue-job, count: 6", "salesloft-drift, count: 40, strength: 0.5"))
    starts = [incident.intent_at for incident in simulate(slow, 2).truth.incidents if incident.primed_at < 0]
    test = slow.end_us - slow.calibration_end_us
    places = [(at - slow.calibration_end_us) / test for at in starts]
    assert len(places) == 40 and max(places) < 0.7


def test_of_workloads_that_share_an_identity_the_busy_are_hit_more_often() -> None:
    shared = SCENARIO.replace("{training: {pipelines: 3}, runners: {tenants: 4}}", "{runners: {pools: 1, tenants: 12}}")
    world = simulate(load_text(shared.replace("rogue-job, count: 6", "tj-actions, count: 40")), 4)
    resources = world.log.batch(0, len(world.log)).frame()["resource"].astype(str)
    activity = resources.str.extract(r"(tenant-\d{4})")[0].value_counts()
    hit = [activity[incident.workload.removesuffix("-ci")] for incident in world.truth.incidents]
    assert len(activity) > 6 and sum(hit) / len(hit) > 1.6 * activity.mean()
