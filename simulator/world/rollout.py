"""Roll-outs: a workload, or one of its tasks, goes on elsewhere or with other resources, as a new actor."""

from __future__ import annotations

from dataclasses import replace

from scopedrift.simulator.expansion.tables import Actor, Tables
from scopedrift.simulator.log.events import MISSING
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.workload import Workload


def rebind(tables: Tables, workload: Workload, slot: str, pool: int, truth: int = 0) -> None:
    """Give all actors of a workload another pool in one slot; `truth` is the code of the change that does it."""
    for kind, number in workload.actors.items():
        workload.actors[kind] = tables.actors.add(tables.actors[number].rebound(slot, pool, truth))


def set_image(tables: Tables, workload: Workload, image: str, truth: int = 0) -> None:
    """Roll out another image; `truth` marks its pulls and job creations as those of a benign change."""
    repository = tables.pool([image.rsplit(":", 1)[0]], None)
    workload.image = image
    for kind, number in workload.actors.items():
        actor = tables.actors[number].rebound("image", repository, truth)
        if truth:
            actor = replace(actor, changed={**actor.changed, "job": truth})
        workload.actors[kind] = tables.actors.add(replace(actor, image=tables.code("image", image)))


def with_image(tables: Tables, number: int, image: str) -> int:
    """The number of an actor that runs another image."""
    repository = tables.pool([image.rsplit(":", 1)[0]], None)

    def pulled(actor: Actor) -> Actor:
        return replace(actor.rebound("image", repository), image=tables.code("image", image))

    return tables.actors.derived(number, ("image", image), pulled)


def relocated(tables: Tables, number: int, by: int) -> int:
    """The number of an actor whose tasks run on other nodes, so many further on."""
    pool = tables.rotated(tables.actors[number].sources, by)
    return tables.actors.derived(number, ("sources", pool), lambda actor: replace(actor, sources=pool))


def under_role(tables: Tables, number: int, role: Identity) -> int:
    """The number of an actor that acts under a role's identity, with a session of the role's own."""

    def acting(actor: Actor) -> Actor:
        return replace(actor, identity=role.code, credential_key=role.credential_key, half_life=0, key_made_at=MISSING)

    return tables.actors.derived(number, ("identity", role.code), acting)
