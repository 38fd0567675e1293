"""Shared CI runners: many tenants' jobs under one identity, on a limited number of runners.

A tenant is a repository with a project, secrets, packages and images of its own; a pool's jobs all authenticate
as the pool.  What tells them apart is the per-job context, which a record has whole (task, kind, tenant), in part
(the task alone) or not at all.  Ephemeral runners go through a start-up flow for every job; persistent ones keep
their credential and only fetch a job token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import simpy

from scopedrift.scenarios.fields import Model, Text
from scopedrift.simulator.log.events import HOUR, MISSING, SECOND
from scopedrift.simulator.randomness import Draws, evenly, key, mix
from scopedrift.simulator.runtime.platform import Platform, Process, Start
from scopedrift.simulator.runtime.tasks import Held, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import World
from scopedrift.simulator.world.rhythm import WEEK
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
TENANT_JOBS: Final = 1 << 20
"""Job numbers of one tenant; tenants of one pool are numbered one after the other."""
WIDTH: Final = 14


class Kind(Model):
    """One kind of job."""

    steps: tuple[Text, ...]
    """Its activities, in order; its declared tools are what these do."""


@dataclass(frozen=True)
class _Pool:
    """One runner pool, as its tenants' processes share it."""

    family: Family
    workload: Workload
    parameters: Mapping[str, Any]
    ephemeral: bool
    idle: simpy.Store
    """Numbers of the runners that wait for a job."""


def build(world: World, parameters: Mapping[str, Any]) -> Iterator[Start]:
    """Make `pools` runner pools and spread `tenants` over them; yield one process for each pool."""
    family = Family(world, NAME)
    kinds = family.kinds(Kind)
    explore = family.activity("explore")
    start_up = family.start_up(world.scenario.identities.credential.kind)
    token = family.start_up(world.scenario.identities.credential.kind, "job_token")
    for number in range(parameters["pools"]):
        home = world.home(NAME, number)
        name = f"runners-{number:03d}"
        pool = world.add_workload(
            NAME,
            name,
            home,
            activities=[start_up, token],
            kinds=["runner"],
            pools={},
            parameters=parameters,
            identity=world.add_identity(name, home, own=True),  # it is shared among its tenants, and with nobody else
        )
        tenants = [
            _tenant(world, family, pool, i) for i in range(number, parameters["tenants"], max(parameters["pools"], 1))
        ]
        world.allow_tools("runner", [start_up])
        for kind, spec in kinds.items():
            world.allow_tools(kind, [*(family.activity(step) for step in spec.steps), start_up, token, explore])
        yield partial(_serve, family=family, pool=pool, number=number, tenants=tenants, parameters=parameters)


def _tenant(world: World, family: Family, pool: Workload, number: int) -> Workload:
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
            "package": world.some(project.pools["package"], 12, "packages", name),
            "output": [f"{bucket}-artifacts/{name}/build-{k}" for k in range(5)],
            "job": [f"{project.name}/deployments/{name}"],
        },
        parameters=pool.parameters,
        identity=pool.identity,
    )
    runs_on = world.actors[pool.actors["runner"]]
    for kind in KINDS:
        actor = replace(world.actors[tenant.actors[kind]], workload=runs_on.workload, sources=runs_on.sources)
        tenant.actors[kind] = world.actors.add(actor)
    unnamed = replace(actor, task_kind=MISSING, key=mix(actor.key, key(0, UNNAMED)))
    tenant.actors[UNNAMED] = world.actors.add(unnamed)
    return tenant


def _serve(
    platform: Platform,
    family: Family,
    pool: Workload,
    number: int,
    tenants: list[Workload],
    parameters: Mapping[str, Any],
) -> Process:
    """The runners are there; every tenant starts to build."""
    seed = platform.world.seed
    ephemeral = evenly(seed, number, NAME, "ephemeral") < parameters["ephemeral"]
    shared = _Pool(family, pool, parameters, ephemeral, simpy.Store(platform.env))
    shared.idle.items.extend(range(parameters["runners"]))
    if not ephemeral:
        platform.env.process(_keep(platform, family, pool, parameters["runners"]))
    for at, tenant in enumerate(tenants):
        platform.env.process(_builds(platform, shared, tenant, at, number + at * parameters["pools"]))
    yield platform.wait(0)


def _keep(platform: Platform, family: Family, pool: Workload, runners: int) -> Process:
    """Persistent runners obtain a credential once and renew it for as long as they live."""
    flow = family.start_up(pool.identity.credential_kind)
    tasks = [Task(platform, pool, "runner", number) for number in range(runners)]
    for task in tasks:
        task.start_up(flow, key(platform.world.seed, "start", pool.name, task.number) / 2.0**64)
    while pool.identity.half_life:
        for task in tasks:
            task.renew(platform.now + HOUR)
        yield platform.wait(HOUR)


def _builds(platform: Platform, pool: _Pool, tenant: Workload, number: int, member: int) -> Process:
    """A tenant's builds: clusters that begin in its working hours, each build one job or a matrix of them."""
    world, family = platform.world, pool.family
    draws = Draws(world.seed, NAME, tenant.name, width=WIDTH)
    followed = family.value("followed")
    monthly = family.distribution("builds_per_month")(evenly(world.seed, member, NAME, "builds"))
    success = family.distribution("success")(evenly(world.seed, member, NAME, "success"))
    rate = monthly * (1.0 - followed) * pool.parameters["activity"] / MONTH
    behalf = world.code("on_behalf_of", f"tenant/{tenant.name.removesuffix('-ci')}")
    build, follows = 0, False
    while rate > 0:
        row = draws.row()
        if follows:
            yield platform.wait(family.seconds("follow_s", row[0]))
        else:
            yield platform.wait(max(round(platform.arrival("builds", 1.0 / rate, row[0]) / tenant.load), 1))
        trigger = int(family.choice("trigger", row[1]))
        kind = "release" if trigger == 1 and row[2] < family.value("released") else KINDS[trigger]
        legs = round(family.distribution("legs")(row[3]))
        for leg in range(1 if kind in ("release", "scheduled") else min(legs, LEGS)):
            job = number * TENANT_JOBS + build * LEGS + leg
            shifted = [(u + leg * 0.381966) % 1.0 for u in row[5:]]  # the legs of a matrix differ
            platform.env.process(_job(platform, pool, tenant, kind, job, shifted, success, behalf, build))
        follows = row[4] < followed
        build += 1


def _job(
    platform: Platform,
    pool: _Pool,
    tenant: Workload,
    kind: str,
    job: int,
    u: list[float],
    success: float,
    behalf: int,
    builds: int,
    attempt: int = 0,
) -> Process:
    """One job: wait for a runner, start, go through the steps of its kind; a failed one stops early."""
    family = pool.family
    contention = platform.world.scenario.platform.contention
    runner = (yield pool.idle.get()) if contention else job % pool.parameters["runners"]
    known = pool.parameters["task_context"]
    whole = u[0] < known
    partly = not whole and (u[0] - known) < PARTIAL * (1.0 - known)
    held = None if pool.ephemeral else Held(pool.workload.session(runner + 1), platform.world.scenario.start_us)
    task = Task(
        platform, tenant, kind if whole else UNNAMED, 2 * job + attempt, held,
        behalf=behalf if whole else MISSING, context=whole or partly,
    )  # fmt: skip
    flow = family.start_up(tenant.identity.credential_kind, "start_up" if pool.ephemeral else "job_token")
    yield platform.wait(task.start_up(flow, u[1]))
    length = family.seconds("duration_s", u[2])
    steps = family.kinds(Kind)[kind].steps
    failed = u[3] >= success
    for at, step in enumerate(steps):
        if failed and at > (len(steps) - 1) * u[4]:
            break
        share = 0.8 if step == "work" else 0.2 / (len(steps) - 1)
        lasts = max(round(length * share), SECOND)
        activity = family.activity(step)
        count = {
            "install": round(family.distribution("packages")(u[5])),
            "work": round(lasts / SECOND * family.value("lines_per_s")) + 2,
        }.get(step, activity.steps)
        task.log(activity, lasts, count)
        if step == "work":
            task.explore(family.activity("explore"), [u[6], u[7], u[1], u[4], u[5]], builds, lasts)
        yield platform.wait(lasts)
    if contention:
        yield pool.idle.put(runner)
    if failed and not attempt and u[8] < family.value("restarted"):
        yield platform.wait(family.seconds("restart_s", u[7]))
        again = [(x + 0.618034) % 1.0 for x in u]
        platform.env.process(_job(platform, pool, tenant, kind, job, again, success, behalf, builds, 1))
