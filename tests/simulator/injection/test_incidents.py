"""Incidents as they happen in a world: order, tempo, conduct by strength, priming, placement and truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import kstest

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.loader import load_text
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.events import DAY
from scopedrift.simulator.log.truth import SCOPE_DRIFT

Does = Callable[[Simulation], np.ndarray]
WORLD = """
name: many
horizon: 12d
windows: {{baseline: 3d, calibration: 2d}}
organisation: {{projects: 4, tenants: 4}}
load: 0.3
platform: {{contention: false}}
workloads:
  training: {{pipelines: 3}}
  inference: {{services: 3}}
  serverless: {{functions: 6}}
  runners: {{tenants: 6}}
  agents: {{agents: 3}}
incidents:
{incidents}
"""


def world(incidents: list[str], seed: int = 2) -> Simulation:
    text = "\n".join(f"  - {{{incident}}}" for incident in incidents)
    return simulate(load_text(WORLD.format(incidents=text)), seed)


@pytest.fixture(scope="module")
def everything() -> Simulation:
    """Every attack chain and drift three times, without stealth."""
    names = [f"attack: {name}, count: 3, strength: 0.0" for name in catalogue.chains()]
    return world([*names, *(f"drift: {name}, count: 3, strength: 0.0" for name in catalogue.drifts())])


@pytest.fixture(scope="module")
def stealthy() -> Simulation:
    names = [f"attack: {name}, count: 3, strength: 1.0" for name in catalogue.chains()]
    return world([*names, *(f"drift: {name}, count: 3, strength: 1.0" for name in catalogue.drifts())])


def test_every_template_takes_place(everything: Simulation) -> None:
    seen = {incident.template for incident in everything.truth.incidents if incident.first_observable_at >= 0}
    assert seen == set(catalogue.chains()) | set(catalogue.drifts())


def test_stages_follow_the_published_order(everything: Simulation) -> None:
    known = {**catalogue.chains(), **catalogue.drifts()}
    for incident in everything.truth.incidents:
        order = [stage.name for stage in known[incident.template].every_stage()]
        places = [order.index(stage.name) for stage in incident.stages]
        assert places == sorted(places), incident.template
        began = [stage.started_at for stage in incident.stages if stage.outcome != "skipped"]
        assert began == sorted(began), incident.template


def test_the_truth_of_stages_is_what_their_events_say(everything: Simulation, does: Does) -> None:
    """Of a stage that was refused, every call was denied; no event is before its stage."""
    log, truth = everything.log, everything.truth
    batch = log.batch(0, len(log))
    denied, time, done = batch.text("outcome") == "denied", batch["time"], does(everything)
    checked = 0
    for index, incident in enumerate(truth.incidents):
        mine = (truth.label >= SCOPE_DRIFT) & (truth.incident == index)
        for number, stage in enumerate(incident.stages):
            at = truth.event[mine & (truth.stage == number)]
            if not len(at) or stage.outcome == "horizon":
                continue
            assert stage.started_at <= time[at].min(), (incident.id, stage.name)
            if stage.outcome == "denied":
                assert denied[truth.event[mine & done & (truth.stage == number)]].all(), (incident.id, stage.name)
            checked += 1
    assert checked > 100


def test_why_an_incident_ended_is_what_its_stages_say(everything: Simulation) -> None:
    for incident in everything.truth.incidents:
        outcomes = [stage.outcome for stage in incident.stages]
        if incident.end_reason in ("denied", "expired"):
            assert outcomes[-1] == incident.end_reason, incident.id
        if incident.end_reason == "completed":
            assert "horizon" not in outcomes, incident.id
        assert incident.impact_at < 0 or incident.impact_at >= incident.intent_at
    reasons = {incident.end_reason for incident in everything.truth.incidents}
    assert "completed" in reasons and len(reasons) > 1


def test_stealth_is_slower_quieter_and_stays_inside(everything: Simulation, stealthy: Simulation) -> None:
    def facts(simulation: Simulation) -> tuple[float, float, float]:
        truth = simulation.truth
        mine = truth.incident[(truth.label >= SCOPE_DRIFT) & (truth.stage >= 0)]
        counts = np.bincount(mine, minlength=len(truth.incidents))
        lasted = [
            i for i in truth.incidents if i.end_reason in ("completed", "horizon")
        ]  # or longer, where it is cut off
        whole = [i.ended_at - i.stages[0].started_at for i in lasted if i.stages]
        inside = np.mean([i.in_entitlement for i in truth.incidents])
        return float(np.median(counts)), float(np.median(whole)), float(inside)

    (loud, fast, free), (quiet, slow, careful) = facts(everything), facts(stealthy)
    assert quiet < 0.7 * loud
    assert slow > 2 * fast
    assert careful > free


def test_only_patient_adversaries_prime_the_baseline_and_the_truth_says_so(
    everything: Simulation, stealthy: Simulation
) -> None:
    assert all(incident.primed_at < 0 for incident in everything.truth.incidents)
    primed = [index for index, incident in enumerate(stealthy.truth.incidents) if incident.primed_at >= 0]
    assert len(primed) > 0.5 * len(stealthy.truth.incidents)
    log, truth = stealthy.log, stealthy.truth
    early = truth.event[(truth.label >= SCOPE_DRIFT) & (truth.stage < 0)]
    batch = log.batch(0, len(log))
    assert (batch["time"][early] < stealthy.scenario.calibration_end_us).all()
    assert (batch.text("outcome")[early] == "denied").mean() < 0.05
    for index in primed:
        incident = truth.incidents[index]
        own = truth.event[(truth.label >= SCOPE_DRIFT) & (truth.incident == index)]
        assert incident.primed_at == batch["time"][own].min()
        assert incident.first_observable_at < 0 or incident.first_observable_at > incident.primed_at


def test_incidents_lie_evenly_in_the_window_and_over_the_day() -> None:
    found = world(["attack: rogue-job, count: 80", "drift: misconfigured-pipeline, count: 80"], seed=4)
    start, end = found.scenario.calibration_end_us, found.scenario.end_us
    onsets = np.array([incident.intent_at for incident in found.truth.incidents])
    middles = np.array([(i.first_observable_at + i.ended_at) / 2 for i in found.truth.incidents if i.stages])
    assert len(onsets) == 160
    assert np.mean((middles - start) / (end - start)) == pytest.approx(0.5, abs=0.06)
    assert np.std((onsets - start) / (end - start)) > 0.2, "over all of it"
    assert kstest(onsets % DAY / DAY, "uniform").pvalue > 0.01


def test_density_goes_down_to_one_in_months() -> None:
    counts = [len(world(["attack: rogue-job, per_month: 0.5"], seed).truth.incidents) for seed in range(6)]
    assert sum(counts) < 6 and max(counts) <= 2


def test_an_incident_that_comes_too_late_never_reaches_its_impact() -> None:
    found = world(["attack: nx-unc6426, at: 287h, strength: 0.0"])
    (incident,) = found.truth.incidents
    assert incident.impact_at < 0 and incident.end_reason == "horizon"


def test_one_dial_sets_the_strength_of_all() -> None:
    text = WORLD.format(incidents="  - {attack: rogue-job, strength: 0.1}\n  - {drift: eager-retry}")
    text += "strength: 0.7\n"
    assert {incident.strength for incident in simulate(load_text(text), 1).truth.incidents} == {0.7}
