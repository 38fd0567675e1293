"""Which resources of a simulated world a selector of the catalogue names, relative to the workload that acts.

Where projects have none in a slot, those that another workload uses, so that what is touched is ordinary for
somebody else.
"""

from __future__ import annotations

import numpy as np

from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.workload import Project, Workload


def select(world: SimulatedWorld, workload: Workload, selector: str, rng: np.random.Generator) -> int:
    """The pool that a selector names."""
    if selector == "all-datasets":  # what an enumeration touches: the first shard of each
        return world.pools.add(world.pools.items(d)[0] for p in world.projects for d in p.datasets)
    if selector == "drop":
        return _drop(world, workload, rng)
    near, _, slot = selector.partition("-")
    project = workload.project if near == "own" else _other_project(world, workload, rng)
    if slot == "dataset":
        return project.datasets[int(rng.random() * len(project.datasets))]
    if slot in project.pools:
        return project.pools[slot]
    return _used_in(world, project, workload, slot, rng)


def _other_project(world: SimulatedWorld, workload: Workload, rng: np.random.Generator) -> Project:
    others = [p for p in world.projects if p.name != workload.project.name] or [workload.project]
    return others[int(rng.random() * len(others))]


def _used_in(world: SimulatedWorld, project: Project, workload: Workload, slot: str, rng: np.random.Generator) -> int:
    """What another workload uses in a slot: one of the project if there is one, else anybody."""
    users = [(w, pool) for w in world.workloads.values() if (pool := _pool(world, w, slot)) >= 0 and w is not workload]
    users = [each for each in users if each[0].project.name == project.name] or users
    if not users:
        return world.pool([f"{slot}/{project.name}"], project.name)
    return users[int(rng.random() * len(users))][1]


def _drop(world: SimulatedWorld, workload: Workload, rng: np.random.Generator) -> int:
    """Where loot goes: a bucket that another team's workloads write to, so that it is not new to the population."""
    others = [w for w in world.workloads.values() if w.project.name != workload.project.name] or [workload]
    other = others[int(rng.random() * len(others))]
    output = _pool(world, other, "output")
    return output if output >= 0 else _pool(world, other, "dataset")


def _pool(world: SimulatedWorld, workload: Workload, slot: str) -> int:
    return world.actors[next(iter(workload.actors.values()))].pools.get(slot, -1)
