"""Workload identities: SPIFFE IDs, their credentials, and the scope that is declared for them."""

from __future__ import annotations

from dataclasses import dataclass, field

from scopedrift.simulator.log.events import MISSING
from scopedrift.simulator.world.policy import Grant


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
    """What its workloads' planned activities do."""
    registries: set[str] = field(default_factory=set)

    @property
    def half_life(self) -> int:
        """When the credential is replaced, in microseconds after issue; 0: never.

        At half of its time to live (SPIRE), but for a standing key, which its rotation ends.
        """
        return self.ttl if self.made_at >= 0 else self.ttl // 2

    def issued(self, anchor: int, now: int) -> tuple[int, int]:
        """Of the credential in use now: its number in the session begun at `anchor`, and when it is replaced.

        -1: it never is.
        """
        half = self.half_life
        if not half:
            return 0, MISSING
        begun = self.made_at if self.made_at >= 0 else anchor
        number = (now - begun) // half
        return number, begun + (number + 1) * half
