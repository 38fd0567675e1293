"""Who does what at all: how few identities do a thing, in bits, up to the last full day."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable


class Prevalence:
    """Remembers which identities did which things; counts settle when `settle` is called."""

    def __init__(self) -> None:
        self._met: set[tuple[Hashable, Hashable]] = set()
        self._users: Counter[Hashable] = Counter()
        self._everyone = 0

    def note(self, identity: Hashable, thing: Hashable) -> None:
        """This identity does the thing."""
        self._met.add((thing, identity))

    def bits(self, thing: Hashable) -> float:
        """Surprise that an identity does the thing."""
        return -math.log2((self._users[thing] + 0.5) / (self._everyone + 1.0))

    def settle(self) -> None:
        """The day is over: what was noted counts from now on."""
        self._users = Counter(thing for thing, _ in self._met)
        self._everyone = len({identity for _, identity in self._met})
