"""Housekeeping: what runs on timers, whatever anybody does.

Schedulers, lease controllers, scrapers, feature stores, drift monitors, backups: one service is one kind with an
interval, a length and a number of calls.  Those that serve every project act on one after the other, so that
their identities legitimately reach far.  Short intervals are recorded in one stage each; a missed run is made up
for by the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from scopedrift.scenarios.fields import Duration, Length, Model, Size, Text
from scopedrift.simulator.log.events import HOUR
from scopedrift.simulator.randomness import Draws, key
from scopedrift.simulator.runtime.platform import Platform, Process, Start
from scopedrift.simulator.runtime.tasks import Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import World
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.workload import Project, Workload

NAME: Final = "housekeeping"
STARTS: Final = 1 << 31
"""Task numbers from here on are starts of the service itself."""
CREDENTIALS: Final = ("role", "audience", "metadata")
"""Slots that stay those of its own project wherever a service acts."""
LEAST: Final = 6
"""Services that reach beyond their project serve at least so many, if there are (assumed)."""
WIDTH: Final = 10


class Kind(Model):
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


def build(world: World, parameters: Mapping[str, Any]) -> Iterator[Start]:
    """Make `services` services, kind after kind; yield one process for each."""
    family = Family(world, NAME)
    kinds = family.kinds(Kind)
    start_up = family.start_up(world.scenario.identities.credential.kind)
    for number in range(parameters["services"]):
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
            parameters=parameters,
        )
        world.allow_tools(kind, [runs, family.activity("explore"), start_up])
        served = _served(world, number, -(-parameters["services"] // len(kinds)), kinds[kind].reach, project)
        own = world.actors[service.actors[kind]]
        for each in served:
            pools = {**each.pools, **_pools(world, each, name)}
            pools |= {slot: own.pools[slot] for slot in CREDENTIALS}
            world.declare(service, runs, pools)
            service.actors[each.name] = world.actors.add(replace(own, pools={**own.pools, **pools}))
        yield partial(_service, family=family, service=service, kind=kind, served=served)


def _served(world: World, number: int, alike: int, reach: str, own: Project) -> list[Project]:
    """The projects that a service acts on: its own, or its part of all where `alike` services divide them."""
    if reach != "all":
        return [own]
    part = min(max(-(-len(world.projects) // alike), LEAST), len(world.projects))
    first = key(world.seed, "served", NAME, number) % len(world.projects) if alike > 1 else 0
    return [world.projects[(first + k) % len(world.projects)] for k in range(part)]


def _pools(world: World, project: Project, name: str) -> dict[str, int]:
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


def _service(platform: Platform, family: Family, service: Workload, kind: str, served: list[Project]) -> Process:
    world, spec = platform.world, family.kinds(Kind)[kind]
    draws = Draws(world.seed, NAME, service.name, width=WIDTH)
    every, activity = spec.every, family.activity(spec.runs)
    row = draws.row()
    jitter = service.parameters["jitter"]
    crash = family.value("restarts_per_week") * every / WEEK
    base = platform.now + spec.at + round(row[0] * min(every, HOUR))
    yield platform.wait(base - platform.now)
    run, session, began = 0, 0, platform.now
    restarts = service.restarts - 1  # it starts now
    while True:
        row = draws.row()
        begins = restarts != service.restarts or row[1] < crash
        if begins:
            restarts, session, began = service.restarts, session + 1, platform.now
        if begins or row[2] >= service.parameters["missed"]:
            if begins:
                start = Task(platform, service, kind, STARTS + session, session=session)
                start.start_up(family.start_up(service.identity.credential_kind), row[3])
            task = Task(platform, service, served[run % len(served)].name, run, session=session)
            task.anchor = began
            task.log(
                activity, round(spec.lasts * (0.6 + 0.4 * row[4])), max(round(spec.calls * (0.7 + 0.6 * row[5])), 1)
            )
            task.explore(family.activity("explore"), row[5:10])
        run += 1
        planned = base + run * every + round(jitter * min(every, HOUR) * (2.0 * row[6] - 1.0))
        yield platform.wait(max(planned - platform.now, 1))
