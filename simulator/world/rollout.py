"""Roll-outs: a workload goes on with other resources or another image, as a new actor of each of its kinds of task."""

from __future__ import annotations

from dataclasses import replace

from scopedrift.simulator.expansion.tables import Tables
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
