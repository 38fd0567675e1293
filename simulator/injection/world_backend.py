"""The planner's backend for a simulated world: an incident acts on the running platform through a foothold.

A call succeeds only if the entitlement (or what was gained earlier), the credential's time to live and the run-time
policy allow it; what is refused is logged as denied.  Every call is logged in a ride that is alive (`rides.py`); what
takes longer, or is more, than one ride holds goes on in the next.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import simpy

from scopedrift.scenarios.catalogue import ActivitySpec, Operation, Targets, Technique
from scopedrift.simulator.expansion.numbers import INCIDENT_STAGES
from scopedrift.simulator.expansion.rows import DENIED, NORMAL, StageRow
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.injection.backend import Backend, StageCalls, Standing, Victim
from scopedrift.simulator.injection.boarding import Boarding
from scopedrift.simulator.injection.foothold import FOREVER, WorldFoothold, reach, use
from scopedrift.simulator.injection.plan import IncidentPlan
from scopedrift.simulator.injection.targets import select
from scopedrift.simulator.log.events import MISSING, Array, registry_of
from scopedrift.simulator.runtime.platform import URGENT, Platform, Process
from scopedrift.simulator.world.entitlements import allows
from scopedrift.simulator.world.policy import UNGUARDED, Grant
from scopedrift.simulator.world.sessions import Sessions
from scopedrift.simulator.world.workload import Workload

FAMILIAR: Final = 0.5
"""Chance at strength 0 that a foreign image is one that others in the organisation use; 1 at strength 1 (assumed)."""
OUTCOMES: Final = {"refused": DENIED, "primed": NORMAL}
IMAGE_VERSIONS: Final = 40
"""Minor versions that an image may have (assumed)."""


class WorldBackend(Backend[Mapping[str, int]]):
    """One incident in the simulated world."""

    def __init__(self, platform: Platform, plan: IncidentPlan, rng: np.random.Generator) -> None:
        self._platform = platform
        self._world = platform.world
        self._plan = plan
        self._rng = rng
        self._boarding = Boarding(platform, plan, rng)
        self._rows = 0
        self.hold: WorldFoothold

    @property
    def now(self) -> int:
        """The simulated time."""
        return self._platform.now

    def wait(self, duration: int) -> simpy.Event:
        """An event that much later."""
        return self._platform.wait(duration)

    # --- whom it hits, and from where it acts

    def find_victim(self) -> Victim | None:
        """A workload that it can begin from and that has run; `None` if there is nobody like that."""
        spec = self._plan.spec
        victims = spec.entry.victims
        families = (spec.victim["family"],) if spec.victim else victims.families
        candidates = [
            w
            for w in self._world.workloads.values()
            if w.family in families and any(w.traces.known(victims.of(w.actors)))
        ]
        if spec.entry.foothold == "credential" and not spec.entry.renewable:
            candidates = self._boarding.worth_robbing(candidates)
        if not candidates:
            return None
        victim = self._busy(mates_of(self._best(candidates, self._plan.techniques()), candidates))
        self.hold = self._inside(victim)
        return Victim(victim.identity.name, victim.name, victim.family)

    def _inside(self, workload: Workload) -> WorldFoothold:
        kinds = tuple(self._plan.spec.entry.victims.of(workload.actors))
        return WorldFoothold(workload, workload.identity, kinds, workload.sessions)

    def _best(self, candidates: Sequence[Workload], techniques: Sequence[Technique]) -> Workload:
        """The most useful of some that are surveyed."""
        draws = self._rng.random(self._plan.surveyed).tolist()
        surveyed = [candidates[int(u * len(candidates))] for u in draws]
        return max(surveyed, key=lambda each: use(self._world, each, techniques, self._plan.spec.strength))

    def _busy(self, mates: Sequence[Workload]) -> Workload:
        """One of them, each as likely as it has a part in what they do."""
        edges = np.cumsum(parts(mates, self._plan.spec.entry.victims.of(mates[0].actors)))
        return mates[int(np.searchsorted(edges[:-1], self._rng.random() * edges[-1], side="right"))]

    def take_foothold(self) -> Process:
        """Inside the victim, with its credential from elsewhere, or as another workload under its identity."""
        template = self._plan.spec.entry
        self.hold.ride = self.hold.opened = None
        if template.foothold == "credential":
            self.hold.inside = False
            if not template.renewable and self.hold.identity.made_at < 0:
                yield from self._boarding.rob(self.hold)
            self.hold.outside = bool(self._rng.random() < self._plan.outside)
        elif template.foothold == "copy":
            self._copy()

    def _copy(self) -> None:
        """Be another workload, under the victim's identity."""
        world, victim = self._world, self.hold.identity
        others = [w for w in world.workloads.values() if w.traces and w.identity is not victim]
        if not others:
            return
        self.hold = self._inside(others[int(self._rng.random() * len(others))])
        cycles = world.credentials.cycles(self.hold.workload.name, victim.credential_kind, victim.half_life)
        self.hold.inside, self.hold.identity = False, victim
        self.hold.sessions = Sessions(cycles)

    def wait_for_cover(self, technique: Technique) -> Process:
        """With a chance of the strength: wait for a task of the victim that does such things anyway."""
        yield from self._boarding.wait_for_cover(self.hold, technique)

    def expired(self) -> bool:
        """Whether what it holds has ended."""
        return 0 <= self.hold.expires <= self.now

    # --- what it may do

    def _actor(self) -> Actor:
        """As whom it acts, or would if it acted now."""
        hold = self.hold
        ride = hold.ride or hold.opened
        return ride.actor if ride else hold.acting(self._world, hold.workload.actors[hold.kinds[0]], 0)

    def usual(self, call: str) -> bool:
        """Whether the purpose of the task that it acts in needs such calls."""
        kind = self._actor().task_kind
        tools = self._world.task_tools(self._world.names["task_kind"][kind]) if kind >= 0 else frozenset()
        return self._world.operations.by_name[call].operation in tools

    def aim(self, targets: Targets) -> Mapping[str, int]:
        """A pool for each slot that the targets name."""
        return {slot: self._select(selector) for slot, selector in targets.items()}

    def standings(self, calls: Iterable[str], aim: Mapping[str, int]) -> tuple[Mapping[str, int], list[Standing]]:
        """By entitlement, declared scope, what was gained, and policy; other slots have pools of the own project."""
        bound, operations = dict(aim), [self._world.operations.by_name[call] for call in calls]
        actor = self._actor()
        for operation in operations:
            if operation.slot not in bound and operation.slot not in actor.pools:
                bound[operation.slot] = self._select(f"own-{operation.slot}")
        return bound, [self._standing(operation, actor, bound) for operation in operations]

    def _select(self, selector: str) -> int:
        return select(self._world, self.hold.workload, selector, self._rng)

    def _standing(self, operation: Operation, actor: Actor, pools: Mapping[str, int]) -> Standing:
        hold = self.hold
        if operation.service in UNGUARDED:
            return Standing(True, True, True)
        pool = pools.get(operation.slot, actor.pools.get(operation.slot, MISSING))
        places = self._world.projects_of(pool) or {self._world.names["project"][actor.project]}

        def covered(grants: frozenset[Grant] | set[Grant]) -> bool:
            return all(allows(grants, operation.service, operation.access, place) for place in places)

        gained = self.now < hold.grants_until and covered(hold.grants)
        entitled, declared = (
            gained or covered(self._world.entitlements.of(hold.identity)),
            covered(hold.identity.declared),
        )
        registry = registry_of(hold.image) if hold.image is not None else None
        if operation.image and registry is not None:
            declared &= registry in hold.identity.registries
        works = gained or hold.copied_until < 0 or self.now < hold.copied_until
        permitted = entitled and works and not self._platform.denies(actor.identity, operation, places, registry)
        return Standing(entitled, declared, permitted)

    def habit(self) -> tuple[int, int] | None:
        """The victim's latest stage."""
        return self.hold.workload.last_stage

    def fetch_image(self) -> None:
        """An image from a registry that the workload never used; ordinary for somebody else if one is at hand.

        Where the identity is shared, that registry may be in its scope.
        """
        if self.hold.image is not None:
            return
        world, rng, known = self._world, self._rng, self._world.platform.world
        own = registry_of(self.hold.workload.image)
        used = sorted({w.image.rsplit(":", 1)[0] for w in world.workloads.values() if registry_of(w.image) != own})
        owner = world.projects[int(rng.random() * len(world.projects))]
        image = known.base_images[int(rng.random() * len(known.base_images))]
        public = [f"{registry}/{owner.name}/{image}" for registry in known.public_registries if registry != own]
        familiar = FAMILIAR + (1.0 - FAMILIAR) * self._plan.spec.strength
        pick = used if used and rng.random() < familiar else public
        self.hold.run(f"{pick[int(rng.random() * len(pick))]}:1.{int(rng.integers(0, IMAGE_VERSIONS))}.0")

    # --- what it logs

    def perform(self, calls: StageCalls, aim: Mapping[str, int]) -> Generator[simpy.Event, object, bool]:
        """Log calls, ride after ride; hold GPUs meanwhile if the technique needs some.

        Returns whether all of them were made: what it holds may end before.
        """
        gpus = calls.technique.gpus
        if gpus:
            yield self._platform.gpus.request(gpus, URGENT)
        made = yield from self._spread(calls, aim)
        if gpus:
            self._platform.gpus.release(gpus)
        return made

    def _spread(self, calls: StageCalls, aim: Mapping[str, int]) -> Generator[simpy.Event, object, bool]:
        """At an even pace, as many calls in each ride as it takes and has time for."""
        hold, steps, left = self.hold, calls.steps, calls.count
        pace = max(calls.lasts // max(left, 1), 1)
        while left:
            if hold.ride is None or not hold.ride.takes(self.now):
                yield from self._boarding.board(hold, calls.truth, calls.by)
            if hold.ride is None or self.now >= calls.by:
                return False
            ride = hold.ride
            part, length = ride.share(left, calls.count, pace, self.now)
            opening, steps = steps[:part], steps[part:]
            begun = length * len(opening) // part
            if opening:
                self._log(calls, aim, opening, len(opening), 0, begun)
            if part > len(opening):
                self._log(calls, aim, (), part - len(opening), begun, length - begun)
            hold.ride = ride.filled(part, self.now + length)
            left -= part
            yield self.wait(max(part * pace, length))
        return True

    def _log(
        self, calls: StageCalls, aim: Mapping[str, int], steps: tuple[str, ...], count: int, after: int, lasts: int
    ) -> None:
        """Log so many calls in the ride, `after` microseconds from now, aimed at pools; a foreign image is kept."""
        world, hold = self._world, self.hold
        assert hold.ride is not None
        actor = hold.ride.actor
        for slot, pool in aim.items():
            actor = actor.rebound(slot, pool)
        holder = hold.ride.holder(world, actor, calls.truth)
        pause = 0
        if hold.ride.renews:  # as everybody, it waits for the credentials that it needs
            pause, rows = hold.sessions.keep(holder, self.now, self.now + after + lasts)
            for row in rows:
                self._platform.emit(row)
        spec = ActivitySpec(sequence=steps, spread="even") if steps else ActivitySpec(mix=dict(calls.weights))
        name = f"technique/{calls.technique.name}/{steps or sorted(calls.weights.items())}"
        row = StageRow(
            holder,
            stage=INCIDENT_STAGES.at(self._rows),
            activity=world.activities.add(name, spec).code,
            start=self.now + after + pause,
            duration=max(lasts - pause, 1),
            events=count,
            outcome=self._platform.outcome() if calls.how == "made" else OUTCOMES[calls.how],
        )
        self._rows += 1
        self._platform.emit(row)

    # --- what it gains

    def gain(self, what: str, ahead: Sequence[Technique]) -> None:
        """A downstream token, its project, a credential that does not end, or another identity."""
        world, hold = self._world, self.hold
        if what == "token":  # breadth and time to live are the scenario's
            until = self.now + world.scenario.identities.downstream.ttl
            hold.minted(world.entitlements.downstream(hold.identity), until)
        elif what == "admin":
            own = hold.workload.project.name
            hold.grants |= {grant for grant in world.entitlements.universe if grant.project == own}
            hold.grants_until = FOREVER
            hold.free()
        elif what == "credential":
            hold.free()
        elif what == "identity":
            self._move_on(ahead)

    def _move_on(self, ahead: Sequence[Technique]) -> None:
        """Take another identity's credential, if one that works is at hand and of more use than the held one."""
        world, hold = self._world, self.hold
        others = [
            w
            for w in world.workloads.values()
            if w.identity is not hold.identity and not w.identity.orphaned and w.traces.live(self.now)
        ]
        if not others:
            return
        other = self._best(others, ahead)
        if reach(world, other, ahead) <= reach(world, hold.workload, ahead) and hold.expires < 0:
            return
        self.hold = WorldFoothold(other, other.identity, tuple(other.actors), other.sessions)
        self.hold.inside, self.hold.image = False, hold.image
        self.hold.outside = hold.outside and bool(self._rng.random() >= self._plan.spec.strength)
        if other.identity.made_at < 0:
            self.hold.bound_to(other.traces.live(self.now)[-1], self.now)


def mates_of(victim: Workload, candidates: Iterable[Workload]) -> list[Workload]:
    """The candidates that are of its family and share its identity: the victim is any of them."""
    return [each for each in candidates if each.identity is victim.identity and each.family == victim.family]


def parts(workloads: Sequence[Workload], kinds: Iterable[str]) -> Array:
    """The part of each workload in the events of all, added up over kinds of task."""
    events = np.array([[each.traces.events(kind) for kind in kinds] for each in workloads], float)
    parts: Array = (events / np.maximum(events.sum(axis=0), 1)).sum(axis=1)
    return parts
