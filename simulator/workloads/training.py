"""Training pipelines: prepare, train on queued GPUs with checkpoints, evaluate, register, deploy, monitor.

The stages look like separate workloads and are one system: with `stage_identities` each runs under an identity
of its own.  Runs fail, are cancelled, are retried from their checkpoint, and some are searches that start many
trials at once, which give way to whoever waits with a higher priority.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import simpy

from scopedrift.scenarios.fields import Model
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.log.events import DAY, HOUR, MINUTE, SECOND
from scopedrift.simulator.randomness import Draws, evenly
from scopedrift.simulator.runtime.platform import IDLE, URGENT, USUAL, Platform, Process, Start
from scopedrift.simulator.runtime.tasks import Exploration, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.workload import Workload

NAME: Final = "training"
Job = Generator[simpy.Event, Any, bool]
"""A process that returns whether it completed."""
ROLES: Final = {
    "prepare": ("submit", "prepare", "explore"),
    "train": ("submit", "gang", "watch", "read", "checkpoint", "resume", "finish", "cancel", "explore"),
    "evaluate": ("evaluate", "register", "explore"),
    "deploy": ("deploy",),
    "monitor": ("monitor", "explore"),
}
"""The stages of a pipeline and the activities that each is meant to do."""
CHECKPOINTS: Final = 8
"""A run is recorded in at most this many stretches between checkpoints; four times as many if it can be pre-empted."""
LARGE: Final = 16
"""GPUs from which a gang goes first."""
TRIALS: Final = 128
"""Job numbers of one run."""
NEIGHBOURS: Final = 64
"""Pipelines whose runs together are even in size: a power of two (see `randomness.evenly`)."""
MAX_READS: Final = 4_000


class TrainingParameters(Model):
    """What a scenario sets."""

    pipelines: int
    runs_per_day: float
    stage_identities: bool
    searches: float


class _TrainDraws(NamedTuple):
    """One training job."""

    gpus: float
    length: float
    ends: float
    retried: float
    start_up: float
    stopped: float


class _RunDraws(NamedTuple):
    """One run of a pipeline."""

    gap: float
    start_up: float
    prepare: float
    explore: Exploration
    unused: tuple[float, float, float, float]
    train: tuple[float, float, float, float]
    """Of each job of its training, all but how large and how long it is."""
    next_start: float
    """Of evaluation, and of deployment."""
    evaluate: float
    explore_evaluation: Exploration
    deployed: float


class _MonitorDraws(NamedTuple):
    """One look at what was deployed."""

    length: float
    calls: float
    explore: Exploration


@dataclass(frozen=True)
class _Pipeline:
    """One pipeline, as its runs see it."""

    family: Family
    number: int
    parts: Mapping[str, Workload]
    """Its stages by role."""
    parameters: TrainingParameters
    sizes: Counter[tuple[float, bool]] = field(default_factory=Counter)
    """How many of its runs had which size."""

    def flow(self, role: str) -> Activity:
        """How a stage starts up."""
        return self.family.start_up(self.parts[role].identity.credential_kind)


def build(world: SimulatedWorld, parameters: TrainingParameters) -> Iterator[Start]:
    """Make `pipelines` pipelines; yield one process for each."""
    family = Family(world, NAME)
    for number in range(parameters.pipelines):
        name = f"pipeline-{number:04d}"
        project = world.home(NAME, number)
        shared: Workload | None = None
        parts: dict[str, Workload] = {}
        bucket = f"s3://{world.company}-{project.name}"
        for role, listed in ROLES.items():
            activities = [family.activity(activity) for activity in listed]
            start_up = family.start_up(world.scenario.identities.credential.kind)
            workload = world.add_workload(
                NAME,
                f"{name}-{role}",
                project,
                activities=[*activities, start_up],
                kinds=[role],
                pools={
                    "dataset": project.datasets[number % len(project.datasets)],
                    "output": [f"{bucket}-features/{name}"],
                    "checkpoint": [f"{bucket}-checkpoints/{name}/step-{k}" for k in range(4)],
                    "model": [f"{bucket}-models/{name}"],
                    "endpoint": [f"endpoint/{project.name}-{name}"],
                    "store": [f"features/{project.name}-{number % 3}"],
                },
                identity=None if parameters.stage_identities or shared is None else shared.identity,
            )
            world.allow_tools(role, [*activities, start_up])
            shared = shared or workload
            parts[role] = workload
        yield partial(_runs, pipeline=_Pipeline(family, number, parts, parameters))


def _runs(platform: Platform, pipeline: _Pipeline) -> Process:
    """Runs arrive in working hours, each as a process of its own."""
    rate, train = pipeline.parameters.runs_per_day, pipeline.parts["train"]
    draws = Draws(platform.world.seed, NAME, train.name, of=_RunDraws)
    run = 0
    while rate > 0:
        row = draws.row()
        gap = platform.arrival("working", DAY / rate, row.gap) / train.load
        yield platform.wait(max(round(gap), 1))
        platform.env.process(_run(platform, pipeline, run, row))
        run += 1


def _run(platform: Platform, pipeline: _Pipeline, run: int, row: _RunDraws) -> Process:
    """One run: prepare, train, and if that works out evaluate, register and deploy."""
    family, parts = pipeline.family, pipeline.parts
    task = Task(platform, parts["prepare"], "prepare", run)
    yield platform.wait(task.start_up(pipeline.flow("prepare"), row.start_up))
    length = family.seconds("prepare_s", row.prepare)
    task.log(family.activity("prepare"), length, _reads(length, family))
    task.explore(family.activity("explore"), row.explore)
    task.renew(platform.now + length)
    yield platform.wait(length)
    jobs = [platform.env.process(job) for job in _jobs(platform, pipeline, run, row)]
    yield platform.env.all_of(jobs)
    if not any(job.value for job in jobs):
        return
    task = Task(platform, parts["evaluate"], "evaluate", run)
    yield platform.gpus.request(1, USUAL)
    yield platform.wait(task.start_up(pipeline.flow("evaluate"), row.next_start))
    length = family.seconds("evaluate_s", row.evaluate)
    task.log(family.activity("evaluate"), length, _reads(length, family) + 4)
    task.explore(family.activity("explore"), row.explore_evaluation)
    yield platform.wait(length)
    platform.gpus.release(1)
    task.log(family.activity("register"), 5 * SECOND, 4)
    if row.deployed < family.value("deployed"):
        task = Task(platform, parts["deploy"], "deploy", run)
        yield platform.wait(task.start_up(pipeline.flow("deploy"), row.next_start))
        task.log(family.activity("deploy"), 2 * MINUTE, 6)
        yield platform.wait(2 * MINUTE)
        platform.env.process(_monitor(platform, pipeline, run))


def _jobs(platform: Platform, pipeline: _Pipeline, run: int, row: _RunDraws) -> Iterator[Job]:
    """The training jobs of a run: one, or the trials of a search.

    How large a run is, is even over the runs of neighbouring pipelines: one giant more or less would make another
    week.  It depends on this pipeline's runs alone.
    """
    family, searches = pipeline.family, pipeline.parameters.searches
    seed, (group, place) = platform.world.seed, divmod(pipeline.number, NEIGHBOURS)
    search, gpus = (evenly(seed, run * NEIGHBOURS + place, NAME, each, group) for each in ("search", "gpus"))
    size = (family.choice("gpus", gpus), search < searches)
    length = evenly(seed, pipeline.sizes[size] * NEIGHBOURS + place, NAME, "length", group, *size)
    pipeline.sizes[size] += 1
    trials = 1
    if search < searches:
        trials = min(round(family.distribution("trials")(search / searches)), TRIALS)
    for trial in range(trials):
        # a search reuses the run's draws, shifted: its trials differ and its length does not touch other runs
        shifted = _TrainDraws._make((u + trial * 0.381966) % 1.0 for u in (gpus, length, *row.train))
        yield _train(platform, pipeline, run * TRIALS + trial, shifted, trials)


def _monitor(platform: Platform, pipeline: _Pipeline, run: int) -> Process:
    """Watch what was deployed, at a fixed interval for a few days; a later deployment is watched beside it."""
    family, workload = pipeline.family, pipeline.parts["monitor"]
    draws = Draws(platform.world.seed, NAME, workload.name, run, of=_MonitorDraws)
    every = round(family.value("monitor_every_min") * MINUTE)
    until = platform.now + round(family.value("monitor_days") * DAY)
    task = Task(platform, workload, "monitor", run)
    yield platform.wait(task.start_up(pipeline.flow("monitor"), draws.row().length))
    while platform.now < until:
        row = draws.row()
        task.log(family.activity("monitor"), round((1.0 + 3.0 * row.length) * MINUTE), 6 + round(12 * row.calls))
        task.explore(family.activity("explore"), row.explore, run * 10)
        task.renew(min(platform.now + every, until))
        yield platform.wait(every)


def _train(platform: Platform, pipeline: _Pipeline, job: int, draws: _TrainDraws, trials: int) -> Job:
    """One training job: queue for GPUs, start, read between checkpoints; returns whether it completed."""
    family, workload = pipeline.family, pipeline.parts["train"]
    gpus = int(family.choice("gpus", draws.gpus))
    length = family.seconds("duration_s", draws.length)
    if trials > 1:
        length = max(round(length * family.value("trial_length")), SECOND)
    length = min(length, round(family.value("most_gpu_h") * HOUR / gpus))
    # how it ends: large jobs are mostly cancelled (Helios); at one GPU the pooled shares hold
    share = (gpus - 1) / 63.0
    unfinished = family.value("failed") + family.value("cancelled")
    unfinished += (family.value("large_unfinished") - unfinished) * share
    failed = draws.ends < family.value("failed")
    cancelled = not failed and draws.ends < unfinished
    runs = 2 if failed and draws.retried < family.value("retried") else 1
    priority = URGENT if gpus >= LARGE else IDLE if trials > 1 else USUAL
    task = Task(platform, workload, "train", job)
    task.log(family.activity("submit"), 10 * SECOND, 3)
    yield platform.wait(10 * SECOND)  # the session is open by then
    task.log(family.activity("gang"), 10 * SECOND, gpus)
    for attempt in range(runs):
        spent = length if not (failed and attempt == 0) and not cancelled else max(int(length * draws.stopped), SECOND)
        most = 4 * CHECKPOINTS if priority == IDLE else CHECKPOINTS
        stretches = min(max(spent // (10 * MINUTE), 1), most)
        stretch = spent // stretches
        holds = False
        for done in range(stretches):
            if not holds:
                yield platform.gpus.request(gpus, priority)
                holds = True
                yield platform.wait(task.start_up(pipeline.flow("train"), draws.start_up))
                if attempt or done:
                    task.log(family.activity("resume"), 30 * SECOND, 2)
            task.log(family.activity("read"), stretch, _reads(stretch, family))
            yield platform.wait(stretch)
            if stretches > 1:
                task.log(family.activity("checkpoint"), 20 * SECOND, 3)
            if done + 1 < stretches and priority == IDLE and platform.gpus.wanted(IDLE):
                platform.gpus.release(gpus)
                holds = False
        platform.gpus.release(gpus)
    completed = not cancelled and (not failed or runs == 2)
    if not failed or completed:
        task.log(family.activity("finish" if completed else "cancel"), 5 * SECOND, 2)
    return completed


def _reads(length: int, family: Family) -> int:
    return min(max(round(length / SECOND * family.value("reads_per_s")), 3), MAX_READS)
