"""Evaluation suites: planned campaigns, each a burst of storage reads and analytics queries for a new candidate model.

A campaign is planned when the world is built, so that it can stand in the change calendar; when its time comes it
submits all its jobs at once, and they wait for GPUs behind training (lowest priority).  Every campaign reads a
candidate that nobody has read before, and some borrow a benchmark of another project.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NamedTuple

from scopedrift.scenarios.fields import Model
from scopedrift.simulator.log.events import HOUR, SECOND
from scopedrift.simulator.randomness import Draws
from scopedrift.simulator.runtime.platform import IDLE, Platform, Process, Start, exponential
from scopedrift.simulator.runtime.tasks import Exploration, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.entitlements import allows
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import CalendarEntry, Grant
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.rollout import rebind
from scopedrift.simulator.world.workload import Workload

NAME: Final = "evaluation"
JOBS: Final = 1024
"""Job numbers of one campaign."""
MAX_EVENTS: Final = 2_000


class EvaluationParameters(Model):
    """What a scenario sets."""

    suites: int
    campaigns_per_week: float
    announced: float
    borrowed: float


class _PlanDraws(NamedTuple):
    """One campaign, as it is planned."""

    gap: float
    borrowed: float
    project: float
    dataset: float
    announced: float
    jobs: float


class _JobDraws(NamedTuple):
    """One job of a campaign."""

    spacing: float
    gpus: float
    start_up: float
    length: float
    failed: float
    spent: float
    explore: Exploration
    unused: float


@dataclass(frozen=True)
class _Campaign:
    """One planned burst of a suite."""

    number: int
    start: int
    jobs: int
    candidate: int
    """Pool of the model that it evaluates."""
    benchmark: int
    """Pool of what it reads."""
    owner: str
    """The project that the benchmark belongs to."""


def build(world: SimulatedWorld, parameters: EvaluationParameters) -> Iterator[Start]:
    """Make `suites` suites and plan their campaigns; yield one process for each suite."""
    family = Family(world, NAME)
    start_up = family.start_up(world.scenario.identities.credential.kind)
    for number in range(parameters.suites):
        project = world.home(NAME, number)
        name = f"suite-{number:04d}"
        bucket = f"s3://{world.company}-{project.name}"
        suite = world.add_workload(
            NAME,
            name,
            project,
            activities=[*family.activities(), start_up],
            kinds=["evaluation"],
            pools={
                "output": [f"{bucket}-reports/{name}/{k}" for k in range(4)],
                "model": [f"{bucket}-models/{name}-reference"],
                "table": world.sample(project.pools["table"], 8, "results", name),
            },
        )
        world.allow_tools("evaluation", [*family.activities(), start_up])
        campaigns = list(_plan(world, family, suite, parameters))
        yield partial(_suite, family=family, suite=suite, campaigns=campaigns)


def _plan(
    world: SimulatedWorld, family: Family, suite: Workload, parameters: EvaluationParameters
) -> Iterator[_Campaign]:
    """The campaigns of a suite over the horizon, in working hours; announced ones enter the calendar."""
    rate = parameters.campaigns_per_week * world.scenario.load
    draws = Draws(world.seed, NAME, suite.name, "plan", of=_PlanDraws)
    at, number = world.scenario.start_us, 0
    while rate > 0:
        row = draws.row()
        at += world.rhythm("working").wait(at, exponential(row.gap) * WEEK / rate)
        if at >= world.scenario.end_us:
            return
        projects = world.projects if row.borrowed < parameters.borrowed else [suite.project]
        project = projects[int(row.project * len(projects))]
        bucket = f"s3://{world.company}-{suite.project.name}-models/{suite.name}"
        candidate = world.pool([f"{bucket}-candidate-{number:03d}"], suite.project.name)
        benchmark = project.datasets[int(row.dataset * len(project.datasets))]
        if row.announced < parameters.announced:
            places = {suite.project.name, project.name}
            grants = {Grant(o.service, o.access, p) for o in family.activity("burst").operations for p in places}
            end = min(at + round(family.value("lasts_h") * HOUR), world.scenario.end_us)
            entry = CalendarEntry("evaluation", at, end, frozenset([suite.identity.name]), frozenset(grants))
            world.calendar.append(entry)
        jobs = min(round(family.distribution("jobs")(row.jobs)), JOBS)
        yield _Campaign(number, at, jobs, candidate, benchmark, project.name)
        number += 1


def _suite(platform: Platform, family: Family, suite: Workload, campaigns: list[_Campaign]) -> Process:
    for campaign in campaigns:
        yield platform.wait(max(campaign.start - platform.now, 0))
        rebind(platform.world, suite, "model", campaign.candidate)
        if not allows(platform.world.entitlements.of(suite.identity), "s3", "read", campaign.owner):
            campaign = replace(campaign, benchmark=suite.project.datasets[0])  # what nobody lends is not borrowed
        draws = Draws(platform.world.seed, NAME, suite.name, campaign.number, of=_JobDraws)
        for index in range(campaign.jobs):
            row = draws.row()
            platform.env.process(_job(platform, family, suite, campaign, index, row))
            yield platform.wait(family.seconds("spacing_s", row.spacing))


def _job(
    platform: Platform, family: Family, suite: Workload, campaign: _Campaign, index: int, row: _JobDraws
) -> Process:
    """One job: queue for GPUs behind training, start, load the candidate, burst, report."""
    gpus = int(family.choice("gpus", row.gpus))
    yield platform.gpus.request(gpus, IDLE)
    task = Task(platform, suite, "evaluation", campaign.number * JOBS + index)
    yield platform.wait(task.start_up(family.start_up(suite.identity.credential_kind), row.start_up))
    task.log(family.activity("load"), 20 * SECOND, 4)
    length = family.seconds("duration_s", row.length)
    failed = row.failed < family.value("failed")
    spent = max(round(length * row.spent), SECOND) if failed else length
    events = min(max(round(spent / SECOND * family.value("reads_per_s")), 4), MAX_EVENTS)
    task.log(family.activity("burst"), spent, events, data=campaign.benchmark)
    task.explore(family.activity("explore"), row.explore, campaign.number * 8)
    yield platform.wait(spent)
    if not failed:
        task.log(family.activity("report"), 15 * SECOND, 6)
    platform.gpus.release(gpus)
