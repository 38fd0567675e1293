"""Making the worlds of a scenario, and what an adaptive adversary does in them.

An adaptive adversary tries variants of an incident on a copy of a detector and keeps the one that it suspects least.
The queries are bounded: each incident of sufficient strength is done in so many ways, at the same time and against the
same background, and the detector's highest score for it is what the adversary sees.  The copy learns what the real one
learns; the threshold stays hidden.  Every detector under test then meets the chosen variants.  Each incident chooses
for itself: what one does may still make another on the same identity more, or less, suspicious.
"""

from __future__ import annotations

from pathlib import Path

from scopedrift.detectors.isolation.placement import place
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.progress import Progress, silent
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.engine import Simulation, simulate


def make_world(scenario: Scenario, seed: int, progress: Progress = silent, *, out: Path | None = None) -> Simulation:
    """Simulate a scenario, with the variants that its adaptive adversary chose if it has one.

    With `out`, events go to that directory (`simulate`).  Raises `SpecError` if the scenario names no such detector.
    """
    variants = least_suspicious(scenario, seed) if scenario.adaptive else None
    show = f"simulating world {seed}"
    return simulate(scenario, seed, variants=variants, out=out, progress=lambda done: progress(done, show))


def least_suspicious(scenario: Scenario, seed: int) -> dict[str, int]:
    """By incident: the variant to which the detector's copy gives the lowest highest score."""
    terms = scenario.adaptive
    assert terms is not None
    detector = place(terms.detector)
    names: list[str] = []
    best: dict[str, tuple[float, int]] = {}
    for variant in range(terms.queries):
        world = simulate(scenario, seed, variants=dict.fromkeys(names, variant))
        if not variant:
            names = [i.id for i in world.truth.incidents if i.strength >= terms.above]
            world = simulate(scenario, seed, variants=dict.fromkeys(names, 0)) if names else world
        matching = evaluate(detector, world, name=terms.detector).matching
        for found in matching.detections if matching else ():
            name, score = found.incident.id, found.score
            if name in names and score == score and (name not in best or score < best[name][0]):
                best[name] = (score, variant)
    return {name: best[name][1] if name in best else 0 for name in names}
