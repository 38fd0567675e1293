"""Shared CI runners: many tenants' jobs under one identity, on a limited number of runners.

A tenant is a repository with a project, secrets, packages and images of its own; a pool's jobs all authenticate
as the pool.  What tells them apart is the per-job context, which a record has whole (task, kind, tenant), in part
(the task alone) or not at all.  Ephemeral runners go through a start-up flow for every job; persistent ones keep
their credential and only fetch a job token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, NamedTuple

import simpy

from scopedrift.scenarios.fields import Model, Text
from scopedrift.simulator.log.events import HOUR, MISSING, SECOND
from scopedrift.simulator.randomness import Draws, evenly, key, mix
from scopedrift.simulator.runtime.platform import Platform, Process, Start
from scopedrift.simulator.runtime.tasks import BorrowedSession, Exploration, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.traces import TaskTraces
from scopedrift.simulator.world.workload import Workload

NAME: Final = "runners"
KINDS: Final = ("test", "build", "scheduled", "release")
"""By trigger: pull request, push, timer; a push may become a release."""
UNNAMED: Final = "unnamed"
"""The actor of jobs whose records carry a task but not its kind."""
PARTIAL: Final = 0.5
"""Share of the jobs without whole context that at least carry their task (assumed)."""
MONTH: Final = WEEK * 30 // 7
LEGS: Final = 16
MAINTAINERS: Final = 3
"""People of a tenant who take over a job (assumed)."""
TENANT_JOBS: Final = 1 << 20
"""Job numbers of one tenant; tenants of one pool are numbered one after the other."""


class RunnerParameters(Model):
    """What a scenario sets."""

    pools: int
    tenants: int
    task_context: float
    runners: int
    ephemeral: float
    activity: float


class JobKind(Model):
    """One kind of job."""

    steps: tuple[Text, ...]
    """Its activities, in order; its declared tools are what these do."""


class _JobDraws(NamedTuple):
    """One job."""

    context: float
    start_up: float
    length: float
    success: float
    stops: float
    packages: float
    explores: float
    elsewhere: float
    restarted: float

    @property
    def explore(self) -> Exploration:
        """What it explores hangs together with how it goes, which shares three of its draws."""
        return Exploration(self.explores, self.elsewhere, self.start_up, self.stops, self.packages)

    def shifted(self, by: float) -> _JobDraws:
        """The draws of a job that is otherwise alike: another leg of a matrix, or another attempt."""
        return _JobDraws._make((u + by) % 1.0 for u in self)


class _BuildDraws(NamedTuple):
    """One build."""

    gap: float
    trigger: float
    released: float
    legs: float
    followed: float
    job: _JobDraws


@dataclass
class _Pool:
    """One runner pool, as its tenants' processes share it."""

    family: Family
    workload: Workload
    kinds: Mapping[str, JobKind]
    parameters: RunnerParameters
    ephemeral: bool
    idle: simpy.PriorityStore = field(init=False)
    """Numbers of the runners that wait for a job, once it serves, in no order."""


@dataclass(frozen=True)
class _Tenant:
    """One tenant of a pool."""

    workload: Workload
    number: int
    """Among the tenants of its pool."""
    success: float
    behalf: int


@dataclass(frozen=True)
class _Job:
    """One job of a build."""

    kind: str
    number: int
    build: int
    draws: _JobDraws
    attempt: int = 0


def build(world: SimulatedWorld, parameters: RunnerParameters) -> Iterator[Start]:
    """Make `pools` runner pools and spread `tenants` over them; yield one process for each pool."""
    family = Family(world, NAME)
    kinds = family.kinds(JobKind)
    explore = family.activity("explore")
    start_up = family.start_up(world.scenario.identities.credential.kind)
    token = family.start_up(world.scenario.identities.credential.kind, "job_token")
    for number in range(parameters.pools):
        home = world.home(NAME, number)
        name = f"runners-{number:03d}"
        pool = world.add_workload(
            NAME,
            name,
            home,
            activities=[start_up, token],
            kinds=["runner"],
            pools={},
            identity=world.add_identity(name, home, own=True),  # it is shared among its tenants, and with nobody else
        )
        tenants = [_tenant(world, family, pool, i) for i in range(number, parameters.tenants, max(parameters.pools, 1))]
        world.allow_tools("runner", [start_up])
        for kind, spec in kinds.items():
            world.allow_tools(kind, [*(family.activity(step) for step in spec.steps), start_up, token, explore])
        ephemeral = evenly(world.seed, number, NAME, "ephemeral") < parameters.ephemeral
        shared = _Pool(family, pool, kinds, parameters, ephemeral)
        yield partial(_serve, pool=shared, number=number, tenants=tenants)


def _tenant(world: SimulatedWorld, family: Family, pool: Workload, number: int) -> Workload:
    """One tenant: a workload under the pool's identity, whose records name the pool."""
    project = world.home(NAME, "tenant", number)
    name = f"tenant-{number:04d}"
    bucket = f"s3://{world.company}-{project.name}"
    tenant = world.add_workload(
        NAME,
        f"{name}-ci",
        project,
        activities=family.activities(),
        kinds=KINDS,
        pools={
            "repository": [f"git:{world.company}/{project.name}-{name}"],
            "package": world.sample(project.pools["package"], 12, "packages", name),
            "output": [f"{bucket}-artifacts/{name}/build-{k}" for k in range(5)],
            "job": [f"{project.name}/deployments/{name}"],
        },
        identity=pool.identity,
    )
    runs_on = world.actors[pool.actors["runner"]]
    for kind in KINDS:
        actor = replace(world.actors[tenant.actors[kind]], workload=runs_on.workload, sources=runs_on.sources)
        tenant.actors[kind] = world.actors.add(actor)
    unnamed = replace(actor, task_kind=MISSING, key=mix(actor.key, key(0, UNNAMED)))
    tenant.actors[UNNAMED] = world.actors.add(unnamed)
    return tenant


def _serve(platform: Platform, pool: _Pool, number: int, tenants: list[Workload]) -> Process:
    """The runners are there; every tenant starts to build."""
    pool.idle = simpy.PriorityStore(platform.env)
    for runner in range(pool.parameters.runners):
        pool.idle.put(simpy.PriorityItem(evenly(platform.world.seed, runner, pool.workload.name, "idle"), runner))
    if not pool.ephemeral:
        platform.env.process(_keep(platform, pool))
    for at, workload in enumerate(tenants):
        platform.env.process(_builds(platform, pool, workload, at, number + at * pool.parameters.pools))
    yield platform.wait(0)


def _keep(platform: Platform, pool: _Pool) -> Process:
    """Persistent runners obtain a credential once and renew it for as long as they live."""
    workload = pool.workload
    flow = pool.family.start_up(workload.identity.credential_kind)
    tasks = [Task(platform, workload, "runner", number) for number in range(pool.parameters.runners)]
    for task in tasks:
        task.start_up(flow, key(platform.world.seed, "start", workload.name, task.number) / 2.0**64)
    workload.traces = TaskTraces()  # nobody acts in a runner that waits, but in the jobs that it runs
    while workload.identity.half_life:
        for task in tasks:
            task.renew(platform.now + HOUR)
        yield platform.wait(HOUR)


def _builds(platform: Platform, pool: _Pool, workload: Workload, number: int, member: int) -> Process:
    """A tenant's builds: clusters that begin in its working hours, each build one job or a matrix of them.

    `number` is the tenant's among those of its pool, `member` among all.
    """
    world, family = platform.world, pool.family
    draws = Draws(world.seed, NAME, workload.name, of=_BuildDraws)
    followed = family.value("followed")
    monthly = family.distribution("builds_per_month")(evenly(world.seed, member, NAME, "builds"))
    success = family.distribution("success")(evenly(world.seed, member, NAME, "success"))
    behalf = world.code("on_behalf_of", f"tenant/{workload.name.removesuffix('-ci')}")
    people = [world.code("on_behalf_of", f"user/{workload.name}-{k}") for k in range(MAINTAINERS)]
    workload.principals = [behalf, *people]
    tenant = _Tenant(workload, number, success, behalf)
    rate = monthly * (1.0 - followed) * pool.parameters.activity / MONTH
    build, follows = 0, False
    while rate > 0:
        row = draws.row()
        if follows:
            yield platform.wait(family.seconds("follow_s", row.gap))
        else:
            yield platform.wait(max(round(platform.arrival("builds", 1.0 / rate, row.gap) / workload.load), 1))
        trigger = int(family.choice("trigger", row.trigger))
        kind = "release" if trigger == 1 and row.released < family.value("released") else KINDS[trigger]
        legs = round(family.distribution("legs")(row.legs))
        for leg in range(1 if kind in ("release", "scheduled") else min(legs, LEGS)):
            job = _Job(kind, number * TENANT_JOBS + build * LEGS + leg, build, row.job.shifted(leg * 0.381966))
            platform.env.process(_run(platform, pool, tenant, job))
        follows = row.followed < followed
        build += 1


def _run(platform: Platform, pool: _Pool, tenant: _Tenant, job: _Job) -> Process:
    """One job: wait for a runner, start, go through the steps of its kind; a failed one stops early."""
    family, draws = pool.family, job.draws
    contention = platform.world.scenario.platform.contention
    runner = (yield pool.idle.get()).item if contention else job.number % pool.parameters.runners
    task = _task(platform, pool, tenant, job, runner)
    flow = family.start_up(tenant.workload.identity.credential_kind, "start_up" if pool.ephemeral else "job_token")
    yield platform.wait(task.start_up(flow, draws.start_up))
    length = family.seconds("duration_s", draws.length)
    steps = pool.kinds[job.kind].steps
    failed = draws.success >= tenant.success
    for at, step in enumerate(steps):
        if failed and at > (len(steps) - 1) * draws.stops:
            break
        share = 0.8 if step == "work" else 0.2 / (len(steps) - 1)
        lasts = max(round(length * share), SECOND)
        activity = family.activity(step)
        count = {
            "install": round(family.distribution("packages")(draws.packages)),
            "work": round(lasts / SECOND * family.value("lines_per_s")) + 2,
        }.get(step, activity.steps)
        task.log(activity, lasts, count)
        if step == "work":
            task.explore(family.activity("explore"), draws.explore, job.build, lasts)
        yield platform.wait(lasts)
    if contention:
        yield pool.idle.put(simpy.PriorityItem(draws.elsewhere, runner))
    if failed and not job.attempt and draws.restarted < family.value("restarted"):
        yield platform.wait(family.seconds("restart_s", draws.elsewhere))
        platform.env.process(_run(platform, pool, tenant, replace(job, draws=draws.shifted(0.618034), attempt=1)))


def _task(platform: Platform, pool: _Pool, tenant: _Tenant, job: _Job, runner: int) -> Task:
    """The task of a job, with as much context as its records have."""
    known, context = pool.parameters.task_context, job.draws.context
    whole = context < known
    partly = not whole and (context - known) < PARTIAL * (1.0 - known)
    borrowed = None
    if not pool.ephemeral:
        borrowed = BorrowedSession(pool.workload.session(runner + 1), platform.world.scenario.start_us)
    return Task(
        platform,
        tenant.workload,
        job.kind if whole else UNNAMED,
        2 * job.number + job.attempt,
        borrowed,
        behalf=tenant.behalf if whole else MISSING,
        context=whole or partly,
    )
