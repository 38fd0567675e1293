"""Inference: online requests follow the day and the week in bursts, batch jobs score whole datasets.

Requests are recorded in windows of ten minutes: SimPy decides how many a window has, their events are drawn at
expansion.  A service keeps one credential session from start to start, restarts, and is released on working days.
Its batch jobs run beside it under the same identity: bursts of storage reads that are ordinary.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from scopedrift.scenarios.fields import Model
from scopedrift.simulator.log.events import DAY, HOUR, MINUTE, SECOND
from scopedrift.simulator.randomness import Draws, evenly
from scopedrift.simulator.runtime.platform import IDLE, Platform, Process, Start
from scopedrift.simulator.runtime.tasks import Exploration, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.rollout import set_image
from scopedrift.simulator.world.workload import Workload

NAME: Final = "inference"
WINDOW: Final = 10 * MINUTE
BATCHES: Final = 1 << 31
"""Task numbers from here on are batch jobs."""
MAX_READS: Final = 3_000
GOLDEN: Final = 0.618034
REFRESH: Final = 20 * SECOND
"""How long a service takes to read its secrets and configuration again (assumed)."""
REQUEST_EVENTS: Final = 3
"""Events that one request leaves (`per_task` of the activity)."""


class InferenceParameters(Model):
    """What a scenario sets."""

    services: int
    requests_per_hour: float
    releases_per_week: float
    batches_per_day: float


class _WindowDraws(NamedTuple):
    """One window of a service."""

    release: float
    crash: float
    start_up: float
    refresh: float
    refreshed: float
    explore: Exploration
    burst: float
    fraction: float
    moment: float


class _BatchDraws(NamedTuple):
    """One batch job."""

    gap: float
    start_up: float
    length: float
    dataset: float
    explore: Exploration
    unused: float


def build(world: SimulatedWorld, parameters: InferenceParameters) -> Iterator[Start]:
    """Make `services` services; yield one process for each."""
    family = Family(world, NAME)
    for number in range(parameters.services):
        project = world.home(NAME, number)
        name = f"service-{number:04d}"
        bucket = f"s3://{world.company}-{project.name}"
        start_up = family.start_up(world.scenario.identities.credential.kind)
        workload = world.add_workload(
            NAME,
            name,
            project,
            activities=[*family.activities(), start_up],
            kinds=["request", "service", "batch"],
            pools={
                "dataset": [f"{bucket}-serving/{name}/config-{k}" for k in range(6)],
                "model": [f"{bucket}-models/{name}"],
                "output": [f"{bucket}-predictions/{name}/part-{k}" for k in range(4)],
                "endpoint": [f"endpoint/{project.name}-{name}"],
                "store": [f"features/{project.name}-{k}" for k in range(number % 3 + 1)],
            },
        )
        world.allow_tools("request", [family.activity("serve")])
        batch = [family.activity(each) for each in ("batch", "load_model", "explore")]
        world.allow_tools("service", [*(a for a in family.activities() if a not in batch[:1]), start_up])
        world.allow_tools("batch", [*batch, start_up])
        yield partial(_service, family=family, workload=workload, number=number, parameters=parameters)
        yield partial(_batches, family=family, workload=workload, parameters=parameters)


def _service(
    platform: Platform, family: Family, workload: Workload, number: int, parameters: InferenceParameters
) -> Process:
    seed = platform.world.seed
    draws = Draws(seed, NAME, workload.name, of=_WindowDraws)
    rank = evenly(seed, number, NAME, "skew")
    skew = family.distribution("skew")(rank)
    per_window = parameters.requests_per_hour * skew * platform.world.scenario.load * WINDOW / HOUR
    rhythm = platform.world.rhythm("customers")
    clump = max(round(family.distribution("clump")(_spread(rank, parameters.services))), 1)
    span = family.seconds("request_s", evenly(seed, number, NAME, "request"))
    chance = {
        "crash": family.value("crashes_per_week") * WINDOW / WEEK,
        "release": parameters.releases_per_week * WINDOW / WEEK,
        "refresh": WINDOW / HOUR / family.value("refresh_h"),
    }
    started, release, request, restarts = 0, 1, 0, workload.restarts
    task: Task | None = None
    window = 0
    while True:
        row = draws.row()
        if row.release < chance["release"] * platform.world.rhythm("releases").at(platform.now):
            release += 1
            image = workload.image.rsplit(":", 1)[0]
            set_image(platform.world, workload, f"{image}:1.{release}.{started % 7}")
            released = Task(platform, workload, "service", window, session=started)
            released.anchor = task.anchor if task else platform.now
            released.log(family.activity("release"), MINUTE, 5)
            task = None
        if task is None or row.crash < chance["crash"] or restarts != workload.restarts:
            restarts = workload.restarts
            started += 1
            task = Task(platform, workload, "service", window, session=started)
            platform.env.process(_start(platform, family, workload, task, row.start_up))
        else:
            task.renew(platform.now + WINDOW)
        if task.number != window and row.refresh < chance["refresh"]:
            platform.env.process(_refresh(platform, family, task, row))
        demand = per_window * rhythm.at(platform.now) * family.distribution("burst")(row.burst) * workload.load
        requests = int(demand) + (row.fraction < demand % 1.0)
        if requests:
            served = Task(platform, workload, "request", request, session=started)
            served.anchor = task.anchor
            served.log(family.activity("serve"), WINDOW, requests * REQUEST_EVENTS, span=span, clump=clump)
            request += requests
        window += 1
        yield platform.wait(WINDOW)


def _spread(rank: float, members: int) -> float:
    """A trait in [0, 1) that is even over members that are next to each other in rank.

    The few busiest services make most of the requests: they too should show the whole distribution.
    """
    return (rank * members * GOLDEN) % 1.0


def _start(platform: Platform, family: Family, workload: Workload, task: Task, u: float) -> Process:
    yield platform.wait(task.start_up(family.start_up(workload.identity.credential_kind), u))
    task.log(family.activity("load_model"), 40 * SECOND, 4)


def _refresh(platform: Platform, family: Family, task: Task, row: _WindowDraws) -> Process:
    """Read secrets and configuration again, at some moment of the window."""
    yield platform.wait(round(row.moment * (WINDOW - 2 * REFRESH)))
    task.log(family.activity("refresh"), REFRESH, 3 + round(8 * row.refreshed))
    task.explore(family.activity("explore"), row.explore)


def _batches(platform: Platform, family: Family, workload: Workload, parameters: InferenceParameters) -> Process:
    """Batch jobs: now and then, at low priority, a dataset of the project is scored."""
    rate = parameters.batches_per_day
    draws = Draws(platform.world.seed, NAME, workload.name, "batch", of=_BatchDraws)
    job = 0
    while rate > 0:
        row = draws.row()
        yield platform.wait(platform.arrival("flat", DAY / rate, row.gap))
        platform.env.process(_batch(platform, family, workload, job, row))
        job += 1


def _batch(platform: Platform, family: Family, workload: Workload, job: int, row: _BatchDraws) -> Process:
    yield platform.gpus.request(1, IDLE)
    task = Task(platform, workload, "batch", BATCHES + job)
    yield platform.wait(task.start_up(family.start_up(workload.identity.credential_kind), row.start_up))
    task.log(family.activity("load_model"), 40 * SECOND, 4)
    length = family.seconds("batch_s", row.length)
    reads = min(max(round(length / SECOND * family.value("batch_reads_per_s")), 5), MAX_READS)
    datasets = workload.project.datasets
    task.log(family.activity("batch"), length, reads, data=datasets[int(row.dataset * row.dataset * len(datasets))])
    task.explore(family.activity("explore"), row.explore, job)
    yield platform.wait(length)
    platform.gpus.release(1)
