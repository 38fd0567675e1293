"""Scope drift and attack chains: ordered stages, each a technique, carried out by one SimPy process.

This is the only telling of an incident.  Where it takes place, in a simulated world or in a real log, is the
backend's: it says whom there is to hit, what would be refused, and how calls are recorded.  A refusal is tried
elsewhere, passed over, or ends the incident.

`strength` is 0 for smash and grab and 1 for stealth: it stretches the tempo, moves stages into the victim's own
tasks, takes calls, volumes and targets from what the victim does and may do, divides stages into portions,
and, above one half, begins in the baseline window so that detectors learn the incident as normal.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Final, Generic

import numpy as np
import simpy

from scopedrift.scenarios.catalogue import Pace, Stage, Technique, opening, operations
from scopedrift.simulator.expansion.occurrences import UNORDERED
from scopedrift.simulator.injection.attempt import Attempt, attempt
from scopedrift.simulator.injection.backend import Aim, Backend, StageCalls, Victim
from scopedrift.simulator.injection.incident_log import IncidentLog, OpenIncident
from scopedrift.simulator.injection.plan import IncidentPlan, patience
from scopedrift.simulator.injection.tempo import between
from scopedrift.simulator.log.events import HOUR, MINUTE, MISSING, SECOND
from scopedrift.simulator.log.truth import Incident
from scopedrift.simulator.runtime.platform import Process

ATTEMPTS: Final = 3
"""Calls made before a refusal is believed (assumed)."""
REFUSAL: Final = 20 * SECOND
"""How long it takes to believe a refusal (assumed)."""
RETRY: Final = Pace.parse("minutes")
"""How long an adversary waits before it tries elsewhere (assumed)."""
PORTIONS: Final = 5
"""At strength 1 a stage of many events is divided into this many (assumed)."""
DIVISIBLE: Final = 12
"""Fewer events than this are not divided (assumed)."""
LONGEST: Final = 12 * HOUR
"""No stage takes longer for being like the victim's (assumed)."""
PRIMERS: Final = (4, 12)
"""How often an adversary of strength 0.5 and 1 acts in the baseline to be learned as normal (assumed)."""
PRIMED: Final = (2, 7)
"""Calls that it makes each time: from the first, less than the second (assumed)."""
PRIMING: Final = 5 * MINUTE
"""How long they take at most (assumed)."""
PRIMED_UNTIL: Final = 10 * MINUTE
"""How long before the test window it stops (assumed)."""
PAUSES: Final = (0.2, 0.6)
"""A pause lasts this share of an equal pause, plus up to that much more (assumed)."""
SURE: Final = 3
"""A call that is expected at least this often by chance is taken to occur (assumed)."""
NOBODY: Final = "no victim"
"""Why an incident ended that nobody could be the victim of: it did not happen."""


def play(backend: Backend[Aim], plan: IncidentPlan, incidents: IncidentLog, rng: np.random.Generator) -> Process:
    """The process of one incident."""
    begins = plan.at if plan.primed_at < 0 else plan.primed_at
    yield backend.wait(max(begins - backend.now, 1))
    found = backend.find_victim()
    victim = found or Victim("", "", "")
    record = Incident(
        id=plan.name,
        label="attack" if plan.spec.attack else "scope_drift",
        template=plan.spec.template,
        identity=victim.identity,
        workload=victim.workload,
        family=victim.family,
        strength=plan.spec.strength,
        intent_at=backend.now,
        time_scale=plan.tempo.scale * plan.tempo.squeeze,
    )
    if found is None:
        incidents.open_incident(replace(record, ended_at=backend.now, end_reason=NOBODY), plan.spec.entry.enough)
        return
    course = _Course(backend, plan, incidents, incidents.open_incident(record, plan.spec.entry.enough), rng)
    if plan.primed_at >= 0:
        yield from course.prime(plan.test_begins - PRIMED_UNTIL)
        yield backend.wait(max(plan.at - backend.now, 1))
    yield from backend.take_foothold()
    yield from course.run()


@dataclass
class _Course(Generic[Aim]):
    """An incident on its way."""

    backend: Backend[Aim]
    plan: IncidentPlan
    incidents: IncidentLog
    incident: OpenIncident
    rng: np.random.Generator

    def _draw(self, length: Pace) -> int:
        """A wait or a length; who holds a credential that ends hurries."""
        return self.plan.tempo.draw(length, self.rng, patient=self.backend.hold.expires < 0)

    def run(self) -> Process:
        """One stage after the other, until one of them is refused for good."""
        ended = "completed"
        backend = self.backend
        for number, stage in enumerate(self.plan.stages):
            if self.rng.random() < stage.skip:
                self.incident.begin(stage.name, stage.technique.name, backend.now, "skipped")
                continue
            yield backend.wait(self._draw(stage.wait))
            yield from backend.wait_for_cover(stage.technique)
            self.incident.begin(stage.name, stage.technique.name, backend.now)
            result = yield from self._stage(stage, number)
            if result == "expired" or (result == "denied" and stage.vital):
                ended = result
                break
        self.incident.record = replace(self.incident.record, ended_at=backend.now, end_reason=ended)

    def _stage(self, stage: Stage, number: int) -> Generator[simpy.Event, object, str]:
        """One stage: try, log what comes of it; a refusal is tried elsewhere as often as the data say."""
        backend, technique, strength = self.backend, stage.technique, self.plan.spec.strength
        truth = self._truth(number, stage)
        if technique.image == "foreign":
            backend.fetch_image()
        for retry in range(1 + stage.retries):
            if retry:
                yield backend.wait(self._draw(RETRY))
            if backend.expired():  # what has ended cannot be presented: it leaves no record
                result = "expired"
                break
            tried = attempt(backend, technique, stage.aims, strength, self.rng)
            self.incident.tried(tried.in_entitlement, tried.in_scope)
            result = "success" if tried.succeeds else "denied"
            if tried.refused:
                lasts, count = round(REFUSAL * self.rng.random()), ATTEMPTS * len(tried.refused)
                if technique.refused:
                    count, lasts = self._volume(stage, self._draw(stage.pace))
                refused = StageCalls(technique, tried.refused, (), count, lasts, truth, "refused")
                if not (yield from backend.perform(refused, tried.aim)):
                    result = "expired"
                    break
            if tried.succeeds:
                if stage.impact:
                    self.incident.record = replace(self.incident.record, impact_at=backend.now)
                if not (yield from self._act(stage, tried, truth)):
                    result = "expired"
                    break
                if technique.yields:
                    backend.gain(technique.yields, self.plan.techniques(number))
                break
            yield backend.wait(REFUSAL)
        self.incident.over(backend.now, result)
        return result

    def _act(self, stage: Stage, tried: Attempt[Aim], truth: int) -> Generator[simpy.Event, object, bool]:
        """Do what is allowed, in one go or in portions that each hide in a task of the victim; whether all was done."""
        if not tried.made:
            return True
        backend, technique, strength = self.backend, stage.technique, self.plan.spec.strength
        lasts = self._draw(stage.pace)
        count, lasts = self._volume(stage, lasts)
        steps = self._opening(technique, tried, count)
        count = max(count, len(steps))
        ordered = bool(technique.activity.sequence)
        divided = backend.hold.inside and not ordered and count >= DIVISIBLE
        portions = 1 + round((PORTIONS - 1) * strength) if divided else 1
        for portion in range(portions):
            if portion:
                yield from backend.wait_for_cover(technique)
            part = count // portions + (portion < count % portions)
            length = max(lasts // portions, SECOND)
            first = () if portion else steps[:part]
            calls = StageCalls(technique, tried.made, first, part, length, truth)
            if not (yield from backend.perform(calls, tried.aim)):
                return False
        return True

    def _opening(self, technique: Technique, tried: Attempt[Aim], count: int) -> tuple[str, ...]:
        """The calls that come first.  As in benign work, some calls of a mix come at any time instead."""
        steps = opening(technique.activity, tried.made, count, operations())
        if technique.activity.sequence:
            return tuple(steps)
        total = sum(tried.made.values())
        rare = {call for call in technique.needs if count * tried.made.get(call, 0.0) < SURE * total}
        return tuple(call for call in steps if self.rng.random() >= UNORDERED or call in rare)

    def _volume(self, stage: Stage, lasts: int) -> tuple[int, int]:
        """Events and microseconds of a stage: between the technique's and those that the victim is used to."""
        weights, strength = stage.technique.activity.weights, self.plan.spec.strength
        shown = sum(weight for call, weight in weights.items() if self.backend.shows(call)) / sum(weights.values())
        own = max(between(*stage.events, self.rng) * shown, 1.0)
        habit = self.backend.habit()
        if habit is None:
            return max(round(own), 1), lasts
        events, length = habit
        like = min(own, float(max(events, 1)))
        theirs = float(min(max(length, SECOND), LONGEST))
        blended = lasts ** (1.0 - strength) * theirs**strength
        return max(round(own ** (1.0 - strength) * like**strength), 1), round(blended)

    def prime(self, until: int) -> Process:
        """Do a little of what is to come before the test window: few calls, all permitted, in the victim's tasks."""
        backend, plan, rng = self.backend, self.plan, self.rng
        stage = next((each for each in plan.stages if each.impact), plan.stages[-1])
        technique, truth = stage.technique, self._truth(MISSING, stage)
        least, most = PRIMERS
        times = least + round((most - least) * patience(plan.spec.strength))
        gap = (until - backend.now) / times
        for _ in range(times):
            yield backend.wait(max(round(gap * (PAUSES[0] + PAUSES[1] * rng.random())), 1))
            yield from backend.wait_for_cover(technique)
            if backend.now >= until:
                return
            tried = attempt(backend, technique, stage.aims, plan.spec.strength, rng)
            if tried.made:
                count, lasts = int(rng.integers(*PRIMED)), round(PRIMING * rng.random())
                steps = self._opening(technique, tried, count)
                calls = StageCalls(technique, tried.made, steps, max(count, len(steps)), lasts, truth, "primed", until)
                yield from backend.perform(calls, tried.aim)

    def _truth(self, number: int, stage: Stage) -> int:
        """The truth code of a stage's events."""
        record = self.incident.record
        return self.incidents.code(record.label, self.incident.index, number, stage.technique.name)
