"""When injections happen: how many of each, onset, and whom they concern; all keyed by stable names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from scopedrift.simulator.injection.changes import plan_change
from scopedrift.simulator.injection.incident_log import Ledger
from scopedrift.simulator.injection.incidents import plan_incident
from scopedrift.simulator.log.events import DAY
from scopedrift.simulator.randomness import generator
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.world.policy import Deployment

MONTH: Final = 30 * DAY


def start_injections(
    platform: Platform, ledger: Ledger, without: str | None, variants: Mapping[str, int] | None = None
) -> Deployment:
    """Start every change and incident of the scenario as a process; returns the declared deployment.

    Raises `ValueError` if `without` names no incident of the scenario.
    """
    scenario = platform.world.scenario
    calendar = list(platform.world.calendar)
    deployment = platform.world.deployment()  # as declared before anything changes
    for name, spec, rng in _instances(platform, scenario.changes, "change"):
        at = scenario.start_us + (spec.at if spec.at is not None else int(rng.random() * scenario.horizon))
        announced = bool(rng.random() < spec.announced)
        entry, process = plan_change(platform, ledger, name, spec, at, announced, rng)
        if entry is not None:
            calendar.append(entry)
        platform.env.process(process)
    names = []
    test = scenario.end_us - scenario.calibration_end_us
    incidents = scenario.incidents
    if scenario.strength is not None:
        incidents = tuple(spec.model_copy(update={"strength": scenario.strength}) for spec in incidents)
    for name, spec, rng in _instances(platform, incidents, "incident"):
        onset = rng.random()
        if variants and name in variants:  # the same incident at the same time, done otherwise
            rng = generator(platform.world.seed, "incident", name, "variant", variants[name])
        at = scenario.start_us + spec.at if spec.at is not None else scenario.calibration_end_us + int(onset * test)
        names.append(name)
        if name != without:
            platform.env.process(plan_incident(platform, ledger, name, spec, at, rng))
    if without is not None and without not in names:
        raise ValueError(f"no incident {without!r} in scenario {scenario.name}: it has {', '.join(names) or 'none'}")
    return Deployment(
        policy=deployment.policy,
        inventory=deployment.inventory,
        calendar=tuple(sorted(calendar, key=lambda entry: (entry.start, entry.kind))),
        task_tools=deployment.task_tools,
    )


def _instances(platform: Platform, specs: tuple[Any, ...], what: str) -> Iterator[tuple[str, Any, np.random.Generator]]:
    """Each instance of each spec: its name (`kind-1`, `kind-2`, ...), its spec and its own generator."""
    numbers: Counter[str] = Counter()
    seed = platform.world.seed
    for spec in specs:
        kind = spec.kind if what == "change" else spec.template
        count = spec.instances
        if count is None:
            scenario = platform.world.scenario
            span = scenario.horizon if what == "change" else scenario.end_us - scenario.calibration_end_us
            mean = spec.per_month * span / MONTH
            count = int(generator(seed, what, kind, "count").poisson(mean))
        for _ in range(count):
            numbers[kind] += 1
            name = f"{kind}-{numbers[kind]}"
            yield name, spec, generator(seed, what, name)
