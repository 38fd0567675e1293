"""Adversaries that adapt: bounded queries, the same background, the least suspicious of what was tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from scopedrift.detectors import loading
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.windows import LabelledWorld
from scopedrift.experiments.running import worlds
from scopedrift.experiments.running.worlds import make_world
from scopedrift.scenarios.loader import load_text, override
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.engine import Simulation, simulate

Adapted = tuple[LabelledWorld, dict[str, int]]
SEED = 2
SCENARIO = """
name: adaptive
horizon: 8d
windows: {baseline: 3d, calibration: 2d}
organisation: {projects: 3}
platform: {contention: false}
adaptive: {detector: first-seen, queries: 4}
workloads: {inference: {services: 5}, training: {pipelines: 2}, serverless: {functions: 6}}
incidents:
  - {attack: token-theft, strength: 1.0, victim: {family: serverless}}
  - {drift: adjacent-training-data, strength: 1.0}
  - {drift: misconfigured-pipeline, strength: 1.0}
  - {attack: rogue-job, strength: 0.2}
"""


@pytest.fixture(scope="module")
def adapted() -> Adapted:
    """The world as its adversary shaped it, and the variants that were chosen on the way."""
    asked = worlds.least_suspicious
    found: list[dict[str, int]] = []

    def noted(scenario: Scenario, seed: int) -> dict[str, int]:
        found.append(asked(scenario, seed))
        return found[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "least_suspicious", noted)
        world = make_world(load_text(SCENARIO), SEED)
    (chosen,) = found
    return world, chosen


def scores(world: LabelledWorld) -> dict[str, float]:
    matching = evaluate(loading.load("first-seen"), world).matching
    assert matching is not None
    return {found.incident.id: found.score for found in matching.detections}


def test_the_chosen_variant_is_the_least_suspicious_of_those_that_may_be_tried(
    adapted: Adapted, simulate_once: Callable[..., Simulation]
) -> None:
    _, chosen = adapted
    assert "rogue-job-1" not in chosen and len(chosen) == 3
    assert set(chosen.values()) <= set(range(4)) and any(chosen.values())
    scenario = load_text(SCENARIO)
    tried = [scores(simulate_once(scenario, SEED, variants=dict.fromkeys(chosen, variant))) for variant in range(4)]
    for name, variant in chosen.items():
        seen = [each.get(name, float("inf")) for each in tried]
        assert min(seen) == float("inf") or variant == seen.index(min(seen)), name
    assert any(len({each.get(name) for each in tried}) > 1 for name in chosen)


def test_only_the_incidents_that_adapt_change(adapted: Adapted) -> None:
    plain, shaped = simulate(load_text(SCENARIO), SEED), adapted[0]

    def background(world: object) -> list[tuple[object, ...]]:
        log, truth = world.log, world.truth  # type: ignore[attr-defined]
        batch = log.batch(0, len(log))
        keep = truth.incident_of(0, len(batch)) < 0
        rows = zip(batch["time"], batch.text("identity"), batch.text("operation"), batch.text("resource"), strict=True)
        return [row for row, kept in zip(rows, keep, strict=True) if kept]

    assert background(plain) == background(shaped)
    times = [{i.id: i.intent_at for i in world.truth.incidents if i.primed_at < 0} for world in (plain, shaped)]
    both = set(times[0]) & set(times[1])
    assert both and all(times[0][name] == times[1][name] for name in both)


def test_without_an_adaptive_adversary_nothing_is_asked() -> None:
    scenario = override(load_text(SCENARIO), {"adaptive": None})
    assert make_world(scenario, SEED).log.digest == simulate(scenario, SEED).log.digest
