"""Workload identities: SPIFFE IDs, credentials, declared scopes, and entitlements wider than them.

The declared scope of an identity is what its workloads' planned activities do (service, access, project).  Its
entitlement adds *excess privilege*: grants that are never used, drawn near first (its own project, then
adjacent ones) until they are the stated share of all.  What a downstream token carries is drawn in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scopedrift.simulator.log.events import MISSING, Array
from scopedrift.simulator.randomness import generator
from scopedrift.simulator.world.policy import Grant

if TYPE_CHECKING:
    from scopedrift.simulator.world.organisation import World

OWN_PROJECT_FIRST = 3.0
"""How many times likelier an unused grant lies in the identity's own project than in another one (assumed)."""


@dataclass
class Identity:
    """What a workload authenticates as."""

    name: str
    """The SPIFFE ID."""
    code: int
    project: str
    credential_kind: str
    ttl: int
    """Microseconds that its credential works; 0: it does not end."""
    shared: bool
    credential_key: int
    made_at: int = MISSING
    """When its standing key was made (microseconds since 1970 UTC); -1: its credentials belong to sessions."""
    orphaned: bool = False
    """Whether its workload is gone and no inventory lists it."""
    workloads: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    declared: set[Grant] = field(default_factory=set)
    registries: set[str] = field(default_factory=set)
    _entitled: frozenset[Grant] | None = None

    @property
    def half_life(self) -> int:
        """When the credential is replaced, in microseconds after issue; 0: never.

        At half of its time to live (SPIRE), but for a standing key, which its rotation ends.
        """
        return self.ttl if self.made_at >= 0 else self.ttl // 2

    def copied(self, anchor: int, now: int) -> tuple[int, int]:
        """Of a copy that somebody makes now: its number in the session begun at `anchor`, and its end (-1: none)."""
        half = self.half_life
        if not half:
            return 0, MISSING
        begun = self.made_at if self.made_at >= 0 else anchor
        number = (now - begun) // half
        return number, begun + number * half + self.ttl

    def entitled(self, world: World) -> frozenset[Grant]:
        """What its permissions allow."""
        if self._entitled is None:
            share = world.scenario.identities.excess_privilege
            needed = [world.grant_place[grant] for grant in self.declared if grant in world.grant_place]
            unused = np.delete(np.arange(len(world.grant_universe)), needed)
            wanted = round(len(self.declared) * share / (1.0 - share))
            self._entitled = frozenset(self.declared).union(self._nearest(world, "excess", unused, wanted))
        return self._entitled

    def downstream(self, world: World) -> frozenset[Grant]:
        """What a token that it mints carries."""
        everything = np.arange(len(world.grant_universe))
        wanted = round(len(everything) * world.scenario.identities.downstream.breadth)
        return frozenset(self._nearest(world, "downstream", everything, wanted))

    def _nearest(self, world: World, what: str, places: Array, count: int) -> list[Grant]:
        """The first `count` of a fixed order of preference, so that a larger count only ever adds.

        `places` are positions in the world's list of grants; arrays, since that list is long where projects are many.
        """
        draw = generator(world.seed, what, self.name).random(len(places))
        own = world.grant_projects[places] == world.code("project", self.project)
        late = 1.0 - np.where(own, draw ** (1.0 / OWN_PROJECT_FIRST), draw)
        first = np.argpartition(late, count)[:count] if count < len(late) else np.arange(len(late))
        return [world.grant_universe[i] for i in places[first].tolist()]


def allows(grants: frozenset[Grant] | set[Grant], service: str, access: str, project: str) -> bool:
    """Whether concrete grants allow an access."""
    return Grant(service, access, project) in grants
