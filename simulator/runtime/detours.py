"""Detours: benign work outside what is declared, so that no declaration is ever complete.

Now and then somebody debugs a running workload, a library looks around, a crashed process reads its secrets again:
calls that the purpose of the task does not list and that may lie outside the identity's declared scope, mostly
where its entitlement allows them (the rest is refused).  Some become a habit.

One process a workload decides when; the workload's next task does it (`Task.log`), so that every family has
detours without a line of its own.  The scenario's `novelty` scales all of it; sources: `platform.yaml`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Final, NamedTuple

from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.log.events import DAY, SECOND
from scopedrift.simulator.randomness import Draws
from scopedrift.simulator.runtime.platform import Platform, Process, exponential
from scopedrift.simulator.world.entitlements import allows
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import UNGUARDED
from scopedrift.simulator.world.rhythm import WEEK
from scopedrift.simulator.world.workload import Detour, Workload

SPAN: Final = 40 * SECOND
"""A detour takes this long for each of its calls (assumed)."""


class Choice(NamedTuple):
    """The draws that choose a detour."""

    project: float
    elsewhere: float
    careless: float
    kind: float
    times: float


class _Draws(NamedTuple):
    gap: float
    choice: Choice
    habit: float
    rhythm: float


def make_detours(platform: Platform, workload: Workload) -> Process:
    """One workload's detours over the horizon, in working hours."""
    world = platform.world
    spec = world.platform.detours
    rate = spec.per_week * world.scenario.novelty
    draws = Draws(world.seed, "detours", workload.name, of=_Draws, block=4)
    while rate > 0:
        row = draws.row()
        gap = world.rhythm("working").wait(platform.now, exponential(row.gap) * WEEK / rate)
        yield platform.wait(gap)
        workload.detour = choose(world, workload, row.choice)
        if row.habit < spec.habit:
            platform.env.process(_repeat(platform, workload, workload.detour, row.rhythm))


def _repeat(platform: Platform, workload: Workload, detour: Detour, u: float) -> Process:
    """A habit: the same, about daily, until it is given up."""
    lasts = platform.world.platform.detours.habit_days
    until = platform.now + round(exponential(u) * lasts * DAY)
    while True:
        yield platform.wait(round(DAY * (0.6 + 0.8 * u)))
        if platform.now > until:
            return
        workload.detour = detour
        u = (u + 0.618034) % 1.0


def choose(world: SimulatedWorld, workload: Workload, draws: Choice) -> Detour:
    """What a workload's next detour is: one that its entitlement allows, or (seldom) whatever comes to mind."""
    spec = world.platform.detours
    project = world.projects[int(draws.project * len(world.projects))] if draws.elsewhere < spec.elsewhere else None
    where = workload.project if project is None else project
    kinds = [_calls(world, kind.calls) for kind in spec.kinds.values()]
    shares = [kind.share for kind in spec.kinds.values()]
    if draws.careless >= spec.careless:
        entitled = world.entitlements.of(workload.identity)
        shares = [
            share * all(o.service in UNGUARDED or allows(entitled, o.service, o.access, where.name) for o in calls)
            for share, calls in zip(shares, kinds, strict=True)
        ]
        if not any(shares):
            return Detour(kinds[0][:1], 1, None)
    edges = list(accumulate(shares))
    return Detour(kinds[bisect_right(edges, draws.kind * edges[-1])], 1 + int(3.0 * draws.times), project)


def _calls(world: SimulatedWorld, names: Iterable[str]) -> tuple[Operation, ...]:
    return tuple(world.operations.by_name[name] for name in names)
