"""Selectors: which resources an injected behaviour goes for, relative to the workload that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from scopedrift.simulator.platform import Platform
from scopedrift.simulator.randomness import generator
from scopedrift.simulator.world import Project, Workload, World


def select(
    platform: Platform, workload: Workload, selector: str, strength: float, rng: np.random.Generator | None
) -> int:
    """The pool that a selector names.

    Raises `ValueError` naming the selector and the known ones if there is no such selector.
    """
    if selector not in SELECTORS:
        raise ValueError(f"unknown selector {selector!r}: expected one of {', '.join(SELECTORS)}")
    draw = rng or generator(platform.world.seed, "select", workload.name, selector)
    return SELECTORS[selector](platform.world, workload, strength, draw)


def adjacent_project(world: World, workload: Workload, strength: float, rng: np.random.Generator) -> Project:
    """A project next to the workload's own: the stronger the adversary, the likelier one that it may reach.

    Reach is what the identity's entitlement allows to read there and its declared scope does not.
    """
    others = [p for p in world.projects if p.name != workload.project.name] or [workload.project]
    identity = workload.identity
    reachable = {
        g.project for g in identity.entitled(world) - identity.declared if (g.service, g.access) == ("s3", "read")
    }
    inside = [p for p in others if p.name in reachable]
    pick = inside if inside and rng.random() < 0.5 + 0.5 * strength else others
    return pick[int(rng.random() * len(pick))]


def _adjacent_dataset(world: World, workload: Workload, strength: float, rng: np.random.Generator) -> int:
    project = adjacent_project(world, workload, strength, rng)
    return project.datasets[int(rng.random() * len(project.datasets))]


def _adjacent(slot: str) -> Callable[[World, Workload, float, np.random.Generator], int]:
    def pick(world: World, workload: Workload, strength: float, rng: np.random.Generator) -> int:
        return adjacent_project(world, workload, strength, rng).pools[slot]

    return pick


def _own_dataset(world: World, workload: Workload, strength: float, rng: np.random.Generator) -> int:
    """Another dataset of its own project."""
    datasets = workload.project.datasets
    return datasets[int(rng.random() * len(datasets))]


def _own(slot: str) -> Callable[[World, Workload, float, np.random.Generator], int]:
    def pick(world: World, workload: Workload, strength: float, rng: np.random.Generator) -> int:
        return workload.project.pools[slot]

    return pick


def _all_datasets(world: World, workload: Workload, strength: float, rng: np.random.Generator) -> int:
    """The first shard of every dataset that there is: what an enumeration touches."""
    return world.pools.add(world.pools.items(d)[0] for p in world.projects for d in p.datasets)


def _drop(world: World, workload: Workload, strength: float, rng: np.random.Generator) -> int:
    """Where loot goes: a bucket that another team's workloads write to, so that it is not new to the population."""
    others = [w for w in world.workloads.values() if w.project.name != workload.project.name] or [workload]
    other = others[int(rng.random() * len(others))]
    pools = world.actors[next(iter(other.actors.values()))].pools
    return pools.get("output", pools["dataset"])


SELECTORS: Final = {
    "own-dataset": _own_dataset,
    "adjacent-dataset": _adjacent_dataset,
    "all-datasets": _all_datasets,
    "drop": _drop,
    "own-secrets": _own("secret"),
    "adjacent-secrets": _adjacent("secret"),
    "own-tables": _own("table"),
    "adjacent-tables": _adjacent("table"),
    "own-roles": _own("role"),
    "adjacent-roles": _adjacent("role"),
    "adjacent-namespace": _adjacent("namespace"),
    "adjacent-account": _adjacent("account"),
    "adjacent-cluster": _adjacent("cluster"),
    "own-llm": _own("llm"),
    "adjacent-repository": _adjacent("repository"),
    "adjacent-peer": _adjacent("peer"),
}
