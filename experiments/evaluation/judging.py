"""From the scores of one detector on one world to alerts, matches with the truth, and the metrics of the cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.experiments.evaluation import metrics
from scopedrift.experiments.evaluation.alerts import Alerts, alerts
from scopedrift.experiments.evaluation.matching import Matching, match
from scopedrift.experiments.evaluation.metrics import Point
from scopedrift.experiments.evaluation.scoring import Budget, Scored
from scopedrift.experiments.evaluation.shared import in_order
from scopedrift.experiments.evaluation.survival import detected_by, median, time_to_detect
from scopedrift.experiments.evaluation.windows import LabelledWorld, Window, Windows
from scopedrift.reports.metrics import HORIZONS_S, PREVALENCES
from scopedrift.simulator.log.events import DAY, SECOND
from scopedrift.simulator.log.truth import SCOPE_DRIFT

NAN: Final = float("nan")
RANKING: Final = ("average_precision", "average_precision_incidents", "partial_area", "partial_area_10")
"""Metrics of the order of scores, which nothing has that gives none."""


@dataclass(frozen=True)
class Judged:
    """What a detector's scores come to."""

    alerts: Alerts
    matching: Matching
    metrics: dict[str, float]
    curve: tuple[Point, ...]
    at_budgets: dict[float, Point]


def judge(world: LabelledWorld, windows: Windows, scored: Scored, budget: Budget) -> Judged:
    """Alerts, matching and metrics from the scores alone."""
    test = windows.test
    split = test.start - scored.start
    scores, identity = scored.scores[split:], scored.identity[split:]
    arrived = world.log.arrived[test.start : test.stop]
    raised = alerts(arrived, identity, scores, scored.threshold, budget.cooldown_us)
    told = scored.raised_at if scored.raised_at is None else scored.raised_at[split:]
    matching = match(raised, world.truth, test, arrived=arrived, identity=identity, scores=scores, raised_at=told)
    grouped = in_order(world.log, test, budget.cooldown_us).scored(scores)
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
        "partial_area": metrics.partial_area(best, slots, test.days, budget.per_day) if budget.per_day else NAN,
        "partial_area_10": metrics.partial_area(best, slots, test.days, 10 * budget.per_day) if budget.per_day else NAN,
        "abstained": float(np.count_nonzero(np.isnan(scored.scores))),
        "budget_per_day": budget.per_day,
        **_calibrated(scored, windows.calibration),
        "events": float(len(scored.scores)),
        "fit_seconds": scored.fit_seconds,
        "score_seconds": scored.score_seconds,
    }
    curve = metrics.operating_curve(grouped, bad, best, test.days, also=(scored.threshold,))
    if not scored.ranked:
        curve = [point for point in curve if point.threshold == scored.threshold]
        values |= dict.fromkeys(RANKING, NAN)
    values["recall_at_equal_alarms"] = metrics.recall_at_equal_alarms(curve, budget.per_day)
    alarmed = values["false_positives"] / len(slots) if len(slots) else NAN
    values["false_positive_rate"] = alarmed
    for share in PREVALENCES:
        at = metrics.precision_at_prevalence(values["recall"], alarmed, share)
        values[f"precision_at_prevalence_{share:.0e}"] = at
    days = windows.calibration.days
    budgets = metrics.recall_at_budgets(scored.calibration, days, grouped, bad, best, test.days)
    return Judged(raised, matching, values, tuple(curve), budgets if scored.ranked else {})


def _calibrated(scored: Scored, calibration: Window) -> dict[str, float]:
    """What the calibration window has at the threshold, and promises."""
    count, days = scored.calibration.count(scored.threshold), calibration.days
    promised = max(count, 1) if np.isfinite(scored.threshold) else count
    return {
        "calibration_alerts_per_day": count / days if days else NAN,
        "calibration_days": days,
        "expected_per_day": promised / days if days else NAN,
    }


def _counted(matching: Matching, raised: Alerts, scored: Scored, test: Window, people: int) -> dict[str, float]:
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
        "incidents_incomplete": matching.incomplete,
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


def _of_changes(matching: Matching, world: LabelledWorld) -> dict[str, float]:
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
        **{f"detected_by_{label}": detected_by(delay, follow_up, t) for label, t in HORIZONS_S.items()},
    }
