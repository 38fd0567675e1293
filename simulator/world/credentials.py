"""The life of credentials: what obtaining and keeping them logs, and how old standing keys are.

A short-lived credential belongs to a *session*: obtained when a task starts, replaced at half of its time to
live for as long as the task acts.  Beside it, the holder gets its cloud role again before that session ends: by
federation, or from the metadata service of its node, which it asks when it first needs the role.  Some exchange their
token for a downstream one.  A static key has no session: one key, made long ago, serves all workloads of its identity
until it is rotated, if ever.

Times are microseconds since 1970 UTC, periods microseconds.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from scopedrift.scenarios import Scenario
from scopedrift.scenarios.catalogue import ActivitySpec, PlatformData
from scopedrift.simulator.expansion.activities import Activity, ActivityTable
from scopedrift.simulator.log.events import DAY, MINUTE, MISSING
from scopedrift.simulator.randomness import Quantiles, key

STANDING: Final = "static-key"
"""The kind that has no sessions."""


@dataclass(frozen=True)
class Cycle:
    """Something that a credential's holder does again and again."""

    activity: Activity
    period: int
    renews: bool = False
    """Whether it replaces the credential itself."""
    at_start: bool = True
    """Whether the start-up flow does it the first time."""
    lazy: bool = False
    """Whether it is done when it is first needed, within its first period, and not as the session begins."""


@dataclass(frozen=True)
class CredentialTerms:
    """What an identity authenticates with."""

    kind: str
    ttl: int
    """Microseconds that it works; 0: it does not end."""
    made_at: int = MISSING
    """When a standing key was made (microseconds since 1970 UTC); -1: its credentials belong to sessions."""


class Credentials:
    """Which credentials identities have, and what their holders repeat to keep them."""

    def __init__(self, scenario: Scenario, seed: int, platform: PlatformData, activities: ActivityTable) -> None:
        self._scenario = scenario
        self._seed = seed
        self._kinds = platform.credentials
        self._life = platform.credential_life
        self._activities = activities

    def terms(self, identity: str, kind: str | None = None) -> CredentialTerms:
        """The credential of an identity: of a `kind`, or one by the scenario's shares."""
        kind = kind or self._kind(identity)
        ttl = self._kinds[kind].ttl
        if kind == STANDING or ttl is None:
            return self._standing_key(identity)
        return CredentialTerms(kind, self._scenario.identities.credential.ttl or ttl)

    def _kind(self, identity: str) -> str:
        shares = self._scenario.identities.credential.shares
        edges = list(accumulate(shares.values()))
        u = key(self._seed, "credential kind", identity) / 2.0**64 * edges[-1]
        return list(shares)[bisect_right(edges[:-1], u)]

    def _standing_key(self, identity: str) -> CredentialTerms:
        """A key of some age when the simulation starts; a young one is under a rotation policy, an old one is not."""
        days = Quantiles.of(self._life.key_age_days)(key(self._seed, "key age", identity) / 2.0**64)
        period = self._life.rotation_days
        return CredentialTerms(
            STANDING, period * DAY if days < period else 0, self._scenario.start_us - round(days * DAY)
        )

    def cycles(self, workload: str, kind: str, half_life: int) -> tuple[Cycle, ...]:
        """What a workload that holds a kind of credential repeats; the renewal of the credential comes first."""
        if kind == STANDING:
            return ()
        spec, life = self._kinds[kind], self._life
        listed = [Cycle(self._sequence(*spec.renewal), half_life, renews=True)]
        if spec.role:
            role = self._chosen(workload, "role", life.role.shares)
            period = round(life.role_minutes * MINUTE)
            listed.append(Cycle(self._sequence(role or spec.role), period, at_start=not role, lazy=bool(role)))
        if exchange := self._chosen(workload, "exchange", life.exchange.shares):
            period = self._scenario.identities.downstream.ttl // 2
            listed.append(Cycle(self._sequence(exchange), period, at_start=False))
        return tuple(listed)

    def _sequence(self, *steps: str) -> Activity:
        return self._activities.add(f"credentials/{'+'.join(steps)}", ActivitySpec(sequence=steps, spread="even"))

    def _chosen(self, workload: str, what: str, shares: Mapping[str, float]) -> str:
        """The step that a workload takes, or none, by their shares."""
        u = key(self._seed, what, workload) / 2.0**64
        for step, share in shares.items():
            if u < share:
                return step
            u -= share
        return ""
