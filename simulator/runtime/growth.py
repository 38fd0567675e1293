"""Data come and go: datasets grow by new parts, and old parts are dropped.

In every project, on working days, one of its datasets gets a few parts more and loses as many of its oldest; the
workloads that use it read the new ones from then on.  So identities keep touching what nobody has touched before,
without anybody changing anything: together with `Task.explore`, at a rate that falls to a floor (Heaps' law).
Sources: `growth` in `platform.yaml`; the scenario's `novelty` scales it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from scopedrift.simulator.expansion.tables import DATASET
from scopedrift.simulator.randomness import Draws
from scopedrift.simulator.runtime.platform import Platform, Process, exponential
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.workload import Project, Workload


class _Draws(NamedTuple):
    gap: float
    dataset: float
    parts: float


def start_growth(platform: Platform) -> None:
    """One process a project."""
    users: defaultdict[str, list[Workload]] = defaultdict(list)
    for workload in platform.world.workloads.values():
        users[workload.project.name].append(workload)
    for project in platform.world.projects:
        platform.env.process(_grow(platform, project, users[project.name]))


def _grow(platform: Platform, project: Project, users: Sequence[Workload]) -> Process:
    world = platform.world
    spec = world.platform.growth
    rate = spec.per_week * world.scenario.novelty
    draws = Draws(world.seed, "growth", project.name, of=_Draws)
    parts = 0
    while rate > 0:
        row = draws.row()
        yield platform.wait(world.rhythm("releases").wait(platform.now, exponential(row.gap) * WEEK / rate))
        place = int(row.dataset * len(project.datasets))
        old = project.datasets[place]
        items = world.pools.items(old)
        more = 1 + int(row.parts * spec.parts)
        stem = world.names["resource"][items[0]].rpartition("/part-")[0]
        fresh = [world.resource(f"{stem}/part-{5000 + parts + k:04d}", project.name) for k in range(more)]
        parts += more
        grown = world.pools.add([*reversed(fresh), *items[: max(len(items) - more, 1)]])  # the newest are read most
        project.datasets[place] = grown
        for workload in users:
            for kind, actor in workload.actors.items():
                if world.actors[actor].pools.get(DATASET) == old:
                    workload.actors[kind] = world.actors.variant(actor, DATASET, grown)
