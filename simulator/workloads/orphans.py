"""Off-boarded identities that still work (OWASP NHI1): the workload is gone, its key is not.

Their keys are static ones, since short-lived credentials end with their workload.  No inventory lists them and
no policy knows them, and something forgotten still uses them now and then: an unknown identity is not an attack,
and yet nobody would miss it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final, NamedTuple

from scopedrift.scenarios.catalogue import ORPHANED
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.log.events import MINUTE
from scopedrift.simulator.randomness import Draws, Quantiles, key
from scopedrift.simulator.runtime.platform import Platform, Process, Start, exponential
from scopedrift.simulator.runtime.tasks import Task
from scopedrift.simulator.world.credentials import STANDING
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.workload import Workload

NAME: Final = ORPHANED


class _Draws(NamedTuple):
    gap: float
    length: float
    calls: float


def build(world: SimulatedWorld) -> Iterator[Start]:
    """Leave behind the scenario's share of orphaned identities; yield one process for each."""
    data = world.platform.orphans
    activity = world.activities.add(f"{NAME}/use", data.activity)
    rate, calls = Quantiles.of(data.uses_per_week), Quantiles.of(data.calls)
    for number in range(round(len(world.identities) * world.scenario.identities.orphaned)):
        name = f"legacy-{number:04d}"
        project = world.home(NAME, number)
        identity = world.add_identity(name, project, kind=STANDING, orphaned=True)
        workload = world.add_workload(
            NAME, name, project, activities=[activity], kinds=["script"], pools={}, identity=identity
        )
        per_week = rate(key(world.seed, "uses", name) / 2.0**64)
        yield partial(_script, workload=workload, activity=activity, gap=WEEK / per_week, calls=calls)


def _script(platform: Platform, workload: Workload, activity: Activity, gap: float, calls: Quantiles) -> Process:
    """What nobody switched off."""
    draws = Draws(platform.world.seed, NAME, workload.name, of=_Draws)
    number = 0
    while True:
        row = draws.row()
        yield platform.wait(max(round(exponential(row.gap) * gap), MINUTE))
        task = Task(platform, workload, "script", number)
        task.log(activity, round((0.2 + row.length) * MINUTE), round(calls(row.calls)))
        number += 1
