"""Workload identities: SPIFFE IDs, credentials, declared scopes, and entitlements wider than them.

The declared scope of an identity is what its workloads' planned activities do (service, access, project).  Its
entitlement adds *excess privilege*: grants that are never used, drawn near first (its own project, then
adjacent ones) until they are the stated share of all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scopedrift.simulator.policy import Grant
from scopedrift.simulator.randomness import generator

if TYPE_CHECKING:
    from scopedrift.simulator.world import World

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
    """Microseconds; 0: does not expire."""
    shared: bool
    credential_key: int
    workloads: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)
    declared: set[Grant] = field(default_factory=set)
    registries: set[str] = field(default_factory=set)
    _entitled: frozenset[Grant] | None = None

    @property
    def half_life(self) -> int:
        """When the credential is renewed, in microseconds after issue (SPIRE: at half of its TTL); 0: never."""
        return self.ttl // 2

    def entitled(self, world: World) -> frozenset[Grant]:
        """What its permissions allow."""
        if self._entitled is None:
            self._entitled = frozenset(self.declared | self._excess(world))
        return self._entitled

    def _excess(self, world: World) -> set[Grant]:
        """Unused grants: the first k of a fixed preference, so that more excess privilege only ever adds."""
        share = world.scenario.identities.excess_privilege
        universe = [grant for grant in world.grant_universe if grant not in self.declared]
        wanted = min(round(len(self.declared) * share / (1.0 - share)), len(universe))
        draw = generator(world.seed, "excess", self.name).random(len(universe))
        weight = [OWN_PROJECT_FIRST if grant.project == self.project else 1.0 for grant in universe]
        order = sorted(range(len(universe)), key=lambda i: draw[i] ** (1.0 / weight[i]), reverse=True)
        return {universe[i] for i in order[:wanted]}


def allows(grants: frozenset[Grant] | set[Grant], service: str, access: str, project: str) -> bool:
    """Whether concrete grants allow an access."""
    return Grant(service, access, project) in grants
