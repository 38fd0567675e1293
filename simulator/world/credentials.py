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
from scopedrift.simulator.log.events import DAY, MINUTE, MISSING, SECOND
from scopedrift.simulator.randomness import Quantiles, key

if TYPE_CHECKING:
    from scopedrift.simulator.runtime.platform import Platform
    from scopedrift.simulator.world.organisation import Workload, World

STANDING: Final = "static-key"
"""The kind that has no sessions."""
LEAD: Final = 2 * SECOND
"""A successor is obtained this long before it is used (assumed)."""
RENEWALS: Final = 1_000_000
"""Stage numbers from here on are renewals, so that their number does not shift the other stages'."""
NEXT_START: Final = 1 << 36
"""Between the sessions of one task that starts again."""


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


class Sessions:
    """The credential sessions of one workload: until when each has what it needs.

    A session whose periods are all over is forgotten: should it act again, it obtains everything anew either way.
    """

    __slots__ = ("_due", "_limit", "_ready")

    def __init__(self) -> None:
        self._due: dict[int, list[int]] = {}
        self._ready: dict[int, int] = {}
        self._limit = 64

    def start(self, session: int, cycles: tuple[Cycle, ...], now: int, ready: int) -> None:
        """Note that a start-up flow obtains what it obtains from now on; it is over at the time `ready`."""
        self._ready[session] = ready
        self._note(session, [now + c.period if c.at_start else now for c in cycles], now)

    def until(self, session: int, anchor: int) -> int:
        """When the newest credential of a session that was begun at `anchor` is due to be replaced."""
        due = self._due.get(session)
        return due[0] if due else anchor

    def keep(
        self,
        platform: Platform,
        workload: Workload,
        until: int,
        *,
        actor: int,
        job: int,
        session: int,
        anchor: int,
        behalf: int = MISSING,
        truth: int = 0,
    ) -> int:
        """Record what keeps a session that began at `anchor` alive from now to `until`.

        Returns how long it takes to obtain what is needed right now: when the session begins, or has slept.
        An injection (with its `truth`) that acts within a session only renews the credential, and leaves no trace
        in what the workload itself will do.
        """
        now, cycles = platform.now, workload.cycles
        pause = max(self._ready.get(session, now) - now, 0)
        due = self._due.get(session)
        if not cycles or (due is not None and until < min(due)):
            return pause
        if due is None:
            due = [anchor] * len(cycles)
            if not truth:
                self._note(session, due, now)
        for lane, cycle in enumerate(cycles[:1] if truth else cycles):
            period = cycle.period
            number = (max(due[lane], now) - anchor) // period
            while anchor + number * period <= until:
                steps = len(cycle.activity.operations)
                start = anchor + number * period - LEAD
                if start < now:
                    start = now + pause
                    pause += LEAD
                platform.emit(
                    cycle.activity.code, actor, start, LEAD, steps, job, RENEWALS * (lane + 1) + number,
                    session, anchor, number if cycle.renews else -1, 0, truth, behalf,
                )  # fmt: skip
                number += 1
            if not truth:
                due[lane] = anchor + number * period
        if pause and not truth:  # whatever else of the session begins meanwhile waits for it too
            self._ready[session] = now + pause
        return pause

    def _note(self, session: int, due: list[int], now: int) -> None:
        if due:
            self._due[session] = due
        if len(self._due) + len(self._ready) > self._limit:
            self._due = {each: when for each, when in self._due.items() if max(when) >= now}
            self._ready = {each: when for each, when in self._ready.items() if when >= now}
            self._limit = 2 * (len(self._due) + len(self._ready)) + 64


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
