"""When injections happen: how many of each, onset, and whom they concern; all keyed by stable names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import numpy as np

from scopedrift.scenarios import Scenario
from scopedrift.scenarios.parts import ChangeSpec, IncidentSpec
from scopedrift.simulator.injection.changes import plan_change
from scopedrift.simulator.injection.incident_log import IncidentLog
from scopedrift.simulator.injection.incidents import play
from scopedrift.simulator.injection.plan import IncidentPlan, choose_stages, lengths, primed_at
from scopedrift.simulator.injection.tempo import tempo_of
from scopedrift.simulator.injection.world_backend import WorldBackend
from scopedrift.simulator.log.events import DAY, HOUR, MISSING
from scopedrift.simulator.randomness import generator
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.world.declarations import declared
from scopedrift.simulator.world.policy import Deployment

MONTH: Final = 30 * DAY
DELAYS: Final = 1.5
"""Incidents take so many times longer than their waits and stages, since they wait for others' tasks (assumed)."""
AT_FIRST: Final = (12 * HOUR, 1 / 8)
"""How long they wait for one at first: at most so long, and such a share of the test window (assumed)."""
AnySpec = TypeVar("AnySpec", ChangeSpec, IncidentSpec)


def start_injections(
    platform: Platform, incidents: IncidentLog, without: str | None, variants: Mapping[str, int] | None = None
) -> Deployment:
    """Start every change and incident of the scenario as a process; returns the declared deployment.

    Raises `ValueError` if `without` names no incident of the scenario.
    """
    scenario = platform.world.scenario
    calendar = list(platform.world.calendar)
    deployment = declared(platform.world)  # before anything changes
    for name, spec, rng in _instances(platform, scenario.changes):
        at = scenario.start_us + (spec.at if spec.at is not None else int(rng.random() * scenario.horizon))
        announced = bool(rng.random() < spec.announced)
        entry, process = plan_change(platform, incidents, name, spec, at, announced, rng)
        if entry is not None:
            calendar.append(entry)
        platform.env.process(process)
    names = []
    specs = scenario.incidents
    if scenario.strength is not None:
        specs = tuple(spec.model_copy(update={"strength": scenario.strength}) for spec in specs)
    for name, incident, rng in _instances(platform, specs):
        onset = rng.random()
        if variants and name in variants:  # the same incident at the same time, done otherwise
            rng = generator(platform.world.seed, "incident", name, "variant", variants[name])
        names.append(name)
        if name != without:
            plan = plan_incident(scenario, name, incident, onset, rng)
            platform.env.process(play(WorldBackend(platform, plan, rng), plan, incidents, rng))
    if without is not None and without not in names:
        raise ValueError(f"no incident {without!r} in scenario {scenario.name}: it has {', '.join(names) or 'none'}")
    return replace(deployment, calendar=tuple(sorted(calendar, key=lambda entry: (entry.start, entry.kind))))


def plan_incident(
    scenario: Scenario, name: str, spec: IncidentSpec, onset: float, rng: np.random.Generator
) -> IncidentPlan:
    """What an incident will do; the patient prime the baseline before.

    It begins (in intent) at the scenario's time, or as far into the test window as `onset` says, a share from 0 to 1 of
    the time that leaves it as long as it may be expected to take.  So incidents lie evenly about the middle.
    """
    stages, test_begins = choose_stages(spec.entry, rng), scenario.calibration_end_us
    test = scenario.end_us - test_begins
    primed = primed_at(spec.strength, scenario.start_us, test_begins, rng)
    tempo = tempo_of(lengths(stages), spec.strength, test)
    takes = DELAYS * tempo.expected(lengths(stages)) + min(AT_FIRST[0], AT_FIRST[1] * test)
    at = test_begins + int(onset * max(test - takes, 0))
    if spec.at is not None:
        at = scenario.start_us + spec.at
    return IncidentPlan(name, spec, stages, tempo, at, test_begins, primed if at >= test_begins else MISSING)


def _instances(platform: Platform, specs: Sequence[AnySpec]) -> Iterator[tuple[str, AnySpec, np.random.Generator]]:
    """Each instance of each spec: its name (`kind-1`, `kind-2`, ...), its spec and its own generator."""
    numbers: Counter[str] = Counter()
    seed = platform.world.seed
    for spec in specs:
        kind, what = spec.entry.name, "change" if isinstance(spec, ChangeSpec) else "incident"
        count = spec.instances
        if count is None:
            scenario = platform.world.scenario
            span = scenario.horizon if what == "change" else scenario.end_us - scenario.calibration_end_us
            mean = (spec.per_month or 0.0) * span / MONTH
            count = int(generator(seed, what, kind, "count").poisson(mean))
        for _ in range(count):
            numbers[kind] += 1
            name = f"{kind}-{numbers[kind]}"
            yield name, spec, generator(seed, what, name)
