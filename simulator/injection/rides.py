"""Rides: the task, session, principal, address and image that an injected event happens in.

An injected event carries every column that its ride carries, so a ride is complete by construction, and nothing else
can be logged with.  It is alive: a task that is doing something, or one of the incident's own that starts as tasks of
its kind do.  It ends, and is filled, as tasks of its kind are: *models* are drawn from the latest ones, each as often
as it has events, so that a task with injected events in it is like the task of any event.

Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Final

import numpy as np

from scopedrift.simulator.expansion.numbers import INCIDENT_TASKS, UNRECORDED_TASKS
from scopedrift.simulator.expansion.rows import Holder
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.traces import TaskTrace
from scopedrift.simulator.world.workload import Workload

HABIT: Final = 16
"""Tasks of a workload's own that tell what its tasks are like (assumed); with fewer, its peers' are looked at, too."""
PEERS: Final = 8
"""Workloads of the family whose tasks are looked at for a model, beside the own one (assumed)."""
PARTS: Final = 4
"""One ride takes at least the share of one in so many of what there is to do (assumed)."""
OWN_SESSIONS: Final = 1 << 39
"""Session numbers of a workload from here on are those that incidents open."""
PER_INCIDENT: Final = 1 << 12
"""Tasks that one incident may start."""
INCIDENT_TAGS: Final = 1 << 24
"""Incidents are numbered by their names: so many numbers."""


@dataclass(frozen=True)
class Ride:
    """Where injected events happen.  Every field is what the log shows of it, or how long it may be used."""

    actor: Actor
    """Identity, credential, workload, kind of task, image, addresses and resources."""
    job: int
    session: int
    anchor: int
    behalf: int
    """Code of the principal on whose behalf the task acts; -1: nobody's."""
    until: int
    """When it ends."""
    room: int
    """Events that it takes before it is fuller than its model."""
    renews: bool
    """Whether its session is the incident's own, to be kept alive by it."""
    gap: int
    """Microseconds between its events, as in its model."""
    own: bool = False
    """Whether it is a task of the incident's own, which ends with what is done in it."""

    def takes(self, now: int) -> bool:
        """Whether something can happen in it now."""
        return now < self.until and self.room > 0

    def holder(self, world: SimulatedWorld, actor: Actor, truth: int) -> Holder:
        """Who acts in it, as an actor that differs from its own in what it goes for."""
        return Holder(world.actors.add(actor), self.job, self.session, self.anchor, self.behalf, truth)

    def share(self, left: int, count: int, pace: int, now: int) -> tuple[int, int]:
        """How many of the events that are `left` of a `count` it takes now, and for how long, at one in a `pace`.

        It takes what would come while it lasts, or a good part of all, as densely as its model would.
        """
        span = self.until - now
        part = min(max(span // pace, -(-count // PARTS)), max(span // self.gap, 1), self.room, left)
        return part, max(min(part * self.gap, span), 1)

    def filled(self, events: int, end: int) -> Ride:
        """The same with so many events more in it, until the time `end`; one of its own is over soon after."""
        until = min(self.until, end + self.gap) if self.own else self.until
        return replace(self, room=self.room - events, until=until)


def task_number(tag: int, number: int, model: TaskTrace) -> int:
    """The number of a task that an incident starts: as much on record as the model's is."""
    job = INCIDENT_TASKS.at(tag * PER_INCIDENT + number % PER_INCIDENT)
    return job if model.holder.job >= 0 else UNRECORDED_TASKS.end - 1 - job


def model_of(
    world: SimulatedWorld, workload: Workload, kinds: Sequence[str], rng: np.random.Generator, started: bool = False
) -> TaskTrace | None:
    """A task of some kinds to be like: of the workload's own or its peers', each as likely as it has events.

    `started`: one of the workload's own that started up itself, each as likely.
    """
    known = [trace for trace in workload.traces.known(kinds) if trace.size > 0]
    if not started and len(known) < HABIT:
        known += [t for peer in _peers(world, workload, rng) for t in peer.traces.known(kinds) if t.size > 0]
    if started:
        known = [trace for trace in known if trace.flow is not None] or known
    if not known:
        return None
    if started:
        return known[int(rng.random() * len(known))]
    edges = list(accumulate(trace.size for trace in known))
    return known[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def _peers(world: SimulatedWorld, workload: Workload, rng: np.random.Generator) -> list[Workload]:
    family = world.of_family(workload.family)
    return [family[int(u * len(family))] for u in rng.random(PEERS).tolist()]
