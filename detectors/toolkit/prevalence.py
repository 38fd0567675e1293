"""Prevalence: how few identities do a thing, in bits, up to the last full day.

>>> from scopedrift.detectors.toolkit.prevalence import Prevalence
>>> prevalence = Prevalence()
>>> for identity in range(7):
...     prevalence.note(identity, "read storage")
>>> prevalence.note(0, "create a role")
>>> prevalence.settle()
>>> round(prevalence.bits("read storage"), 2), round(prevalence.bits("create a role"), 2)
(0.09, 2.42)
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable


class Prevalence:
    """Remembers which identities did which things; notes count from the next `settle` on."""

    def __init__(self) -> None:
        self._met: set[tuple[Hashable, Hashable]] = set()
        self._users: Counter[Hashable] = Counter()
        self._everyone = 0

    def note(self, identity: Hashable, thing: Hashable) -> None:
        """This identity does the thing."""
        self._met.add((thing, identity))

    def bits(self, thing: Hashable) -> float:
        """How surprising it is that an identity does the thing: -log2 of the share of identities that do."""
        return -math.log2((self._users[thing] + 0.5) / (self._everyone + 1.0))

    def settle(self) -> None:
        """At the end of a day: count what was noted."""
        self._users = Counter(thing for thing, _ in self._met)
        self._everyone = len({identity for _, identity in self._met})
