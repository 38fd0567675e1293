"""The planner's backend for a simulated world: an incident acts on the running platform through a foothold.

A call succeeds only if the entitlement (or what was gained earlier), the credential's time to live and the run-time
policy allow it; what is refused is logged as denied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import simpy

from scopedrift.scenarios.catalogue import ActivitySpec, Operation, Targets, Technique
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.numbers import INCIDENT_STAGES
from scopedrift.simulator.expansion.rows import DENIED, NORMAL, Holder, StageRow
from scopedrift.simulator.injection.backend import Backend, StageCalls, Standing, Victim
from scopedrift.simulator.injection.foothold import FOREVER, WorldFoothold, fit, reach, use
from scopedrift.simulator.injection.plan import IncidentPlan
from scopedrift.simulator.injection.targets import select
from scopedrift.simulator.injection.tempo import between
from scopedrift.simulator.log.events import HOUR, MINUTE, MISSING, registry_of
from scopedrift.simulator.randomness import key
from scopedrift.simulator.runtime.platform import URGENT, Platform, Process
from scopedrift.simulator.world.entitlements import allows
from scopedrift.simulator.world.policy import UNGUARDED, Grant
from scopedrift.simulator.world.workload import Workload

PATIENCE: Final = 48 * HOUR
"""How long a thief waits for a victim to hold a credential that works (assumed)."""
COVER: Final = 12 * HOUR
"""How long an adversary waits for a task of the victim to hide in (assumed)."""
LOOK: Final = (MINUTE / 4, 4 * MINUTE)
"""How often it looks whether there is one: between these (assumed)."""
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
        self._key = key(platform.world.seed, "incident", plan.name)
        self.hold: WorldFoothold

    @property
    def now(self) -> int:
        """The simulated time."""
        return self._platform.now

    def wait(self, duration: int) -> simpy.Event:
        """An event that much later."""
        return self._platform.wait(duration)

    # --- whom it hits, and from where it acts

    def find_victim(self) -> Victim:
        """A workload of the wished families that has run; raises `ValueError` if nothing has run yet."""
        spec = self._plan.spec
        families = (spec.victim["family"],) if spec.victim else self._plan.spec.entry.victims.families
        active = [w for w in self._world.workloads.values() if w.last_task is not None]
        everybody = [w for w in active if not w.identity.orphaned]
        candidates = [w for w in active if w.family in families] or everybody
        if not candidates:
            raise ValueError(f"{spec.template}: no workload that it could begin from has run yet")
        victim = self._best(candidates, self._plan.techniques())
        self.hold = WorldFoothold.within(self._world, victim, self._key)
        return Victim(victim.identity.name, victim.name, victim.family)

    def _best(self, candidates: Sequence[Workload], techniques: Sequence[Technique]) -> Workload:
        """The most useful of some that are surveyed."""
        draws = self._rng.random(self._plan.surveyed).tolist()
        surveyed = [candidates[int(u * len(candidates))] for u in draws]
        return max(surveyed, key=lambda each: use(self._world, each, techniques, self._plan.spec.strength))

    def take_foothold(self) -> Process:
        """Inside the victim, with its credential from elsewhere, or as another workload under its identity."""
        template, victim = self._plan.spec.entry, self.hold.workload
        if template.foothold == "credential":  # wait until it holds one that works: what is stolen is what it uses
            until = self.now + PATIENCE
            while not victim.holds_credential(self.now) and self.now < until:
                yield self.wait(MINUTE)
        if template.foothold == "copy":
            others = [w for w in self._world.workloads.values() if w.last_task and w.identity is not victim.identity]
            other = others[int(self._rng.random() * len(others))] if others else victim
            self.hold = WorldFoothold.copied(self._world, victim, other, self._key)
            return
        self.hold = WorldFoothold.within(self._world, victim, self._key, inside=template.foothold == "workload")
        if template.foothold == "credential":
            if not template.renewable:
                self.hold.steal(self.now)
            if self._rng.random() < self._plan.outside:
                self.hold.actor = replace(self.hold.actor, sources=self._world.external)

    def wait_for_cover(self, technique: Technique) -> Process:
        """With a chance of the strength: wait for a task of the victim that does such things anyway."""
        world, hold = self._world, self.hold
        if self._rng.random() < self._plan.spec.strength and hold.expires < 0:
            seen, until = hold.workload.last_task, self.now + COVER
            fits = {world.code("task_kind", kind): fit(world, kind, [technique]) for kind in hold.workload.actors}
            best = max(fits.values(), default=0.0)
            while self.now < until:
                yield self.wait(round(between(*LOOK, self._rng)))
                last = hold.workload.last_task
                if last is None or last == seen:
                    continue
                if fits.get(world.actors[last.actor].task_kind, best) >= best:
                    break
        hold.follow(world)

    # --- what it may do

    def usual(self, call: str) -> bool:
        """Whether the purpose of the task that it acts in needs such calls."""
        kind = self.hold.actor.task_kind
        tools = self._world.task_tools(self._world.names["task_kind"][kind]) if kind >= 0 else frozenset()
        return self._world.operations.by_name[call].operation in tools

    def aim(self, targets: Targets) -> Mapping[str, int]:
        """A pool for each slot that the targets name."""
        return {slot: self._select(selector) for slot, selector in targets.items()}

    def standings(self, calls: Iterable[str], aim: Mapping[str, int]) -> tuple[Mapping[str, int], list[Standing]]:
        """By entitlement, declared scope, what was gained, and policy; other slots have pools of the own project."""
        bound, operations = dict(aim), [self._world.operations.by_name[call] for call in calls]
        for operation in operations:
            if operation.slot not in bound and operation.slot not in self.hold.actor.pools:
                bound[operation.slot] = self._select(f"own-{operation.slot}")
        return bound, [self._standing(operation, bound) for operation in operations]

    def _select(self, selector: str) -> int:
        return select(self._world, self.hold.workload, selector, self._rng)

    def _standing(self, operation: Operation, pools: Mapping[str, int]) -> Standing:
        hold, now = self.hold, self.now
        if operation.service in UNGUARDED:
            return Standing(True, True, True)
        pool = pools.get(operation.slot, hold.actor.pools.get(operation.slot, MISSING))
        places = self._world.projects_of(pool) or {self._world.names["project"][hold.actor.project]}

        def covered(grants: frozenset[Grant] | set[Grant]) -> bool:
            return all(allows(grants, operation.service, operation.access, place) for place in places)

        entitled, declared = covered(self._world.entitlements.of(hold.identity)), covered(hold.identity.declared)
        registry = registry_of(hold.image) if hold.image is not None else None
        if operation.image and registry is not None:
            declared &= registry in hold.identity.registries
        works = hold.expires < 0 or now < hold.expires
        permitted = (entitled and works) or (now < hold.grants_until and covered(hold.grants))
        permitted = permitted and not self._platform.denies(hold.actor.identity, operation, places, registry)
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
        self.hold.image = f"{pick[int(rng.random() * len(pick))]}:1.{int(rng.integers(0, IMAGE_VERSIONS))}.0"

    # --- what it logs

    def perform(self, calls: StageCalls, aim: Mapping[str, int]) -> Process:
        """Log calls as outages let them end; hold GPUs meanwhile if the technique needs some."""
        gpus = calls.technique.gpus
        if gpus:
            yield self._platform.gpus.request(gpus, URGENT)
        yield from super().perform(calls, aim)
        if gpus:
            self._platform.gpus.release(gpus)

    def log(self, calls: StageCalls, aim: Mapping[str, int]) -> int:
        """Log calls as the foothold's actor, aimed at pools, with the foreign image once it runs one."""
        world, hold, platform = self._world, self.hold, self._platform
        actor = hold.actor
        for slot, pool in aim.items():
            actor = actor.rebound(slot, pool)
        if hold.image is not None:
            repository = world.pool([hold.image.rsplit(":", 1)[0]], None)
            actor = replace(actor.rebound("image", repository), image=world.code("image", hold.image))
        holder = Holder(world.actors.add(actor), hold.job, hold.session, hold.anchor, truth=calls.truth)
        if hold.epoch < 0 and hold.identity is hold.workload.identity:  # whoever acts for long renews its credential
            for row in hold.workload.sessions.keep(holder, self.now, self.now + calls.lasts)[1]:
                platform.emit(row)
        platform.emit(
            StageRow(
                holder,
                stage=INCIDENT_STAGES.at(calls.number),
                activity=self._activity(calls).code,
                start=self.now,
                duration=max(calls.lasts, 1),
                events=calls.count,
                epoch=hold.epoch,
                outcome=self._platform.outcome() if calls.how == "made" else OUTCOMES[calls.how],
            )
        )
        return calls.lasts

    def _activity(self, calls: StageCalls) -> Activity:
        ordered = bool(calls.technique.activity.sequence)
        spec = ActivitySpec(sequence=tuple(calls.weights)) if ordered else ActivitySpec(mix=dict(calls.weights))
        return self._world.activities.add(f"technique/{calls.technique.name}/{list(calls.weights.items())}", spec)

    # --- what it gains

    def gain(self, what: str, ahead: Sequence[Technique]) -> None:
        """A downstream token, its project, a credential that does not end, or another identity."""
        world, hold = self._world, self.hold
        if what == "token":  # breadth and time to live are the scenario's
            hold.grants |= world.entitlements.downstream(hold.identity)
            hold.grants_until = max(hold.grants_until, self.now + world.scenario.identities.downstream.ttl)
        elif what == "admin":
            own = hold.workload.project.name
            hold.grants |= {grant for grant in world.entitlements.universe if grant.project == own}
            hold.expires, hold.grants_until = MISSING, FOREVER
        elif what == "credential":
            hold.expires = MISSING
        elif what == "identity":
            self._move_on(ahead)

    def _move_on(self, ahead: Sequence[Technique]) -> None:
        """Take another identity's credential, if one that works is at hand and of more use than the held one."""
        world, hold = self._world, self.hold
        others = [
            w
            for w in world.workloads.values()
            if w.identity is not hold.identity and not w.identity.orphaned and w.holds_credential(self.now)
        ]
        if not others:
            return
        other = self._best(others, ahead)
        if reach(world, other, ahead) <= reach(world, hold.workload, ahead) and hold.expires < 0:
            return
        moved = WorldFoothold.within(world, other, hold.key, inside=False)
        if self._rng.random() >= self._plan.spec.strength:
            moved.actor = replace(moved.actor, sources=hold.actor.sources)
        moved.image = hold.image
        moved.steal(self.now)
        self.hold = moved
