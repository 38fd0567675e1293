"""The metrics: one table that result tables, summaries, comparisons, reports and the documentation read.

A metric is a number of one *cell* (a detector in one world).  To add one, describe it here and compute it in
`experiments/evaluation/judging.py`; columns, summaries, intervals and the reference page follow.

Counting is by *incidents* and *alerts*, never by events alone: one long incident does not outvote ten short ones, and a
flood of alerts about one incident is one detection.  Where a metric needs units that could have alarmed and did not,
a unit is an *identity-slot*: the events of one identity within one slot of a cooldown's length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Numbers = npt.NDArray[np.float64]
PREVALENCES: Final = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Shares of identity-slots with an incident at which precision is stated."""
HORIZONS_S: Final[Mapping[str, float]] = {"1h": 3_600.0, "1d": 86_400.0, "7d": 604_800.0}
"""Times within which the share of detected incidents is stated, in seconds."""


Scale = Literal["logit", "log", "identity"]
"""On which scale a metric's interval is made (`experiments/evaluation/intervals.py`)."""


class Pooling(Enum):
    """How the cells of a detector become one number over its worlds."""

    RATIO = "ratio of sums over worlds"
    MEAN = "mean over the worlds where it is defined"
    SURVIVAL_MEDIAN = "median of the Kaplan-Meier curve of all incidents"
    SURVIVAL_MEAN = "restricted mean of the Kaplan-Meier curve of all incidents"
    NEVER = "not pooled"


@dataclass(frozen=True)
class Metric:
    """One metric of a cell."""

    name: str
    """Its column in `cells`; in `summary` also with `_low` and `_high`, a 95 % interval."""
    title: str
    unit: str
    """`share` (0 to 1), `score` (0 to 1, not a share), `s` (seconds), or what it counts."""
    better: Literal["higher", "lower", ""]
    """Which direction is better; empty if neither is."""
    definition: str
    pooling: Pooling = Pooling.MEAN
    formula: str = ""
    """For a ratio: `sum / sum` over columns of `cells`; a sum is `a + b` or `(a + b)`; its terms may be products."""
    source: str = ""

    @property
    def scale(self) -> Scale:
        """The scale of its interval: shares and scores on the logit, what cannot be negative on the logarithm."""
        return "logit" if self.unit in ("share", "score") else "log"

    @property
    def columns(self) -> frozenset[str]:
        """The columns that the formula reads."""
        return frozenset(word for word in self.formula.replace("(", "").replace(")", "").split() if word.isidentifier())

    def sums(self, column: Callable[[str], Numbers]) -> tuple[Numbers, Numbers]:
        """Numerator and denominator of the formula, entry by entry; `column` gives a column by its name."""
        top, bottom = (_sum(side, column) for side in self.formula.split(" / "))
        return top, bottom

    def pooled(self, cells: pd.DataFrame) -> tuple[Numbers, Numbers]:
        """Numerator and denominator, world by world: the ratio of their sums is the pooled estimate.

        A metric that is not a ratio is averaged over the worlds where it is defined.  Raises `ValueError` for medians
        of time to detect: leaving out the worlds where half was never detected would reward missing them.
        """
        if self.pooling in (Pooling.SURVIVAL_MEDIAN, Pooling.NEVER):
            raise ValueError(f"{self.name} cannot be averaged: use time_to_detect_restricted_mean_s")
        if self.formula:
            return self.sums(lambda name: np.nan_to_num(np.asarray(cells[name], float)))
        value = np.asarray(cells[self.name], float)
        defined = np.isfinite(value)
        return np.where(defined, value, 0.0), defined.astype(float)


def _sum(text: str, column: Callable[[str], Numbers]) -> Numbers:
    total: Numbers = np.zeros(1)
    for term in text.strip("()").split(" + "):
        product: Numbers = np.ones(1)
        for factor in term.split(" * "):
            product = product * (float(factor) if factor.isdigit() else column(factor))
        total = total + product
    return total


_R, _NEVER = Pooling.RATIO, Pooling.NEVER
_KM: Final = "Kaplan and Meier 1958"
_AP: Final = "scikit-learn, average_precision_score"
_FROC: Final = "Chakraborty, Med. Phys. 16, 1989; McClish, Med. Decis. Making 9, 1989"
_BC: Final = "Brookmeyer and Crowley 1982"

# fmt: off
_DECLARED: Final = (
    Metric("threshold", "Threshold", "the detector's score", "",
           "Events above this score are flagged: the lowest that promises to stay within the budget.", _NEVER),
    Metric("precision", "Precision", "share", "higher",
           "Incidents caught / (incidents caught + false alarms). An incident counts once, however often it alarmed.",
           _R, "detected / (detected + false_positives)"),
    Metric("recall", "Recall", "share", "higher",
           "Incidents caught / incidents that began, and left an event, in the test window.",
           _R, "detected / incidents"),
    Metric("f1", "F1", "share", "higher", "The harmonic mean of precision and recall; 0 without alerts.",
           _R, "2 * detected / (detected + incidents + false_positives)"),
    Metric("recall_at_equal_alarms", "Recall at equal false alarms", "share", "higher",
           "Recall at the lowest threshold at which the test window has no more false alarms than the budget: the same"
           " cost for every detector. It is chosen with hindsight, so it compares detectors and promises nothing.",
           _R, "recall_at_equal_alarms * incidents / incidents"),
    Metric("incidents", "Incidents", "incidents", "", "Incidents that could be detected in the test window."),
    Metric("detected", "Incidents caught", "incidents", "higher", "Incidents with a flagged event in the test window."),
    Metric("false_positives", "False alarms", "alerts", "lower", "Alerts whose opening event belongs to no incident."),
    Metric("false_positives_per_day", "False alarms a day", "per day", "lower",
           "False alarms a day in the test window.", _R, "false_positives / test_days"),
    Metric("false_positives_per_identity_day", "False alarms an identity-day", "per identity and day", "lower",
           "False alarms / (days of the test window * identities active in it).",
           _R, "false_positives / (test_days * identities)"),
    Metric("time_to_detect_median_s", "Median time to detect", "s", "lower",
           "The time after which half of all incidents, missed ones included, are detected; NaN: not reached.",
           Pooling.SURVIVAL_MEDIAN, source=_KM),
    Metric("time_to_detect_restricted_mean_s", "Restricted mean time to detect", "s", "lower",
           "The mean of min(time to detect, length of the test window), missed incidents included.",
           Pooling.SURVIVAL_MEAN, source=_KM),
    Metric("detected_before_impact", "Before impact", "share", "higher",
           "Incidents caught before the stage that reaches their objective / incidents.",
           _R, "detected_before_impact * incidents / incidents"),
    Metric("alerts", "Alerts", "alerts", "", "Alerts in the test window, true and false."),
    Metric("raw_alerts", "Flagged events", "events", "", "Events above the threshold in the test window."),
    Metric("duplicates", "Repeated alerts", "alerts", "lower", "True alerts beyond the first of each incident."),
    Metric("abstained", "Abstentions", "events", "", "Events of the calibration and test windows without a score."),
    Metric("average_precision", "Average precision", "score", "higher",
           "Area under the precision-recall curve over events, the exact step sum over distinct scores.", source=_AP),
    Metric("budget_per_day", "Budget a day", "per day", "", "The false alarms a day that the threshold may cost."),
    Metric("realised_per_day", "False alarms a day", "per day", "lower",
           "False alarms a day in the test window, for comparison with the budget.",
           _R, "false_positives / test_days"),
    Metric("calibration_alerts_per_day", "Alerts a day while calibrating", "per day", "",
           "Alerts a day in the calibration window at the threshold."),
    Metric("calibration_days", "Days of calibration", "days", "", "Length of the calibration window."),
    Metric("expected_per_day", "Expected a day", "per day", "",
           "False alarms a day if nothing changes after calibration: its alerts, at least one, / its days.",
           _R, "expected_per_day * calibration_days / calibration_days"),
    Metric("events", "Events", "events", "", "Events of the calibration and test windows."),
    Metric("identities", "Identities", "identities", "", "Identities active in the test window."),
    Metric("test_days", "Days of test", "days", "", "Length of the test window."),
    Metric("score_seconds", "Time to score", "s", "lower", "Time in the detector's `score`."),
    Metric("incidents_unobserved", "Incidents unobserved", "incidents", "",
           "Incidents without an event in the test window; they do not count as missed."),
    Metric("incidents_incomplete", "Incidents incomplete", "incidents", "",
           "Incidents of which less happened than their template needs; they count neither as caught nor as missed."),
    Metric("incidents_in_warm_up", "Incidents in warm-up", "incidents", "",
           "Incidents that began before the test window; they count neither as caught nor as missed."),
    Metric("false_positives_cold_start", "False alarms on cold starts", "alerts", "lower",
           "False alarms on an identity, workload or image within an hour of its first event."),
    Metric("average_precision_incidents", "Average precision over incidents", "score", "higher",
           "Average precision of incidents, by their highest score, among identity-slots.", source=_AP),
    Metric("partial_area", "Partial area", "score", "higher",
           "Mean recall over false alarms a day from 0 to the budget, by identity-slots.", source=_FROC),
    Metric("partial_area_10", "Partial area to ten budgets", "score", "higher",
           "Mean recall over false alarms a day from 0 to ten times the budget, by identity-slots.", source=_FROC),
    Metric("false_positive_rate", "False positive rate", "share", "lower",
           "False alarms / identity-slots without an incident."),
    *(Metric(f"precision_at_prevalence_{share:.0e}", f"Precision at a prevalence of {share:g}", "share", "higher",
             f"The chance that an alarmed identity-slot holds an incident if a share of {share:g} of all slots does.",
             source="Axelsson, ACM TISSEC 3(3), 2000, equation 8") for share in PREVALENCES),
    Metric("time_to_detect_median_events", "Median events to detect", "events", "lower",
           "The median number of an incident's events before the one that is flagged.", _NEVER, source=_KM),
    Metric("time_to_detect_median_of_allowed", "Median time to detect of the time to impact", "share", "lower",
           "The median of time to detect / time from first event to impact.", _NEVER, source=_KM),
    *(Metric(f"detected_by_{label}", f"Caught within {label}", "share", "higher",
             f"1 - S({label}): incidents caught within {label} of their first event.", source=_KM)
      for label in HORIZONS_S),
    Metric("false_positives_announced", "False alarms on announced changes", "alerts", "lower",
           "False alarms on benign changes that the change calendar announced."),
    Metric("false_positives_unannounced", "False alarms on unannounced changes", "alerts", "lower",
           "False alarms on benign changes that the change calendar did not announce."),
    Metric("time_to_detect_median_low_s", "Median time to detect, lower bound", "s", "",
           "Lower bound of the 95 % interval of the median in one world, from log-log bands.", _NEVER, source=_BC),
    Metric("time_to_detect_median_high_s", "Median time to detect, upper bound", "s", "",
           "Upper bound of that interval; NaN: not reached.", _NEVER, source=_BC),
    Metric("fit_seconds", "Time to fit", "s", "lower", "Time in the detector's `fit`.", _NEVER),
    Metric("measure_seconds", "Time to judge", "s", "", "Time for alerts, matching and metrics.", _NEVER),
)
# fmt: on
METRICS: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _DECLARED}
"""Every metric by name, in the order of the columns of `cells`."""
POOLED: Final = tuple(metric.name for metric in _DECLARED if metric.pooling is not Pooling.NEVER)
"""The metrics that `summary` holds, in order."""
