"""`evaluate`: one detector on one world, from scores to metrics.

The detector learns on the baseline window, the calibration window sets its threshold for the alert budget, and the
alerts of the test window are held against the truth.  The threshold never sees the test window.  An `Evaluation`
keeps the scores, so that every curve and metric can be computed from it without running the detector again.

Units: times in microseconds, except where a name ends in `_s` (seconds) or `days`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from scopedrift.detectors.base import Detector, Part
from scopedrift.detectors.isolation.placement import RunAs, run_as
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.evaluation.alerts import Alerts
from scopedrift.experiments.evaluation.delivered import Delivered
from scopedrift.experiments.evaluation.guard import DetectorError, guarded, name_of
from scopedrift.experiments.evaluation.integrity import SpoiledWorldError, watched
from scopedrift.experiments.evaluation.judging import judge
from scopedrift.experiments.evaluation.matching import Matching
from scopedrift.experiments.evaluation.metrics import Point
from scopedrift.experiments.evaluation.oracle import informed
from scopedrift.experiments.evaluation.scoring import Budget, Opening, fit_and_score
from scopedrift.experiments.evaluation.shared import once
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.simulator.log.events import Array

NAN: Final = float("nan")


@dataclass(frozen=True)
class Evaluation:
    """What one detector did on one world.  Of a failed one only the first eight fields say anything."""

    scenario: str
    seed: int
    detector: str
    status: Literal["ok", "failed"]
    reason: str
    """Why it failed: one line."""
    knowledge: tuple[str, ...]
    """The pieces of knowledge that the detector was given."""
    run_as: RunAs = "built-in"
    """Where the detector ran."""
    spoiled: bool = False
    """Whether it changed the world, which must not be used any more."""
    budget_per_day: float = NAN
    cooldown_us: int = 0
    windows: Windows | None = None
    start: int = 0
    """Position in the log of the first score."""
    scores: Array = field(default_factory=lambda: np.empty(0))
    """Scores (float64, NaN: abstained) of calibration and test window."""
    threshold: float = NAN
    alerts: Alerts | None = None
    """Of the test window; positions count from its start."""
    matching: Matching | None = None
    openings: tuple[Opening, ...] = ()
    """For each alert: reason, operation and resource of the event that opened it."""
    metrics: dict[str, float] = field(default_factory=dict)
    curve: tuple[Point, ...] = ()
    """The operating curve, by falling threshold."""
    at_budgets: dict[float, Point] = field(default_factory=dict)
    """For other budgets of alerts per day: what their thresholds would have shown."""
    parts: tuple[Part, ...] = ()
    """What each rule of a detector that is made of rules matched; positions count from `start`."""

    def test_scores(self) -> Array:
        """The scores of the test window."""
        return self.scores[self.windows.test.start - self.start :] if self.windows else self.scores


def evaluate(
    detector: Detector,
    world: LabelledWorld,
    *,
    name: str | None = None,
    budget_per_day: float | None = None,
    batch_size: int = 10_000,
    seed: int | None = None,
    withhold: Iterable[str] = (),
) -> Evaluation:
    """Fit, score and judge a detector on a world.

    A copy of `detector` runs; it sees event batches and the knowledge that it `needs` (less `withhold`), never the
    truth.  The budget is the scenario's unless given; `name` replaces the detector's in the results; `seed` is for
    random draws (default: from the history).  Foreign code in this process must leave world and process as they were.

    Raises `DetectorError` if the detector fails, `ValueError` for a negative budget or an empty batch.
    """
    terms, delivered = world.scenario.evaluation, detector if isinstance(detector, Delivered) else None
    per_day = float(terms.alert_budget if budget_per_day is None else budget_per_day)
    budget = Budget(per_day, int(terms.cooldown), delivered.below if delivered else None)
    if not budget.per_day >= 0 or batch_size < 1:
        raise ValueError(f"expected budget_per_day >= 0 and batch_size >= 1, not {budget.per_day} and {batch_size}")
    name = name or name_of(detector)
    used = _knowledge(detector, withhold, name)
    windows = Windows.of(world.scenario, world.log)
    history = world.log.arrived[windows.baseline.start : windows.baseline.stop]
    seed = once(world.log, ("seed", windows.baseline), lambda: detectors_seed(history)) if seed is None else seed
    try:
        knowledge = Knowledge.of(world.deployment, used, seed=seed)
    except ValueError as error:
        raise DetectorError(name, "declaring its needs", str(error)) from error
    informed_one = informed(detector, world.truth, windows.calibration.start)
    how: RunAs = "outside" if delivered else run_as(detector)
    with watched(name, world) if how == "in process" else nullcontext():
        scored = fit_and_score(
            informed_one, world.log, windows, knowledge, name=name, budget=budget, batch_size=batch_size
        )
    scored = delivered.completed(scored) if delivered else scored
    began = time.perf_counter()
    judged = judge(world, windows, scored, budget)
    judged.metrics["measure_seconds"] = time.perf_counter() - began
    return Evaluation(
        scenario=world.scenario.name,
        seed=world.seed,
        detector=name,
        status="ok",
        reason="",
        knowledge=used,
        run_as=how,
        budget_per_day=budget.per_day,
        cooldown_us=budget.cooldown_us,
        windows=windows,
        start=scored.start,
        scores=scored.scores,
        threshold=scored.threshold,
        openings=tuple(scored.openings[at] for at in judged.alerts.opening.tolist()),
        parts=scored.parts,
        **vars(judged),
    )


def evaluate_safely(
    detector: Detector, world: LabelledWorld, *, name: str | None = None, withhold: Iterable[str] = ()
) -> Evaluation:
    """`evaluate`, but a detector that fails gives an evaluation with status `failed` and the reason in one line."""
    withhold, name = tuple(withhold), name or name_of(detector)
    try:
        return evaluate(detector, world, name=name, withhold=withhold)
    except DetectorError as error:
        known: tuple[str, ...] = ()
        with suppress(DetectorError):
            known = _knowledge(detector, withhold, name)
        spoiled = isinstance(error, SpoiledWorldError)
        return Evaluation(world.scenario.name, world.seed, name, "failed", str(error), known, run_as(detector), spoiled)


def detectors_seed(history: Array) -> int:
    """The seed that detectors draw from on a world: a hash of when the events of their history arrived.

    It varies between worlds, is the same on every machine, and says nothing that the history does not say.
    """
    return int.from_bytes(
        hashlib.blake2b(np.ascontiguousarray(history, "<i8").tobytes(), digest_size=4).digest(), "little"
    )


def _knowledge(detector: Detector, withhold: Iterable[str], name: str) -> tuple[str, ...]:
    with guarded(name, "declaring its needs"):
        return tuple(sorted(frozenset(detector.needs) - frozenset(withhold)))
