"""Benign changes: sanctioned changes of behaviour, announced on the change calendar or not.

A kind of change is a YAML file whose `effects` are made of a few mechanisms:

- `migrate_registry`: workloads pull and create from another registry from now on;
- `relocate`: they call from other addresses, those of another project's nodes;
- `rebind: {slot: selector}`: workloads use other resources from now on;
- `burst`: workloads (or `by: one` of them) additionally do an activity, once or repeatedly;
- `restart`: workloads start again (credentials, secrets, images);
- `surge`: their load is multiplied for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scopedrift.scenarios.catalogue import Burst, Effect, Reach, Surge
from scopedrift.scenarios.parts import ChangeSpec
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.numbers import CHANGE_TASKS
from scopedrift.simulator.expansion.rows import Holder, StageRow
from scopedrift.simulator.injection.incident_log import Ledger
from scopedrift.simulator.injection.targets import select
from scopedrift.simulator.log.truth import BenignChange
from scopedrift.simulator.randomness import Quantiles, key
from scopedrift.simulator.runtime.platform import Platform, Process
from scopedrift.simulator.world.organisation import Workload, World
from scopedrift.simulator.world.policy import CalendarEntry, Grant


def plan_change(
    platform: Platform, ledger: Ledger, name: str, spec: ChangeSpec, at: int, announced: bool, rng: np.random.Generator
) -> tuple[CalendarEntry | None, Process]:
    """Decide whom a change concerns; return its calendar entry (if announced) and its process."""
    world = platform.world
    kind = spec.entry
    workloads = _concerned(platform, kind.scope, rng)
    nodes = world.projects[int(rng.random() * len(world.projects))].nodes
    end = min(at + kind.lasts, world.scenario.end_us)
    identities = tuple(sorted({workload.identity.name for workload in workloads}))
    index = ledger.add_change(BenignChange(name, spec.kind, at, end, announced, identities))
    truth = ledger.code("benign_change", index)
    registry = ""
    if any(effect.migrate_registry for effect in kind.effects):
        registry = (
            f"registry.{world.company}-{rng.integers(2, 9)}.example" if rng.random() < 0.5 else _public(platform, rng)
        )
    rebinds = {
        w.name: {s: select(world, w, sel, rng) for s, sel in e.rebind.items()}
        for e in kind.effects
        if e.rebind
        for w in workloads
    }
    bursts = [
        (burst, world.activities.add(f"change/{spec.kind}/{i}", burst.activity)) for i, burst in enumerate(kind.bursts)
    ]
    entry = None
    if announced:
        grants = {
            Grant(operation.service, operation.access, project)
            for workload in workloads
            for project in _projects(platform, workload, rebinds)
            for _, activity in bursts
            for operation in activity.operations
        }
        for workload in workloads:
            for slot, pool in rebinds.get(workload.name, {}).items():
                used = {(o.service, o.access) for o in world.operations.all if o.slot == slot}
                grants |= {Grant(s, a, p) for p in world.projects_of(pool) for s, a in used}
        registries = frozenset([registry] if registry else [])
        entry = CalendarEntry(spec.kind, at, end, frozenset(identities), frozenset(grants), registries)
    return entry, _change(platform, name, workloads, kind.effects, bursts, rebinds, registry, nodes, truth, at, rng)


def _change(
    platform: Platform,
    name: str,
    workloads: Sequence[Workload],
    effects: Sequence[Effect],
    bursts: Sequence[tuple[Burst, Activity]],
    rebinds: Mapping[str, Mapping[str, int]],
    registry: str,
    nodes: int,
    truth: int,
    at: int,
    rng: np.random.Generator,
) -> Process:
    world = platform.world
    yield platform.wait(max(at - platform.now, 1))
    for effect in effects:
        for workload in workloads:
            if effect.migrate_registry:
                _, _, path = workload.image.partition("/")
                world.set_image(workload, f"{registry}/{path}", truth)
            if effect.relocate:
                for kind, number in workload.actors.items():
                    workload.actors[kind] = world.actors.add(replace(world.actors[number], sources=nodes))
            if effect.rebind:
                for slot, pool in rebinds[workload.name].items():
                    world.rebind(workload, slot, pool, truth)
            if effect.restart:
                workload.restarts += 1
            if effect.surge is not None:
                workload.load *= effect.surge.factor
                platform.env.process(_calm(platform, workload, effect.surge))
    tag = key(world.seed, "change", name) % (1 << 24)
    for spec, activity in bursts:
        for workload in workloads[: 1 if spec.by == "one" else None]:
            draws = rng.random((64, 3)).tolist()
            targets = {slot: select(world, workload, chosen, rng) for slot, chosen in spec.targets.items()}
            actor = _aimed(world, workload, activity, targets, rng)
            platform.env.process(_burst(platform, workload, spec, activity, actor, truth, draws, tag))


def _calm(platform: Platform, workload: Workload, spec: Surge) -> Process:
    yield platform.wait(spec.lasts)
    workload.load /= spec.factor


def _burst(
    platform: Platform,
    workload: Workload,
    spec: Burst,
    activity: Activity,
    actor: int,
    truth: int,
    draws: list[list[float]],
    tag: int,
) -> Process:
    """`times` bursts of an activity by a workload, `every` so often; `tag` numbers the change's own tasks."""
    count = Quantiles.of(spec.count)
    for i in range(min(spec.times, len(draws))):
        row = draws[i]
        job = CHANGE_TASKS.at(64 * tag + i)
        lasts = max(round(spec.duration * (0.5 + row[0])), 1)
        platform.emit(
            StageRow(
                Holder(actor, job, workload.session(job), platform.now, truth=truth),
                stage=0,
                activity=activity.code,
                start=platform.now,
                duration=lasts,
                events=max(round(count(row[1])), 1),
                outcome=platform.outcome(),
            )
        )
        yield platform.wait(round(spec.every * (0.7 + 0.6 * row[2])))


def _aimed(
    world: World, workload: Workload, activity: Activity, targets: Mapping[str, int], rng: np.random.Generator
) -> int:
    """The workload's actor with these pools, and with others' where the activity needs slots that it does not use."""
    actor = world.actors[next(iter(workload.actors.values()))]
    for slot in dict.fromkeys(operation.slot for operation in activity.operations):
        if slot in targets or slot not in actor.pools:
            actor = actor.rebound(
                slot, targets[slot] if slot in targets else select(world, workload, f"own-{slot}", rng)
            )
    return world.actors.add(actor)


def _concerned(platform: Platform, scope: Reach, rng: np.random.Generator) -> list[Workload]:
    """Workloads that a change concerns: of some families (any, if none of these run), in one project, or just one."""
    everybody = [w for w in platform.world.workloads.values() if not w.identity.orphaned]
    candidates = [w for w in everybody if not scope.families or w.family in scope.families] or everybody
    if not candidates:
        return []
    first = candidates[int(rng.random() * len(candidates))]
    if scope.reach == "one":
        return [first]
    candidates = [w for w in candidates if w.project.name == first.project.name]
    chosen = [w for w, u in zip(candidates, rng.random(len(candidates)), strict=True) if u < scope.share]
    return chosen or [first]


def _projects(platform: Platform, workload: Workload, rebinds: Mapping[str, Mapping[str, int]]) -> set[str]:
    projects = {workload.project.name}
    for pool in rebinds.get(workload.name, {}).values():
        projects |= platform.world.projects_of(pool)
    return projects


def _public(platform: Platform, rng: np.random.Generator) -> str:
    registries = platform.world.platform.world.public_registries
    return registries[int(rng.random() * len(registries))]
