"""Conduct: which calls a stage of an incident makes, which of them are refused, and how many.

A technique lists the calls that it needs and others that go with it.  What the permissions (or a token minted on the
way), a credential that has ended or the run-time policy do not allow is refused; the technique fails if that is
something it needs.  The stronger an adversary, the fewer calls it makes that the victim's kind of task does not
make, or that it knows would be refused, and the more its volume and length are those of the victim's own stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scopedrift.scenarios.catalogue import ActivitySpec, Operation, Technique
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.injection.foothold import Foothold
from scopedrift.simulator.injection.targets import select
from scopedrift.simulator.injection.tempo import between
from scopedrift.simulator.log.events import HOUR, MISSING, SECOND, registry_of
from scopedrift.simulator.randomness import key
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.world.identities import allows
from scopedrift.simulator.world.organisation import Workload, World
from scopedrift.simulator.world.policy import UNGUARDED

AIMS: Final = 9
"""At strength 1 an adversary considers this many more targets than one, for one that it may reach (assumed)."""
ATTEMPTS: Final = 3
"""Calls made before a refusal is believed (assumed)."""


@dataclass(frozen=True)
class Conduct:
    """What a stage does."""

    done: Activity | None
    refused: Activity | None
    pools: Mapping[str, int]
    succeeds: bool
    in_entitlement: bool
    """Whether the identity's own permissions cover all that was tried."""
    in_scope: bool
    """Whether its declared scope does."""


def conduct(
    platform: Platform,
    hold: Foothold,
    technique: Technique,
    targets: Mapping[str, str],
    strength: float,
    rng: np.random.Generator,
) -> Conduct:
    """Aim at what the selectors name and see what is allowed; the strong look further for what is."""
    aims = 1 + round(AIMS * strength)
    for _ in range(aims):
        pools = {slot: select(platform.world, hold.workload, chosen, rng) for slot, chosen in targets.items()}
        found = _held_against_permissions(platform, hold, technique, pools, strength, rng)
        if found.succeeds:
            break
    return found


def _held_against_permissions(
    platform: Platform,
    hold: Foothold,
    technique: Technique,
    pools: Mapping[str, int],
    strength: float,
    rng: np.random.Generator,
) -> Conduct:
    world = platform.world
    weights = _chosen(world, hold, technique, strength, rng)
    bound = dict(pools)
    for name in weights:
        slot = world.operations.by_name[name].slot
        if slot not in bound and slot not in hold.actor.pools:
            bound[slot] = select(world, hold.workload, f"own-{slot}", rng)
    done: dict[str, float] = {}
    refused: dict[str, float] = {}
    in_entitlement = in_scope = succeeds = True
    for name, weight in weights.items():
        entitled, declared, permitted = _standing(platform, hold, world.operations.by_name[name], bound)
        needed = name in technique.needs
        if not permitted and not needed and rng.random() < strength:
            continue
        in_entitlement &= entitled
        in_scope &= declared
        succeeds &= permitted or not needed
        (done if permitted else refused)[name] = weight
    if not succeeds:
        done = {}
    ordered = bool(technique.activity.sequence)
    return Conduct(
        done=_compiled(world, technique.name, done, ordered),
        refused=_compiled(world, technique.name, refused, ordered),
        pools=bound,
        succeeds=succeeds,
        in_entitlement=in_entitlement,
        in_scope=in_scope,
    )


def _chosen(
    world: World, hold: Foothold, technique: Technique, strength: float, rng: np.random.Generator
) -> dict[str, float]:
    """The technique's calls and their weights; what the kind of task does not do anyway fades with strength."""
    ordered = bool(technique.activity.sequence)
    kind = hold.actor.task_kind
    tools = world.task_tools(world.names["task_kind"][kind]) if kind >= 0 else frozenset()
    weights = {}
    for name, weight in technique.activity.weights.items():
        ordinary = name in technique.needs or world.operations.by_name[name].operation in tools
        if ordinary:
            weights[name] = weight
        elif not ordered and strength < 1.0:
            weights[name] = round(weight * (1.0 - strength) ** 2, 4)
        elif ordered and rng.random() >= strength:
            weights[name] = 1.0
    return {name: weight for name, weight in weights.items() if weight > 0}


def _standing(platform: Platform, hold: Foothold, operation: Operation, pools: Mapping[str, int]) -> tuple[bool, ...]:
    """Of one call: whether the identity is entitled to it, whether it is declared, and whether it is permitted now."""
    if operation.service in UNGUARDED:
        return True, True, True
    world, now, identity = platform.world, platform.now, hold.identity
    pool = pools.get(operation.slot, hold.actor.pools.get(operation.slot, MISSING))
    places = world.projects_of(pool) or {world.names["project"][hold.actor.project]}

    def covered(grants: Any) -> bool:
        return all(allows(grants, operation.service, operation.access, place) for place in places)

    entitled, declared = covered(identity.entitled(world)), covered(identity.declared)
    if operation.image and hold.image is not None:
        declared &= registry_of(hold.image) in identity.registries
    works = hold.expires < 0 or now < hold.expires
    permitted = (entitled and works) or (now < hold.grants_until and covered(hold.grants))
    registry = registry_of(hold.image) if hold.image is not None else None
    return entitled, declared, permitted and not platform.denies(hold.actor.identity, operation, places, registry)


def _compiled(world: World, name: str, weights: Mapping[str, float], ordered: bool) -> Activity | None:
    if not weights:
        return None
    spec = ActivitySpec(sequence=tuple(weights)) if ordered else ActivitySpec(mix=dict(weights))
    return world.activities.add(f"technique/{name}/{key(0, repr(spec)):016x}", spec)


def volume(
    counts: tuple[int, int], lasts: int, victim: Workload, strength: float, rng: np.random.Generator
) -> tuple[int, int]:
    """Events and microseconds of a stage: between the technique's and those of the victim's latest stage."""
    own = between(counts[0], counts[1], rng)
    if victim.latest is None:
        return max(round(own), 1), lasts
    events, length = victim.latest
    like = min(own, float(max(events, 1)))
    theirs = float(min(max(length, SECOND), 12 * HOUR))
    blended = lasts ** (1.0 - strength) * theirs**strength
    return max(round(own ** (1.0 - strength) * like**strength), 1), round(blended)


def foreign_image(platform: Platform, hold: Foothold, strength: float, rng: np.random.Generator) -> str:
    """An image from a registry that the workload never used; ordinary for somebody else if one is at hand.

    Where the identity is shared, that registry may be in its scope.
    """
    world = platform.world
    own = registry_of(hold.workload.image)
    used = sorted({w.image.rsplit(":", 1)[0] for w in world.workloads.values() if registry_of(w.image) != own})
    base, owner = world.platform.world.base_images, world.projects[int(rng.random() * len(world.projects))]
    image = base[int(rng.random() * len(base))]
    public = [f"{r}/{owner.name}/{image}" for r in world.platform.world.public_registries if r != own]
    pick = used if used and rng.random() < 0.5 + 0.5 * strength else public
    return f"{pick[int(rng.random() * len(pick))]}:1.{int(rng.integers(0, 40))}.0"
