"""The result tables that a report is drawn from.

`experiments` hands over plain pandas frames (columns: `COLUMNS`); `Tables` is the same with every column present, names
cleaned for display, times in UTC and numbers as floats, so that the rest of the package never asks whether something is
there. Any table may be empty. Durations are seconds, rates per day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from scopedrift.reports.text import clean

METRICS = (
    "precision recall f1 incidents detected false_positives false_positives_per_day false_positives_per_identity_day"
    " time_to_detect_median_s time_to_detect_restricted_mean_s detected_before_impact alerts raw_alerts duplicates"
    " abstained average_precision budget_per_day realised_per_day calibration_alerts_per_day events identities"
    " test_days score_seconds"
)
TEXTS: dict[str, str] = {
    "cells": "scenario seed detector status reason knowledge",
    "summary": "scenario detector tied_with",
    "incidents": "scenario seed detector incident label template family identity end_reason",
    "stages": "scenario seed incident stage name technique outcome",
    "alerts": "scenario seed detector identity incident cause announced operation resource reason",
    "curves": "scenario seed detector",
    "changes": "scenario seed change kind",
    "ablation": "scenario detector kind removed sample",
    "stage_hits": "scenario seed detector incident name technique",
    "worlds": "scenario seed background",
    "rule_summary": "scenario detector rule level status reason caught only",
}
TIMES: dict[str, str] = {
    "incidents": "intent_at first_observable_at impact_at ended_at detected_at",
    "stages": "started_at ended_at",
    "alerts": "opened_at closed_at",
    "changes": "start end",
}
FLAGS: dict[str, str] = {
    "incidents": "in_entitlement in_scope detected before_impact",
    "stages": "in_entitlement in_scope",
    "stage_hits": "detected",
    "alerts": "false_alarm",
    "changes": "announced",
}
NUMBERS: dict[str, str] = {
    "cells": f"threshold {METRICS}",
    "summary": " ".join(
        [f"{m}{end}" for m in METRICS.split() for end in ("", "_low", "_high")]
        + ["seeds", "failed", "rank", "minimum_detectable"]
    ),
    "incidents": "strength delay_s follow_up_s stages_passed",
    "alerts": "events score",
    "curves": "threshold false_positives_per_day recall precision",
    "changes": "identities",
    "ablation": "recall recall_without difference low high worlds",
    "rule_summary": "events alerts true_alarms false_alarms false_alarms_per_day alerts_per_day noise_rank incidents",
}
REFERENCES: dict[str, str] = {
    "never": "alerts on nothing",
    "always": "scores every event alike",
    "random": "scores at random",
    "oracle": "is told the truth and checks the plumbing only",
}


@dataclass(frozen=True)
class Tables:
    """The result tables, ready for display; `detectors` is the order in which everything lists them."""

    cells: pd.DataFrame
    summary: pd.DataFrame
    incidents: pd.DataFrame
    stages: pd.DataFrame
    alerts: pd.DataFrame
    curves: pd.DataFrame
    changes: pd.DataFrame
    ablation: pd.DataFrame
    stage_hits: pd.DataFrame
    rule_summary: pd.DataFrame
    worlds: pd.DataFrame

    @property
    def scenarios(self) -> list[str]:
        """Names of the scenarios, in the order in which the results list them."""
        found: dict[str, None] = {}
        for name in ("cells", "summary", "incidents", "alerts", "curves", "changes"):
            found.update(dict.fromkeys(getattr(self, name)["scenario"]))
        return list(found)

    @property
    def detectors(self) -> list[str]:
        """Names of the detectors: best recall first, then by name; the reference detectors last."""
        found: set[str] = set()
        for name in ("cells", "summary", "incidents", "alerts", "curves"):
            found.update(getattr(self, name)["detector"])
        source = self.summary if len(self.summary) else self.cells  # the recall that is shown: over all incidents
        recall = source.groupby("detector")["recall"].mean().fillna(-1.0).to_dict()
        rank = list(REFERENCES)
        real = sorted((d for d in found if d not in REFERENCES), key=lambda d: (-float(recall.get(d, -1.0)), d))
        return real + sorted((d for d in found if d in REFERENCES), key=rank.index)

    @property
    def real_detectors(self) -> list[str]:
        """The detectors under test: all but the references."""
        return [d for d in self.detectors if d not in REFERENCES]

    def only(self, scenario: str) -> Tables:
        """The rows of one scenario."""
        return replace(self, **{f.name: _where(getattr(self, f.name), scenario) for f in fields(self)})


def _where(frame: pd.DataFrame, scenario: str) -> pd.DataFrame:
    return frame[frame["scenario"] == scenario].reset_index(drop=True)


def normalise(tables: Mapping[str, pd.DataFrame]) -> Tables:
    """Return `tables` ready for display; a missing table is empty, a missing column is all missing."""
    return Tables(**{f.name: normalise_one(f.name, tables.get(f.name, pd.DataFrame())) for f in fields(Tables)})


def normalise_one(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return one table with exactly its documented columns, each of the type that its name promises."""
    columns: dict[str, Any] = {}
    for column in TEXTS.get(name, "").split():
        columns[column] = _texts(_column(frame, column))
    for column in TIMES.get(name, "").split():
        columns[column] = pd.to_datetime(_column(frame, column), utc=True, errors="coerce")
    for column in FLAGS.get(name, "").split():
        columns[column] = _column(frame, column).map(_flag).astype(bool)
    for column in NUMBERS.get(name, "").split():
        columns[column] = pd.to_numeric(_column(frame, column), errors="coerce").astype(float)
    return pd.DataFrame(columns).reset_index(drop=True)


def _column(frame: pd.DataFrame, column: str) -> pd.Series[Any]:
    if column in frame.columns:
        return frame[column].reset_index(drop=True)
    return pd.Series([None] * len(frame), dtype=object)


def _texts(column: pd.Series[Any]) -> pd.Series[Any]:
    """Each distinct value is cleaned once: names repeat."""
    codes, values = pd.factorize(column, use_na_sentinel=False)
    return pd.Series(np.array([_text(value) for value in values], dtype=object)[codes], dtype=object)


def _text(value: Any) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return clean(value)


def _flag(value: Any) -> bool:
    return not (value is None or pd.isna(value)) and bool(value)
