"""`evaluate`: one detector on one world, from scores to metrics.

The detector learns on the baseline window, the calibration window sets its threshold for the alert budget, and the
alerts of the test window are held against the truth.  The threshold never sees the test window.  An `Evaluation`
keeps the scores, so that every curve and metric can be computed from it without running the detector again.

Units: times in microseconds, except where a name ends in `_s` (seconds) or `days`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from scopedrift.detectors.base import Detector, Part
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.evaluation import metrics, scoring
from scopedrift.experiments.evaluation.alerts import Alerts, Grouped, alerts
from scopedrift.experiments.evaluation.matching import Matching, match
from scopedrift.experiments.evaluation.metrics import Point
from scopedrift.experiments.evaluation.oracle import informed
from scopedrift.experiments.evaluation.scoring import DetectorError, Opening, blamed, name_of
from scopedrift.experiments.evaluation.survival import detected_by, median, time_to_detect
from scopedrift.experiments.evaluation.windows import Window, Windows, World
from scopedrift.simulator.log.events import DAY, HOUR, SECOND, Array
from scopedrift.simulator.log.truth import SCOPE_DRIFT
from scopedrift.simulator.randomness import key

__all__ = ["DetectorError", "Evaluation", "World", "evaluate", "evaluate_safely"]

NAN: Final = float("nan")
_WHEN: Final = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY}


@dataclass(frozen=True)
class Evaluation:
    """What one detector did on one world.  Of a failed one only the first six fields say anything."""

    scenario: str
    seed: int
    detector: str
    status: Literal["ok", "failed"]
    reason: str
    """Why it failed: one line."""
    knowledge: tuple[str, ...]
    """The pieces of knowledge that the detector was given."""
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
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds: `fit`, `score` (the detector alone), `measure`."""
    parts: tuple[Part, ...] = ()
    """What each rule of a detector that is made of rules matched; positions count from `start`."""

    def test_scores(self) -> Array:
        """The scores of the test window."""
        return self.scores[self.windows.test.start - self.start :] if self.windows else self.scores


def evaluate(
    detector: Detector,
    world: World,
    *,
    name: str | None = None,
    budget_per_day: float | None = None,
    cooldown_us: int | None = None,
    batch_size: int = 10_000,
    seed: int | None = None,
    withhold: Iterable[str] = (),
) -> Evaluation:
    """Fit, score and judge a detector on a world.

    A copy of `detector` runs; it sees event batches and the knowledge that it `needs` (less `withhold`), never the
    truth.  Budget and cooldown are the scenario's unless given; `name` replaces the detector's in the results;
    `seed` (one that follows from the world's unless given) is for detectors that draw random numbers.

    Raises `DetectorError` if the detector fails, `ValueError` for terms that make no sense.
    """
    terms = world.scenario.evaluation
    budget = float(terms.alert_budget if budget_per_day is None else budget_per_day)
    cooldown = int(terms.cooldown if cooldown_us is None else cooldown_us)
    if not budget >= 0 or cooldown < 0 or batch_size < 1:
        raise ValueError(
            f"expected budget and cooldown >= 0 and batch_size >= 1, not {budget}, {cooldown}, {batch_size}"
        )
    name = name or name_of(detector)
    used = _knowledge(detector, withhold, name)
    windows = Windows.of(world.scenario, world.log)
    try:
        knowledge = Knowledge.of(world.deployment, used, seed=detectors_seed(world.seed) if seed is None else seed)
    except ValueError as error:
        raise DetectorError(name, "declaring its needs", str(error)) from error
    scored = scoring.run(
        informed(detector, world.truth, windows.calibration.start),
        world.log,
        windows,
        knowledge,
        name=name,
        allowed=budget * windows.calibration.days,
        cooldown_us=cooldown,
        batch_size=batch_size,
    )
    began = time.perf_counter()
    judged = _judge(world, windows, scored, budget, cooldown)
    timings = {"fit": scored.fit_seconds, "score": scored.score_seconds, "measure": time.perf_counter() - began}
    judged.metrics["score_seconds"] = scored.score_seconds
    return Evaluation(
        scenario=world.scenario.name,
        seed=world.seed,
        detector=name,
        status="ok",
        reason="",
        knowledge=used,
        budget_per_day=budget,
        cooldown_us=cooldown,
        windows=windows,
        start=scored.start,
        scores=scored.scores,
        threshold=scored.threshold,
        alerts=judged.alerts,
        matching=judged.matching,
        openings=tuple(scored.openings[at] for at in judged.alerts.opening.tolist()),
        metrics=judged.metrics,
        curve=judged.curve,
        at_budgets=judged.at_budgets,
        timings=timings,
        parts=scored.parts,
    )


def detectors_seed(seed: int) -> int:
    """The seed that detectors draw by on the world of a seed: another one, from which the world cannot be made anew."""
    return key(seed, "detectors") >> 33


def evaluate_safely(
    detector: Detector,
    world: World,
    *,
    name: str | None = None,
    budget_per_day: float | None = None,
    cooldown_us: int | None = None,
    batch_size: int = 10_000,
    seed: int | None = None,
    withhold: Iterable[str] = (),
) -> Evaluation:
    """`evaluate`, but a detector that fails gives an evaluation with status `failed` and the reason in one line."""
    withhold = tuple(withhold)
    try:
        return evaluate(
            detector,
            world,
            name=name,
            budget_per_day=budget_per_day,
            cooldown_us=cooldown_us,
            batch_size=batch_size,
            seed=seed,
            withhold=withhold,
        )
    except DetectorError as error:
        name = name or name_of(detector)
        known: tuple[str, ...] = ()
        with suppress(DetectorError):
            known = _knowledge(detector, withhold, name)
        return Evaluation(world.scenario.name, world.seed, name, "failed", str(error), known)


def _knowledge(detector: Detector, withhold: Iterable[str], name: str) -> tuple[str, ...]:
    with blamed(name, "declaring its needs"):
        return tuple(sorted(frozenset(detector.needs) - frozenset(withhold)))


@dataclass(frozen=True)
class _Judged:
    alerts: Alerts
    matching: Matching
    metrics: dict[str, float]
    curve: tuple[Point, ...]
    at_budgets: dict[float, Point]


def _judge(world: World, windows: Windows, scored: scoring.Scored, budget: float, cooldown: int) -> _Judged:
    """Alerts, matching and metrics from the scores alone."""
    test = windows.test
    split = test.start - scored.start
    scores, identity = scored.scores[split:], scored.identity[split:]
    arrived = world.log.arrived[test.start : test.stop]
    raised = alerts(arrived, identity, scores, scored.threshold, cooldown)
    matching = match(
        raised,
        world.truth,
        test,
        arrived=arrived,
        identity=identity,
        scores=scores,
        threshold=scored.threshold,
        cooldown_us=cooldown,
    )
    grouped = Grouped.of(arrived, identity, scores, cooldown)
    bad = world.truth.labels(test.start, test.stop) >= SCOPE_DRIFT
    best = np.array([found.score for found in matching.detections])
    slots = metrics.slot_scores(grouped, arrived, identity, bad)
    people = int(np.count_nonzero(np.bincount(identity[identity >= 0])))
    values = {
        "threshold": scored.threshold,
        **_counted(matching, raised, scored, test, people),
        **_of_changes(matching, world),
        **_delays(matching, test),
        "average_precision": metrics.average_precision(scores[bad], scores[~bad]),
        "average_precision_incidents": metrics.average_precision(best, slots),
        "partial_area": metrics.partial_area(best, slots, test.days, budget) if budget else NAN,
        "partial_area_10": metrics.partial_area(best, slots, test.days, 10 * budget) if budget else NAN,
        "abstained": float(np.count_nonzero(np.isnan(scored.scores))),
        "budget_per_day": budget,
        "calibration_alerts_per_day": _per_day(scored, windows.calibration),
        "events": float(len(scored.scores)),
    }
    alarmed = values["false_positives"] / len(slots) if len(slots) else NAN
    values["false_positive_rate"] = alarmed
    for share in metrics.PREVALENCES:
        at = metrics.precision_at_prevalence(values["recall"], alarmed, share)
        values[f"precision_at_prevalence_{share:.0e}"] = at
    curve = metrics.operating_curve(grouped, bad, best, test.days, also=(scored.threshold,))
    at_budgets = metrics.recall_at_budgets(scored.calibration, windows.calibration.days, grouped, bad, best, test.days)
    return _Judged(raised, matching, values, tuple(curve), at_budgets)


def _per_day(scored: scoring.Scored, calibration: Window) -> float:
    return scored.calibration.count(scored.threshold) / calibration.days if calibration.days else NAN


def _counted(matching: Matching, raised: Alerts, scored: scoring.Scored, test: Window, people: int) -> dict[str, float]:
    """Everything that is counted at the threshold."""
    incidents, detected = len(matching.detections), matching.detected
    false_alarm = matching.false_alarm
    false = int(np.count_nonzero(false_alarm))
    cold = np.array([scored.openings[at].cold_start for at in raised.opening.tolist()], bool)
    per_day = false / test.days
    return {
        "precision": metrics.precision(detected, false),
        "recall": metrics.recall(detected, incidents),
        "f1": metrics.f1(detected, false, incidents),
        "incidents": incidents,
        "detected": detected,
        "incidents_unobserved": matching.unobserved,
        "incidents_in_warm_up": matching.warm_up,
        "false_positives": false,
        "false_positives_per_day": per_day,
        "false_positives_per_identity_day": per_day / people if people else NAN,
        "false_positives_cold_start": int(np.count_nonzero(false_alarm & cold)),
        "realised_per_day": per_day,
        "detected_before_impact": metrics.recall(sum(d.before_impact for d in matching.detections), incidents),
        "alerts": len(raised),
        "raw_alerts": len(raised.flagged),
        "duplicates": matching.duplicates,
        "identities": people,
        "test_days": test.days,
    }


def _of_changes(matching: Matching, world: World) -> dict[str, float]:
    """False alarms on benign changes, by whether the change calendar announced them."""
    announced = [world.truth.changes[index].announced for index in matching.change[matching.change >= 0].tolist()]
    return {
        "false_positives_announced": float(sum(announced)),
        "false_positives_unannounced": float(len(announced) - sum(announced)),
    }


def _delays(matching: Matching, test: Window) -> dict[str, float]:
    """Time to detect: in seconds, in the incident's own events, and relative to the time that its impact allowed."""
    found = matching.detections
    delay = np.array([d.delay_us / SECOND if d.detected else NAN for d in found])
    follow_up = np.array([d.follow_up_us / SECOND for d in found])
    times = time_to_detect(delay, follow_up, test.days * DAY / SECOND)
    events = np.array([float(d.delay_events) if d.detected else NAN for d in found])
    in_events = np.array([float(d.events if d.incident.end_reason == "horizon" else len(test)) for d in found])
    allowed = np.array([(d.incident.impact_at - d.incident.first_observable_at) / SECOND for d in found])
    timed = np.array([d.incident.impact_at >= 0 for d in found], bool) & (allowed > 0)
    return {
        "time_to_detect_median_s": times.median,
        "time_to_detect_median_low_s": times.median_low,
        "time_to_detect_median_high_s": times.median_high,
        "time_to_detect_restricted_mean_s": times.restricted_mean,
        "time_to_detect_median_events": median(events, in_events),
        "time_to_detect_median_of_allowed": median(delay[timed] / allowed[timed], follow_up[timed] / allowed[timed]),
        **{f"detected_by_{t}": detected_by(delay, follow_up, us / SECOND)[0] for t, us in _WHEN.items()},
    }
