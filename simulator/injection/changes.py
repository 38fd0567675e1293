"""Benign changes: sanctioned changes of behaviour, announced on the change calendar or not.

Whom a change concerns, and all that it will set, is drawn before the world runs, so that it can be announced; its
effects (`scenarios/catalogue/changes.py`) take place when it begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from scopedrift.scenarios.catalogue import Burst, Change, Effect, Reach, Surge
from scopedrift.scenarios.parts import ChangeSpec
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.numbers import CHANGE_TASKS
from scopedrift.simulator.expansion.rows import Holder, StageRow
from scopedrift.simulator.injection.incident_log import IncidentLog
from scopedrift.simulator.injection.targets import select
from scopedrift.simulator.log.events import MISSING
from scopedrift.simulator.log.truth import BenignChange
from scopedrift.simulator.randomness import Quantiles, key
from scopedrift.simulator.runtime.platform import Platform, Process
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import CalendarEntry, Grant
from scopedrift.simulator.world.rollout import rebind, set_image
from scopedrift.simulator.world.workload import Project, Workload

TAGS: Final = 1 << 24
"""How many numbers there are to distinguish changes by."""
MOST_BURSTS: Final = 64
"""Most bursts that one effect causes in one workload."""
OWN_REGISTRY: Final = 0.5
"""Chance that a new registry is the organisation's own, not a public one (assumed)."""
REGISTRY_NUMBERS: Final = (2, 9)
"""The number in its name: from the first, less than the second (assumed)."""
LENGTHS: Final = (0.5, 1.0)
"""A burst takes this share of the length in the catalogue, or up to that much more (assumed)."""
PAUSES: Final = (0.7, 0.6)
"""Bursts follow each other after this share of the pause in the catalogue, or up to that much more (assumed)."""

Rebinds = dict[str, dict[str, int]]
"""Workload -> slot -> the pool that it uses from then on."""


def burst_length(burst: Burst, u: float) -> int:
    """How long a burst takes, for a uniform draw; microseconds."""
    least, more = LENGTHS
    return max(round(burst.duration * (least + more * u)), 1)


def burst_pause(burst: Burst, u: float) -> int:
    """How long after a burst the next one begins, for a uniform draw; microseconds."""
    least, more = PAUSES
    return round(burst.every * (least + more * u))


def plan_change(
    platform: Platform,
    incidents: IncidentLog,
    name: str,
    spec: ChangeSpec,
    at: int,
    announced: bool,
    rng: np.random.Generator,
) -> tuple[CalendarEntry | None, Process]:
    """Decide whom a change concerns; return its calendar entry (if announced) and its process."""
    world, kind = platform.world, spec.entry
    workloads = _concerned(world, kind.scope, rng)
    host = world.projects[int(rng.random() * len(world.projects))]
    end = min(at + kind.lasts, world.scenario.end_us)
    identities = tuple(sorted({workload.identity.name for workload in workloads}))
    index = incidents.add_change(BenignChange(name, spec.kind, at, end, announced, identities))
    registry = _registry(world, rng) if any(effect.migrate_registry for effect in kind.effects) else ""
    rebinds = {
        w.name: {slot: select(world, w, selector, rng) for slot, selector in effect.rebind.items()}
        for effect in kind.effects
        if effect.rebind
        for w in workloads
    }
    truth = incidents.code("benign_change", index)
    rollout = _Rollout(platform, name, kind, workloads, registry, rebinds, host, truth)
    entry = None
    if announced:
        registries = frozenset([registry] if registry else [])
        entry = CalendarEntry(spec.kind, at, end, frozenset(identities), rollout.grants(), registries)
    return entry, rollout.run(at, rng)


@dataclass(frozen=True)
class _Rollout:
    """A change that is decided."""

    platform: Platform
    name: str
    kind: Change
    workloads: Sequence[Workload]
    registry: str
    """Where images come from afterwards, if it moves them."""
    rebinds: Rebinds
    host: Project
    """On whose nodes workloads run afterwards, if it moves them."""
    truth: int

    def _activity(self, number: int) -> Activity:
        """What burst number so many does."""
        activities = self.platform.world.activities
        return activities.add(f"change/{self.kind.name}/{number}", self.kind.bursts[number].activity)

    def grants(self) -> frozenset[Grant]:
        """What it newly allows."""
        world, found = self.platform.world, set[Grant]()
        called = [o for number in range(len(self.kind.bursts)) for o in self._activity(number).operations]
        for workload in self.workloads:
            projects = {workload.project.name}
            for slot, pool in self.rebinds.get(workload.name, {}).items():
                projects |= world.projects_of(pool)
                used = {(o.service, o.access) for o in world.operations.all if o.slot == slot}
                found |= {Grant(s, a, project) for project in world.projects_of(pool) for s, a in used}
            found |= {Grant(o.service, o.access, project) for project in projects for o in called}
        return frozenset(found)

    def run(self, at: int, rng: np.random.Generator) -> Process:
        """Wait until the time `at`, then change what is there, then start the bursts."""
        platform, world = self.platform, self.platform.world
        yield platform.wait(max(at - platform.now, 1))
        for effect in self.kind.effects:
            for workload in self.workloads:
                self._apply(effect, workload)
        for number, burst in enumerate(self.kind.bursts):
            for workload in self.workloads[: 1 if burst.by == "one" else None]:
                draws = rng.random((MOST_BURSTS, 3)).tolist()
                targets = {slot: select(world, workload, selector, rng) for slot, selector in burst.targets.items()}
                actor = _aimed(world, workload, self._activity(number), targets, rng)
                platform.env.process(self._repeat(workload, number, actor, draws))

    def _apply(self, effect: Effect, workload: Workload) -> None:
        world = self.platform.world
        if effect.migrate_registry:
            _, _, path = workload.image.partition("/")
            set_image(world, workload, f"{self.registry}/{path}", self.truth)
        if effect.relocate:
            for kind, number in workload.actors.items():
                workload.actors[kind] = world.actors.add(replace(world.actors[number], sources=self.host.nodes))
        if effect.rebind:
            for slot, pool in self.rebinds[workload.name].items():
                rebind(world, workload, slot, pool, self.truth)
        if effect.restart:
            workload.restarts += 1
        if effect.surge is not None:
            workload.load *= effect.surge.factor
            self.platform.env.process(self._calm(workload, effect.surge))

    def _calm(self, workload: Workload, surge: Surge) -> Process:
        yield self.platform.wait(surge.lasts)
        workload.load /= surge.factor

    def _repeat(self, workload: Workload, number: int, actor: int, draws: list[list[float]]) -> Process:
        """One burst after the other, by one workload, as tasks of the change."""
        platform, burst = self.platform, self.kind.bursts[number]
        count, activity = Quantiles.of(burst.count), self._activity(number)
        tag = key(platform.world.seed, "change", self.name) % TAGS
        behalf = workload.principals[tag % len(workload.principals)] if workload.principals else MISSING
        for at, (length, size, pause) in enumerate(draws[: burst.times]):
            job = CHANGE_TASKS.at(MOST_BURSTS * tag + at)
            platform.emit(
                StageRow(
                    Holder(actor, job, workload.session(job), platform.now, behalf, self.truth),
                    stage=0,
                    activity=activity.code,
                    start=platform.now,
                    duration=burst_length(burst, length),
                    events=max(round(count(size)), 1),
                    outcome=platform.outcome(),
                )
            )
            yield platform.wait(burst_pause(burst, pause))


def _aimed(
    world: SimulatedWorld, workload: Workload, activity: Activity, targets: Mapping[str, int], rng: np.random.Generator
) -> int:
    """The workload's actor with these pools, and with others' where the activity needs slots that it does not use."""
    actor = world.actors[next(iter(workload.actors.values()))]
    for slot in dict.fromkeys(operation.slot for operation in activity.operations):
        if slot in targets or slot not in actor.pools:
            actor = actor.rebound(
                slot, targets[slot] if slot in targets else select(world, workload, f"own-{slot}", rng)
            )
    return world.actors.add(actor)


def _concerned(world: SimulatedWorld, scope: Reach, rng: np.random.Generator) -> list[Workload]:
    """Workloads that a change concerns: of some families (any, if none of these run), in one project, or just one."""
    everybody = [w for w in world.workloads.values() if not w.identity.orphaned]
    candidates = [w for w in everybody if not scope.families or w.family in scope.families] or everybody
    if not candidates:
        return []
    first = candidates[int(rng.random() * len(candidates))]
    if scope.reach == "one":
        return [first]
    candidates = [w for w in candidates if w.project.name == first.project.name]
    chosen = [w for w, u in zip(candidates, rng.random(len(candidates)), strict=True) if u < scope.share]
    return chosen or [first]


def _registry(world: SimulatedWorld, rng: np.random.Generator) -> str:
    """Another registry: one of the organisation's own, or a public one."""
    if rng.random() < OWN_REGISTRY:
        return f"registry.{world.company}-{rng.integers(*REGISTRY_NUMBERS)}.example"
    public = world.platform.world.public_registries
    return public[int(rng.random() * len(public))]
