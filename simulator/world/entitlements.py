"""Entitlements: what permissions allow, which is usually far wider than what is declared.

The entitlement of an identity is its declared scope and *excess privilege*: grants that are never used, drawn near
first (its own project, then others) until they are the stated share of all.  What a downstream token carries is drawn
in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from scopedrift.scenarios.parts import Identities
from scopedrift.simulator.expansion.tables import Tables
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.randomness import generator
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.policy import Grant

OWN_PROJECT_FIRST: Final = 3.0
"""How many times likelier an unused grant lies in the identity's own project than in another one (assumed)."""
UNGRANTED: Final = ("agent", "policy")
"""Services whose records come from the platform itself: nobody is granted access to them."""


class Entitlements:
    """The entitlements of all identities of a world."""

    def __init__(self, seed: int, knobs: Identities, tables: Tables, projects: Iterable[str]) -> None:
        pairs = sorted({(o.service, o.access) for o in tables.operations.all if o.service not in UNGRANTED})
        self.universe = [Grant(service, access, project) for project in projects for service, access in pairs]
        """Every grant that there can be."""
        self._seed = seed
        self._knobs = knobs
        self._tables = tables
        self._place = {grant: place for place, grant in enumerate(self.universe)}
        self._projects = np.array([tables.code("project", grant.project) for grant in self.universe])
        self._known: dict[str, frozenset[Grant]] = {}

    def of(self, identity: Identity) -> frozenset[Grant]:
        """What an identity's permissions allow, from the first time that it is asked for."""
        known = self._known.get(identity.name)
        if known is None:
            share = self._knobs.excess_privilege
            needed = [self._place[grant] for grant in identity.declared if grant in self._place]
            unused = np.delete(np.arange(len(self.universe)), needed)
            wanted = round(len(identity.declared) * share / (1.0 - share))
            excess = self._nearest(identity, "excess", unused, wanted)
            known = self._known[identity.name] = frozenset(identity.declared).union(excess)
        return known

    def downstream(self, identity: Identity) -> frozenset[Grant]:
        """What a token that it mints carries."""
        everything = np.arange(len(self.universe))
        wanted = round(len(everything) * self._knobs.downstream.breadth)
        return frozenset(self._nearest(identity, "downstream", everything, wanted))

    def _nearest(self, identity: Identity, what: str, places: Array, count: int) -> list[Grant]:
        """The first `count` of a fixed order of preference, so that a larger count only ever adds.

        `places` are positions in the list of all grants; arrays, since that list is long where projects are many.
        """
        draw = generator(self._seed, what, identity.name).random(len(places))
        own = self._projects[places] == self._tables.code("project", identity.project)
        late = 1.0 - np.where(own, draw ** (1.0 / OWN_PROJECT_FIRST), draw)
        first = np.argpartition(late, count)[:count] if count < len(late) else np.arange(len(late))
        return [self.universe[i] for i in places[first].tolist()]


def allows(grants: frozenset[Grant] | set[Grant], service: str, access: str, project: str) -> bool:
    """Whether concrete grants allow an access."""
    return Grant(service, access, project) in grants
