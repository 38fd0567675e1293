"""Footholds in a simulated world: what an incident holds, and of how much use a workload would be to it.

An intruder inside a workload acts in its tasks while they live, or starts one.  A stolen credential works as long as
the session that it was copied from lives, until it is replaced.  A copied account is another workload that works under
the victim's identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from scopedrift.scenarios.catalogue import Technique
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.injection.rides import Ride
from scopedrift.simulator.log.events import MISSING
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import UNGUARDED, Grant
from scopedrift.simulator.world.sessions import Sessions
from scopedrift.simulator.world.traces import TaskTrace
from scopedrift.simulator.world.workload import Workload

FOREVER: Final = 1 << 62
SHARED: Final = 0.5
"""How much a strong adversary values a shared identity, relative to its other uses (assumed)."""


@dataclass
class WorldFoothold:
    """What the adversary (or the drifting workload) holds."""

    workload: Workload
    identity: Identity
    """What it acts as; another one's where an account was copied."""
    kinds: tuple[str, ...]
    """Kinds of task that it may act in."""
    sessions: Sessions
    """What keeps the sessions alive that it opens itself."""
    inside: bool = True
    """Whether it acts from within the workload."""
    session: int = MISSING
    """The session whose credential it copied; -1: it obtains credentials itself."""
    copied_until: int = MISSING
    """When the copy is replaced; -1: never."""
    expires: int = MISSING
    """When it holds nothing any more: with the copy, or with a token that was minted with it; -1: never."""
    outside: bool = False
    """Whether it calls from the Internet."""
    ride: Ride | None = None
    """Where it is now."""
    opened: Ride | None = None
    """The latest task that it started itself."""
    grants: frozenset[Grant] = frozenset()
    """What was gained on the way (a minted token, administration) additionally allows."""
    grants_until: int = MISSING
    image: str | None = None
    """A foreign one that it runs."""

    def acting(self, world: SimulatedWorld, number: int, key: int) -> Actor:
        """As whom it acts in a task: the task's actor, under its own identity and image, from where it calls."""
        actor = replace(world.actors[number], key=key, changed={})
        if self.identity is not self.workload.identity:
            held = self.identity
            actor = replace(
                actor,
                identity=held.code,
                credential_key=held.credential_key,
                credential_kind=world.code("credential_kind", held.credential_kind),
                half_life=held.half_life,
                key_made_at=held.made_at,
            )
        if self.image is not None:
            repository = world.pool([self.image.rsplit(":", 1)[0]], None)
            actor = replace(actor.rebound("image", repository), image=world.code("image", self.image))
        return replace(actor, sources=world.external) if self.outside else actor

    def run(self, image: str) -> None:
        """Run an image from now on: in a task of its own, unless all that is held is a copied credential."""
        self.image, self.ride, self.opened = image, None, None

    def bound_to(self, trace: TaskTrace, now: int) -> None:
        """Hold a copy of a task's credential, which works until that is replaced."""
        self.session = trace.holder.session
        self.copied_until = self.expires = self.identity.issued(trace.holder.anchor, now)[1]

    def free(self) -> None:
        """Hold a credential that does not end, or that it renews itself."""
        self.session = self.copied_until = self.expires = MISSING

    def minted(self, grants: frozenset[Grant], until: int) -> None:
        """Hold a token, which allows what it allows until it ends, whatever becomes of what it was minted with."""
        self.grants |= grants
        self.grants_until = max(self.grants_until, until)
        if self.expires >= 0:
            self.expires = max(self.expires, until)


def use(world: SimulatedWorld, workload: Workload, techniques: Sequence[Technique], strength: float) -> float:
    """Of how much use a workload is: by what it may do, and for the strong by what it does anyway and how shared."""
    blend = max(fit(world, kind, techniques) for kind in workload.actors)
    return reach(world, workload, techniques) + strength * (blend + SHARED * workload.identity.shared)


def reach(world: SimulatedWorld, workload: Workload, techniques: Sequence[Technique]) -> float:
    """The share of techniques whose needed calls the identity's permissions allow somewhere."""
    entitled = world.entitlements.of(workload.identity)
    own = {(g.service, g.access) for g in entitled if g.project == workload.project.name}
    other = {(g.service, g.access) for g in entitled if g.project != workload.project.name}
    possible = 0
    for technique in techniques:
        needs = [world.operations.by_name[need] for need in technique.needs]
        possible += all(
            (o.service, o.access) in (other if technique.targets.get(o.slot, "own").startswith("adj") else own)
            for o in needs
            if o.service not in UNGUARDED
        )
    return possible / max(len(techniques), 1)


def fit(world: SimulatedWorld, kind: str, techniques: Sequence[Technique]) -> float:
    """The share of techniques whose needed calls the declared tools of a kind of task cover."""
    tools = world.task_tools(kind)
    covered = [
        all(world.operations.by_name[need].operation in tools for need in technique.needs) for technique in techniques
    ]
    return sum(covered) / max(len(covered), 1)
