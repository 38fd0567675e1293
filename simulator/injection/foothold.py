"""Footholds in a simulated world: what an incident holds, and of how much use a workload would be to it.

An intruder inside a workload has whatever the workload has at the time: its task, its credential, its
address.  A stolen credential is a copy that ends when the original does.  A copied account is another
workload that works under the victim's identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from scopedrift.scenarios.catalogue import Technique
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.log.events import MISSING
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.organisation import World
from scopedrift.simulator.world.policy import UNGUARDED, Grant
from scopedrift.simulator.world.workload import Workload

FOREVER: Final = 1 << 62
SHARED: Final = 0.5
"""What it is worth to the strong that an identity is shared, against whatever else it is of use for (assumed)."""


@dataclass
class WorldFoothold:
    """What the adversary (or the drifting workload) holds."""

    workload: Workload
    identity: Identity
    """What it acts as; another one's where an account was copied."""
    key: int
    """64-bit key of the incident's own draws."""
    inside: bool
    """Whether it follows the workload from task to task."""
    actor: Actor
    job: int
    session: int
    anchor: int
    epoch: int = MISSING
    """Number of a stolen credential in its session; -1 where it is renewed."""
    expires: int = MISSING
    """When the held credential stops working; -1: never."""
    grants: frozenset[Grant] = frozenset()
    """What was gained on the way (a minted token, administration) additionally allows."""
    grants_until: int = MISSING
    image: str | None = None

    @classmethod
    def within(cls, world: World, workload: Workload, own: int, inside: bool = True) -> Self:
        """Where a workload is now; `inside` it, to follow it, or with a copy of what it holds."""
        last = workload.last_task
        assert last is not None
        actor = replace(world.actors[last.actor], key=own, changed={})
        return cls(workload, workload.identity, own, inside, actor, last.job, last.session, last.anchor)

    @classmethod
    def copied(cls, world: World, victim: Workload, other: Workload, own: int) -> Self:
        """Another workload that works under the victim's identity."""
        last, held = other.last_task, victim.last_task
        assert last is not None and held is not None
        source = world.actors[held.actor]
        actor = replace(
            world.actors[last.actor],
            key=own,
            changed={},
            identity=source.identity,
            credential_key=source.credential_key,
            credential_kind=source.credential_kind,
            half_life=source.half_life,
            key_made_at=source.key_made_at,
        )
        return cls(other, victim.identity, own, False, actor, last.job, held.session, held.anchor)

    def steal(self, now: int) -> None:
        """Hold a copy of the credential, which ends with the original."""
        self.epoch, self.expires = self.identity.copied(self.anchor, now)

    def follow(self, world: World) -> None:
        """Be where the workload is now, if inside it."""
        last = self.workload.last_task
        if self.inside and last is not None:
            self.job, self.session, self.anchor = last.job, last.session, last.anchor
            self.actor = replace(world.actors[last.actor], key=self.key, changed={})


def use(world: World, workload: Workload, techniques: Sequence[Technique], strength: float) -> float:
    """Of how much use a workload is: by what it may do, and for the strong by what it does anyway and how shared."""
    blend = max(fit(world, kind, techniques) for kind in workload.actors)
    return reach(world, workload, techniques) + strength * (blend + SHARED * workload.identity.shared)


def reach(world: World, workload: Workload, techniques: Sequence[Technique]) -> float:
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


def fit(world: World, kind: str, techniques: Sequence[Technique]) -> float:
    """The share of techniques whose needed calls the declared tools of a kind of task cover."""
    tools = world.task_tools(kind)
    covered = [
        all(world.operations.by_name[need].operation in tools for need in technique.needs) for technique in techniques
    ]
    return sum(covered) / max(len(covered), 1)
