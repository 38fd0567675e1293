"""Housekeeping: what runs on timers, whatever anybody does.

Schedulers, lease controllers, scrapers, feature stores, drift monitors, backups: one service is one kind with an
interval, a length and a number of calls.  Those that serve every project act on one after the other, so that
their identities legitimately reach far.  Short intervals are recorded in one stage each; a missed run is made up
for by the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, NamedTuple

from scopedrift.scenarios.fields import Duration, Length, Model, Size, Text
from scopedrift.simulator.log.events import HOUR
from scopedrift.simulator.randomness import Draws, key
from scopedrift.simulator.runtime.platform import Platform, Process, Start
from scopedrift.simulator.runtime.tasks import Exploration, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.workload import Project, Workload

NAME: Final = "housekeeping"
STARTS: Final = 1 << 31
"""Task numbers from here on are starts of the service itself."""
CREDENTIALS: Final = ("role", "audience", "metadata")
"""Slots that stay those of its own project wherever a service acts."""
LEAST: Final = 6
"""Services that reach beyond their project serve at least so many, if there are (assumed)."""


class HousekeepingParameters(Model):
    """What a scenario sets."""

    services: int
    jitter: float
    missed: float


class ServiceKind(Model):
    """One kind of service."""

    every: Length
    at: Duration = 0
    """When the first run of a longer interval is due, from midnight UTC."""
    lasts: Length
    calls: Size
    reach: Literal["own", "all"]
    """Whether it acts on its own project, or on all in turn (divided among the services of a kind)."""
    runs: Text
    """The activity of a run."""


class _Draws(NamedTuple):
    """One run of a service; the first row begins its time-table."""

    begins: float
    crash: float
    missed: float
    start_up: float
    length: float
    calls: float
    jitter: float
    project: float
    dataset: float
    amount: float

    @property
    def explore(self) -> Exploration:
        """What it explores hangs together with its calls and its jitter, which share two of its draws."""
        return Exploration(self.calls, self.jitter, self.project, self.dataset, self.amount)


@dataclass(frozen=True)
class _Service:
    """One service, as its process sees it."""

    family: Family
    workload: Workload
    name: str
    """Its kind."""
    kind: ServiceKind
    served: list[Project]
    parameters: HousekeepingParameters


def build(world: SimulatedWorld, parameters: HousekeepingParameters) -> Iterator[Start]:
    """Make `services` services, kind after kind; yield one process for each."""
    family = Family(world, NAME)
    kinds = family.kinds(ServiceKind)
    start_up = family.start_up(world.scenario.identities.credential.kind)
    for number in range(parameters.services):
        kind = list(kinds)[number % len(kinds)]
        project = world.home(NAME, number)
        name = f"{kind}-{number // len(kinds):03d}"
        runs = family.activity(kinds[kind].runs)
        service = world.add_workload(
            NAME,
            name,
            project,
            activities=[runs, family.activity("explore"), start_up],
            kinds=[kind],
            pools=_pools(world, project, name),
        )
        world.allow_tools(kind, [runs, family.activity("explore"), start_up])
        served = _served(world, number, -(-parameters.services // len(kinds)), kinds[kind].reach, project)
        own = world.actors[service.actors[kind]]
        for each in served:
            pools = {**each.pools, **_pools(world, each, name)}
            pools |= {slot: own.pools[slot] for slot in CREDENTIALS}
            world.declare(service, runs, pools)
            service.actors[each.name] = world.actors.add(replace(own, pools={**own.pools, **pools}))
        yield partial(_run, service=_Service(family, service, kind, kinds[kind], served, parameters))


def _served(world: SimulatedWorld, number: int, alike: int, reach: str, own: Project) -> list[Project]:
    """The projects that a service acts on: its own, or its part of all where `alike` services divide them."""
    if reach != "all":
        return [own]
    part = min(max(-(-len(world.projects) // alike), LEAST), len(world.projects))
    first = key(world.seed, "served", NAME, number) % len(world.projects) if alike > 1 else 0
    return [world.projects[(first + k) % len(world.projects)] for k in range(part)]


def _pools(world: SimulatedWorld, project: Project, name: str) -> dict[str, int]:
    """The resources of one project that housekeeping touches: some of everything."""
    bucket = f"s3://{world.company}-{project.name}"
    every = [world.pools.items(dataset)[0] for dataset in project.datasets]
    return {
        "dataset": world.pools.add(every),
        "output": world.pool([f"{bucket}-backup/{name}/{k}" for k in range(3)], project.name),
        "model": world.pool([f"{bucket}-models/{name}"], project.name),
        "store": world.pool([f"features/{project.name}-{k}" for k in range(3)], project.name),
        "secret": project.pools["secret"],
    }


def _run(platform: Platform, service: _Service) -> Process:
    """Run by the clock; a run that is missed is made up for by the next."""
    world, family, workload, kind = platform.world, service.family, service.workload, service.kind
    draws = Draws(world.seed, NAME, workload.name, of=_Draws)
    every, activity = kind.every, family.activity(kind.runs)
    crash = family.value("restarts_per_week") * every / WEEK
    base = platform.now + kind.at + round(draws.row().begins * min(every, HOUR))
    yield platform.wait(base - platform.now)
    run, session, began = 0, 0, platform.now
    restarts = workload.restarts - 1  # it starts now
    while True:
        row = draws.row()
        begins = restarts != workload.restarts or row.crash < crash
        if begins:
            restarts, session, began = workload.restarts, session + 1, platform.now
        if begins or row.missed >= service.parameters.missed:
            if begins:
                start = Task(platform, workload, service.name, STARTS + session, session=session)
                start.start_up(family.start_up(workload.identity.credential_kind), row.start_up)
            task = Task(platform, workload, service.served[run % len(service.served)].name, run, session=session)
            task.anchor = began
            calls = max(round(kind.calls * (0.7 + 0.6 * row.calls)), 1)
            task.log(activity, round(kind.lasts * (0.6 + 0.4 * row.length)), calls)
            task.explore(family.activity("explore"), row.explore)
        run += 1
        off = service.parameters.jitter * min(every, HOUR) * (2.0 * row.jitter - 1.0)
        yield platform.wait(max(base + run * every + round(off) - platform.now, 1))
