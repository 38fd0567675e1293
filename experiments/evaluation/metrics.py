"""The metrics, each with its definition, formula and source.

Counting is by *incidents* and *alerts* (see `matching`), never by events alone: one long incident must not outvote
ten short ones, and a flood of alerts about one incident is one detection.  Where a metric needs units that could
have alarmed and did not, a unit is an *identity-slot*: the events of one identity within one slot of a cooldown's
length, counted from the start of the test window, with the highest of their scores.

Every function takes stored scores: no detector runs again.  Undefined values are NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.experiments.evaluation.alerts import ROUNDING, Grouped, threshold_for_budget
from scopedrift.simulator.log.events import Array

NAN: Final = float("nan")
BUDGETS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0)
"""Alerts per day at which recall is reported beside the scenario's own budget."""


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else NAN


def precision(detected: float, false_alarms: float) -> float:
    """Detected incidents / (detected incidents + false alarms); NaN when there is neither.

    An incident counts once however often it alarmed, so a flood of true alerts cannot raise it.
    """
    return _ratio(detected, detected + false_alarms)


def recall(detected: float, incidents: float) -> float:
    """Detected incidents / incidents that began, and left an event, in the test window; NaN without any."""
    return _ratio(detected, incidents)


def f1(detected: float, false_alarms: float, incidents: float) -> float:
    """The harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN): 0, not NaN, for a silent detector."""
    return _ratio(2 * detected, detected + false_alarms + incidents)


def precision_at_prevalence(true_positive_rate: float, false_positive_rate: float, prevalence: float) -> float:
    """Axelsson's Bayesian detection rate: the chance that an alarmed unit is bad, at a stated base rate.

    P(bad | alarm) = p TPR / (p TPR + (1 - p) FPR), with p the prevalence (Axelsson, "The base-rate fallacy and the
    difficulty of intrusion detection", ACM TISSEC 3(3), 2000, equation 8).  Units are identity-slots.
    """
    alarmed = prevalence * true_positive_rate
    return _ratio(alarmed, alarmed + (1.0 - prevalence) * false_positive_rate)


def average_precision(positives: Array, negatives: Array) -> float:
    """Area under the precision-recall curve, as the step sum over distinct scores: exact, ties included.

    AP = sum over distinct positive scores v (descending) of (c_v / P) * TP_v / (TP_v + FP_v), where c_v positives
    score v, P is the number of positives, and TP_v and FP_v count positives and negatives scoring >= v: the
    definition of scikit-learn's `average_precision_score`.  The few positives are ranked among the
    negatives, which needs no sort of, and no curve over, all events.  NaN scores (abstentions) are never
    retrieved: a positive with one still counts in P, a negative does not compete.
    """
    total = len(positives)
    if not total:
        return NAN
    scored = positives[~np.isnan(positives)]
    if not len(scored):
        return 0.0
    values, counts = np.unique(scored, return_counts=True)
    true = np.cumsum(counts[::-1])[::-1]
    false = _at_least(values, negatives[negatives >= values[0]])  # drops NaN and what ranks below every positive
    return float(np.sum(counts * true / (true + false)) / total)


def _at_least(values: Array, rivals: Array) -> Array:
    """How many rivals reach each value (`values` ascend, no rival is below the first).

    Many are counted on a fine grid, which keeps order, and against the lowest value of their own cell; only those in a
    cell of several values are sorted to be told apart.
    """
    span = float(values[-1] - values[0]) if np.isfinite(values[[0, -1]]).all() else np.inf
    many = len(rivals) >= CELLS
    if not many or not 0.0 < span < np.inf or not np.isfinite(CELLS / span):
        ranked = np.sort(rivals)
        return np.asarray(len(ranked) - np.searchsorted(ranked, values, side="left"))

    def cell(scores: Array) -> Array:
        return np.asarray(np.minimum((scores - values[0]) * (CELLS / span), CELLS).astype(np.int32))

    cells, mine = cell(rivals), cell(values)
    lowest = np.full(CELLS + 1, np.inf)
    lowest[mine[::-1]] = values[::-1]  # of equal indices the last assignment stays: the lowest value
    below_or_not = np.bincount(cells * 2 + (rivals >= lowest.take(cells)), minlength=2 * (CELLS + 1)).reshape(-1, 2)
    reached = len(rivals) - np.cumsum(below_or_not.sum(axis=1)) + below_or_not[:, 1]
    several = np.bincount(mine, minlength=CELLS + 1) > 1
    found = reached[mine]
    if several.any():
        crowded = several[mine]
        order = np.sort(rivals[several.take(cells)])
        ends = np.searchsorted(cell(order), mine[crowded], side="right")
        beyond = reached[mine[crowded]] - below_or_not[mine[crowded], 1]
        found[crowded] = beyond + ends - np.searchsorted(order, values[crowded], side="left")
    return np.asarray(found)


def slot_scores(test: Grouped, arrived: Array, identity: Array, bad: Array) -> Array:
    """The highest score of each identity-slot among the events that belong to no incident (`bad`: mask by position).

    These are the negative units at incident level: near the top, the number of them above a threshold is the
    number of false alarms at it, up to where slots are cut.
    """
    benign = ~bad[test.position]
    position, scores = test.position[benign], test.scores[benign]
    if not len(position):
        return np.empty(0)
    slot = (arrived[position] - arrived[0]) // max(test.cooldown_us, 1)
    code = identity[position]
    new = np.ones(len(position), bool)
    new[1:] = (slot[1:] != slot[:-1]) | (code[1:] != code[:-1])
    return np.asarray(np.maximum.reduceat(scores, np.flatnonzero(new)))


def partial_area(incidents: Array, slots: Array, days: float, limit_per_day: float) -> float:
    """Mean recall over false alarms per day from 0 to a limit: the start of the free-response curve, scaled to [0, 1].

    (1 / L) * integral from 0 to L of recall(x) dx, where recall(x) is the recall reached at x false alarms (alarmed
    identity-slots) per day.  An incident with score s is reached once every slot scoring >= s is paid for (ties
    never help), so the integral is exactly mean_i max(0, 1 - FP(s_i) / (L * days)).  After Chakraborty's
    free-response curve (Med. Phys. 16, 1989) and McClish's partial area (Med. Decis. Making 9, 1989).  An incident
    without a score (NaN) is never reached.
    """
    if not len(incidents) or days <= 0:
        return NAN
    slots = np.sort(slots)
    false = len(slots) - np.searchsorted(slots, np.nan_to_num(incidents, nan=-np.inf, posinf=np.inf), side="left")
    reached = np.maximum(0.0, 1.0 - false / (limit_per_day * days))
    return float(np.mean(np.where(np.isnan(incidents), 0.0, reached)))


CELLS: Final = 1 << 18
"""Cells of the grid on which many negatives are ranked."""


@dataclass(frozen=True)
class Point:
    """One point of an operating curve."""

    threshold: float
    false_positives_per_day: float
    recall: float
    precision: float


def operating_point(test: Grouped, bad: Array, incidents: Array, days: float, threshold: float) -> Point:
    """What the test window would have shown at `threshold`; `bad` masks incident events by position."""
    return _point(test.above(threshold), bad, incidents, days, threshold)


def _point(flagged: Grouped, bad: Array, incidents: Array, days: float, threshold: float) -> Point:
    """The same from what is flagged at `threshold`."""
    false = int(np.count_nonzero(~bad[flagged.opening()]))
    detected = int(np.count_nonzero(incidents > threshold))
    return Point(threshold, _ratio(false, days), recall(detected, len(incidents)), precision(detected, false))


def operating_curve(
    test: Grouped, bad: Array, incidents: Array, days: float, also: Sequence[float] = (), points: int = 64
) -> list[Point]:
    """The operating curve from stored scores, by falling threshold.

    Thresholds are scores that occurred: those that flag about 1, r, r^2, ... events, the one just below each
    incident's score (where recall changes), the highest (nothing flagged), and `also`.
    """
    ranked = test.ranked
    if not len(ranked):
        return [operating_point(test, bad, incidents, days, threshold) for threshold in also]
    ranks = np.unique(np.geomspace(1, len(ranked), points).round().astype(np.int64))
    just_below = np.searchsorted(ranked, incidents[~np.isnan(incidents)], side="left") - 1
    wanted = np.concatenate([ranked[len(ranked) - ranks], ranked[just_below[just_below >= 0]], also])
    found = []
    for threshold in np.unique(wanted).tolist():  # ascending: what a threshold flags is enough for the later ones
        test = test.above(threshold)
        found.append(_point(test, bad, incidents, days, threshold))
    return found[::-1]


def recall_at_equal_alarms(curve: Sequence[Point], budget_per_day: float) -> float:
    """The highest recall of an operating curve at no more than so many false alarms a day; NaN without incidents.

    `operating_curve` has a point wherever recall changes, so nothing lies between its points.
    """
    within = [point.recall for point in curve if point.false_positives_per_day <= budget_per_day + ROUNDING]
    return max(within, default=NAN)


def recall_at_budgets(
    calibration: Grouped,
    calibration_days: float,
    test: Grouped,
    bad: Array,
    incidents: Array,
    days: float,
) -> dict[float, Point]:
    """For each of `BUDGETS` (alerts a day): its threshold from calibration, and what the test window shows."""
    found = {}
    for budget in sorted(BUDGETS, reverse=True):  # a smaller budget's threshold is never lower
        threshold = threshold_for_budget(calibration, budget * calibration_days)
        test = test.above(threshold)
        found[budget] = _point(test, bad, incidents, days, threshold)
    return dict(sorted(found.items()))
