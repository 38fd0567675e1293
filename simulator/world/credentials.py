"""The life of credentials: what obtaining and keeping them logs, and how old standing keys are.

A short-lived credential belongs to a *session*: obtained when a task starts, replaced at half of its time to
live for as long as the task acts.  Beside it, the holder gets its cloud role again before that session ends (by
federation, or from the metadata service of its node), and some exchange their token for a downstream one.  A
static key has no session: one key, made long ago, serves all workloads of its identity until it is rotated, if ever.

Times are microseconds since 1970 UTC, periods microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from scopedrift.scenarios.catalogue import ActivitySpec, CredentialLife
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.log.events import DAY, MINUTE
from scopedrift.simulator.randomness import Quantiles, key

if TYPE_CHECKING:
    from scopedrift.simulator.world.organisation import World

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


def cycles(world: World, workload: str, kind: str, half_life: int) -> tuple[Cycle, ...]:
    """What a workload that holds a kind of credential repeats; the renewal of the credential comes first."""
    spec, life = world.platform.credentials[kind], world.platform.credential_life
    if kind == STANDING:
        return ()

    def sequence(*steps: str) -> Activity:
        return world.activities.add(f"credentials/{'+'.join(steps)}", ActivitySpec(sequence=steps, spread="even"))

    def chosen(what: str, shares: Mapping[str, float]) -> str:
        """The step that this workload takes, or none, by their shares."""
        u = key(world.seed, what, workload) / 2.0**64
        for step, share in shares.items():
            if u < share:
                return step
            u -= share
        return ""

    listed = [Cycle(sequence(*spec.renewal), half_life, renews=True)]
    if spec.role:
        role = chosen("role", life.role.shares)
        listed.append(Cycle(sequence(role or spec.role), round(life.role_minutes * MINUTE)))
    if exchange := chosen("exchange", life.exchange.shares):
        period = world.scenario.identities.downstream.ttl // 2
        listed.append(Cycle(sequence(exchange), period, at_start=False))
    return tuple(listed)


@dataclass(frozen=True)
class StandingKey:
    """A key that does not end by itself: when it was made, and how often it is replaced (0: never)."""

    made_at: int
    rotation: int


def standing_key(life: CredentialLife, seed: int, identity: str, start: int) -> StandingKey:
    """The age of an identity's key at the time `start`, and whether it is under a rotation policy."""
    days = Quantiles.of(life.key_age_days)(key(seed, "key age", identity) / 2.0**64)
    period = life.rotation_days
    return StandingKey(start - round(days * DAY), period * DAY if days < period else 0)
