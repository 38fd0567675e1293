"""Chores: rare and sensitive work that people do by hand, with what a running workload may do.

Somebody restarts a notebook, makes a role, lists functions, or switches a log off.  All kinds of chores take turns, as
in a deck of cards.  Each family of workloads begins at a place of its own, and does about all of them before the
horizon: a few families do all between them.  So calls that an incident may make are somebody's work, too.  The next
task of a workload makes them, as those of a detour.  Kinds and rates: `chores` in `platform.yaml`; the scenario's
`novelty` scales them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.randomness import Draws, key
from scopedrift.simulator.runtime.platform import Platform, Process
from scopedrift.simulator.world.entitlements import allows
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import UNGUARDED
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.workload import Detour, Workload

ROUNDS: Final = 1.2
"""How often a family goes through the deck before the horizon, at least (assumed)."""
TRIED: Final = 24
"""Workloads that are looked at for one that is at work and entitled (assumed)."""
ROOM: Final = 30 * SECOND
"""Stages of a workload that is at work take at least as long (assumed)."""


class _Draws(NamedTuple):
    pause: float
    workload: float
    times: float


def start_chores(platform: Platform) -> None:
    """One process a family."""
    families: dict[str, list[Workload]] = {}
    for workload in platform.world.workloads.values():
        if not workload.identity.orphaned:
            families.setdefault(workload.family, []).append(workload)
    if platform.world.scenario.novelty:
        for family, workloads in families.items():
            platform.env.process(_chores(platform, family, workloads))


def _chores(platform: Platform, family: str, workloads: Sequence[Workload]) -> Process:
    """The chores of one family over the horizon, in working hours."""
    world, spec = platform.world, platform.world.platform.chores
    gap = min(WEEK / (spec.per_week * len(workloads)), world.scenario.horizon / (ROUNDS * len(spec.kinds)))
    gap /= world.scenario.novelty
    deck = sorted(spec.kinds, key=lambda kind: key(world.seed, "chores", kind))
    families = sorted(catalogue.families())
    number = families.index(family) * len(deck) // len(families)
    draws = Draws(world.seed, "chores", family, of=_Draws)
    while True:
        row = draws.row()
        yield platform.wait(world.rhythm("working").wait(platform.now, gap * (0.5 + row.pause)))
        calls = [world.operations.by_name[name] for name in spec.kinds[deck[number % len(deck)]]]
        if (workload := _somebody(world, workloads, calls, row.workload)) is not None:
            workload.detour = Detour(tuple(calls), _times(row.times), None)
            number += 1


def _times(u: float) -> int:
    """How often each call is made: once in half of the cases, by a heavy tail up to 25 times (assumed)."""
    return int(0.5 / (1.02 - u)) or 1


def _somebody(
    world: SimulatedWorld, workloads: Sequence[Workload], calls: Sequence[Operation], u: float
) -> Workload | None:
    """One that is at work and has no detour before it, and that is entitled to the calls if there is one like that."""
    first = int(u * len(workloads))
    tried = [workloads[(first + k) % len(workloads)] for k in range(min(TRIED, len(workloads)))]
    ready = [w for w in tried if w.detour is None and w.last_stage is not None and w.last_stage[1] >= ROOM]
    return next((w for w in ready if _entitled(world, w, calls)), ready[0] if ready else None)


def _entitled(world: SimulatedWorld, workload: Workload, calls: Sequence[Operation]) -> bool:
    entitled = world.entitlements.of(workload.identity)
    return all(o.service in UNGUARDED or allows(entitled, o.service, o.access, workload.project.name) for o in calls)
