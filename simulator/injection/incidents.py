"""Scope drift and attack chains: ordered stages, each a technique, run by a SimPy process on the live world.

A stage succeeds only if the entitlement (or what was gained earlier), the credential's time to live and the run-time
policy allow it; what is refused is logged as denied, and the incident goes elsewhere, goes on or ends.

`strength` is 0 for smash and grab and 1 for stealth: it stretches the tempo, moves stages into the victim's own
tasks, takes calls, volumes and targets from what the victim does and may do, divides stages into portions,
and, above one half, begins in the baseline window so that detectors learn the incident as normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Pace, Stage, Template
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.expansion.numbers import INCIDENT_STAGES
from scopedrift.simulator.expansion.rows import DENIED, Holder, StageRow
from scopedrift.simulator.injection.attempt import ATTEMPTS, Conduct, conduct, foreign_image, volume
from scopedrift.simulator.injection.foothold import Foothold, awake, find_victim, gain, lurk, take
from scopedrift.simulator.injection.incident_log import Ledger, OpenIncident
from scopedrift.simulator.injection.tempo import Tempo, stage_lengths, tempo_of
from scopedrift.simulator.log.events import MINUTE, MISSING, SECOND
from scopedrift.simulator.log.truth import Incident, StageTruth
from scopedrift.simulator.randomness import key
from scopedrift.simulator.runtime.platform import URGENT, Platform, Process

PORTIONS: Final = 5
"""At strength 1 a stage of many events is divided into this many (assumed)."""
DIVISIBLE: Final = 12
"""Fewer events than this are not divided (assumed)."""
RETRY: Final = Pace.parse("minutes")
"""How long an adversary waits before it tries elsewhere (assumed)."""
PRIMERS: Final = (4, 12)
"""How often an adversary of strength 0.5 and 1 acts in the baseline to be learned as normal (assumed)."""


@dataclass(frozen=True)
class Plan:
    """One incident before it begins."""

    name: str
    spec: IncidentSpec
    template: Template
    stages: tuple[Stage, ...]
    """Its stages, where the template leaves a choice the chosen ones."""
    tempo: Tempo
    primed_at: int
    """When it begins to prime the baseline, or -1."""

    @property
    def techniques(self) -> list[str]:
        """The technique of each stage."""
        return [stage.technique for stage in self.stages]


def plan_incident(
    platform: Platform, ledger: Ledger, name: str, spec: IncidentSpec, at: int, rng: np.random.Generator
) -> Process:
    """The process of one incident, which begins (in intent) at the time `at`, or with its priming."""
    scenario = platform.world.scenario
    template = spec.entry
    stages = tuple(_choose(alternatives, rng) for alternatives in template.stages)
    lengths = [stage_lengths(stage) for stage in stages]
    primed = MISSING
    prepared = scenario.calibration_end_us - scenario.start_us
    chance, moment = rng.random(2).tolist()
    if chance < 2.0 * spec.strength - 1.0 and at >= scenario.calibration_end_us:
        primed = scenario.start_us + round((0.3 + 0.4 * moment) * prepared)
    tempo = tempo_of(lengths, spec.strength, scenario.end_us - scenario.calibration_end_us)
    return _incident(platform, ledger, Plan(name, spec, template, stages, tempo, primed), at, rng)


def _choose(alternatives: Sequence[Stage], rng: np.random.Generator) -> Stage:
    if len(alternatives) == 1:
        return alternatives[0]
    edges = np.cumsum([stage.share for stage in alternatives])
    return alternatives[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def _incident(platform: Platform, ledger: Ledger, plan: Plan, at: int, rng: np.random.Generator) -> Process:
    begins = at if plan.primed_at < 0 else plan.primed_at
    yield platform.wait(max(begins - platform.now, 1))
    spec, strength = plan.spec, plan.spec.strength
    victim = find_victim(platform, spec, plan.template, plan.techniques, rng)
    record = Incident(
        id=plan.name,
        label="attack" if spec.attack else "scope_drift",
        template=spec.template,
        identity=victim.identity.name,
        workload=victim.name,
        family=victim.family,
        strength=strength,
        intent_at=platform.now,
        first_observable_at=MISSING,
        impact_at=MISSING,
        ended_at=MISSING,
        end_reason="",
        time_scale=plan.tempo.scale,
    )
    incident = ledger.open_incident(record)
    own = key(platform.world.seed, "incident", plan.name)
    if plan.primed_at >= 0:
        inside = take(platform, victim, "workload", strength, own, rng)
        yield from _prime(platform, ledger, incident, plan, inside, rng)
        yield platform.wait(max(at - platform.now, 1))
    if plan.template.foothold == "credential":
        yield from awake(platform, victim)
    hold = take(platform, victim, plan.template.foothold, strength, own, rng, plan.template.renewable)
    ended = "completed"
    for number, stage in enumerate(plan.stages):
        if rng.random() < stage.skip:
            incident.stages.append(_begun(platform, stage, "skipped"))
            continue
        yield platform.wait(plan.tempo.draw(stage.wait, rng, patient=hold.expires < 0))
        yield from lurk(platform, hold, stage.technique, strength, rng)
        incident.stages.append(_begun(platform, stage, "horizon"))
        result = yield from _stage(platform, ledger, incident, plan, hold, number, rng)
        if result == "expired" or (result == "denied" and stage.vital):
            ended = result
            break
    incident.record = replace(incident.record, ended_at=platform.now, end_reason=ended)


def _begun(platform: Platform, stage: Stage, outcome: str) -> StageTruth:
    """The truth of a stage that begins now; what is not finished by the horizon keeps it."""
    return StageTruth(stage.name, stage.technique, platform.now, MISSING, outcome, True, True)


def _stage(
    platform: Platform,
    ledger: Ledger,
    incident: OpenIncident,
    plan: Plan,
    hold: Foothold,
    number: int,
    rng: np.random.Generator,
) -> Any:
    """One stage: aim, ask permission as the platform would, log it; a refusal is tried elsewhere if data say so."""
    stage, strength = plan.stages[number], plan.spec.strength
    technique = catalogue.techniques()[stage.technique]
    truth = ledger.code(incident.record.label, incident.index, number, technique.name)
    targets = {**technique.targets, **stage.targets}
    if technique.image == "foreign" and hold.image is None:
        hold.image = foreign_image(platform, hold, strength, rng)
    for attempt in range(1 + stage.retries):
        if attempt:
            yield platform.wait(plan.tempo.draw(RETRY, rng, patient=hold.expires < 0))
        expired = 0 <= hold.expires <= platform.now
        done = conduct(platform, hold, technique, targets, strength, rng)
        at = INCIDENT_STAGES.at(256 * number + 32 * attempt)
        tried = incident.stages[-1]
        incident.stages[-1] = replace(
            tried,
            in_entitlement=tried.in_entitlement and done.in_entitlement,
            in_scope=tried.in_scope and done.in_scope,
        )
        if done.refused is not None:
            calls = ATTEMPTS * len(done.refused.operations)
            _emit(platform, hold, done, done.refused.code, round(20 * SECOND * rng.random()), calls, at, truth, DENIED)
        if done.succeeds:
            if stage.impact:
                incident.record = replace(incident.record, impact_at=platform.now)
            yield from _act(platform, hold, plan, stage, done, at + 1, truth, rng)
            if technique.yields:
                gain(platform, hold, technique.yields, plan.techniques[number + 1 :], strength, rng)
        else:
            yield platform.wait(20 * SECOND)
        result = "success" if done.succeeds else "expired" if expired else "denied"
        incident.stages[-1] = replace(incident.stages[-1], ended_at=platform.now, outcome=result)
        if result != "denied":
            break
    return result


def _act(
    platform: Platform,
    hold: Foothold,
    plan: Plan,
    stage: Stage,
    done: Conduct,
    at: int,
    truth: int,
    rng: np.random.Generator,
) -> Process:
    """Do what is allowed, in one go or in portions that each hide in a task of the victim."""
    if done.done is None:
        return
    strength, technique = plan.spec.strength, catalogue.techniques()[stage.technique]
    lasts = plan.tempo.draw(stage_lengths(stage)[1], rng, patient=hold.expires < 0)
    count, lasts = volume(stage.count or technique.count, lasts, hold.workload, strength, rng)
    count = max(count, done.done.steps)
    divided = hold.inside and not done.done.steps and count >= DIVISIBLE
    portions = 1 + round((PORTIONS - 1) * strength) if divided else 1
    gpus = technique.gpus
    for portion in range(portions):
        if portion:
            yield from lurk(platform, hold, stage.technique, strength, rng)
        if gpus:
            yield platform.gpus.request(gpus, URGENT)
        part = count // portions + (portion < count % portions)
        length = max(lasts // portions, SECOND)
        _emit(platform, hold, done, done.done.code, length, part, at + portion, truth, platform.outcome())
        yield platform.wait(length)
        if gpus:
            platform.gpus.release(gpus)


def _emit(
    platform: Platform,
    hold: Foothold,
    done: Conduct,
    activity: int,
    lasts: int,
    count: int,
    stage: int,
    truth: int,
    outcome: int,
) -> None:
    """Log calls as the foothold's actor, aimed at its targets, with the foreign image once it runs one."""
    world, actor = platform.world, hold.actor
    for slot, pool in done.pools.items():
        actor = actor.rebound(slot, pool)
    if hold.image is not None:
        repository = world.pool("resource", [hold.image.rsplit(":", 1)[0]], None)
        actor = replace(actor.rebound("image", repository), image=world.code("image", hold.image))
    number = world.actors.add(actor)
    holder = Holder(number, hold.job, hold.session, hold.anchor, truth=truth)
    if hold.epoch < 0 and hold.identity is hold.workload.identity:  # whoever acts for long renews its credential
        for row in hold.workload.sessions.keep(holder, platform.now, platform.now + lasts)[1]:
            platform.emit(row)
    platform.emit(
        StageRow(
            holder,
            stage=stage,
            activity=activity,
            start=platform.now,
            duration=max(lasts, 1),
            events=count,
            epoch=hold.epoch,
            outcome=outcome,
        )
    )


def _prime(
    platform: Platform,
    ledger: Ledger,
    incident: OpenIncident,
    plan: Plan,
    hold: Foothold,
    rng: np.random.Generator,
) -> Process:
    """Do a little of what is to come, before the test window: few calls, all permitted, within the victim's tasks."""
    strength = plan.spec.strength
    stage = next((s for s in plan.stages if s.impact), plan.stages[-1])
    technique = catalogue.techniques()[stage.technique]
    truth = ledger.code(incident.record.label, incident.index, MISSING, technique.name)
    targets = {**technique.targets, **stage.targets}
    least, most = PRIMERS
    times = least + round((most - least) * (2.0 * strength - 1.0))
    until = platform.world.scenario.calibration_end_us - 10 * MINUTE
    gap = (until - platform.now) / times
    for time in range(times):
        yield platform.wait(max(round(gap * (0.2 + 0.6 * rng.random())), 1))
        yield from lurk(platform, hold, technique.name, strength, rng)
        if platform.now >= until:
            return
        done = conduct(platform, hold, technique, targets, strength, rng)
        if done.done is not None:
            at = INCIDENT_STAGES.at(256 * (len(plan.stages) + time))
            calls = max(int(rng.integers(2, 7)), done.done.steps)
            _emit(platform, hold, done, done.done.code, round(5 * MINUTE * rng.random()), calls, at, truth, 0)
