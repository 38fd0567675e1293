"""The main table: one row per scenario and detector, each value with its interval, to read and to sort by."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pandas as pd

from scopedrift.reports.metrics import METRICS, Pooling
from scopedrift.reports.survival import survival
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import DASH, cause_words, duration, number, percent
from scopedrift.reports.words import Counts, count

SHOWN: Final = (
    *("recall_at_equal_alarms", "partial_area", "f1", "recall", "precision"),
    *("budget_per_day", "expected_per_day", "realised_per_day", "time_to_detect_median_s"),
    *("detected_before_impact", "average_precision"),
)
"""The metrics of the main table, in order."""
HEADINGS: Final = (
    *("Detector", "Rank", METRICS["detected"].title),
    *(METRICS[name].title for name in SHOWN),
    *("Runs", "Knowledge used", "Remarks"),
)

TINY: Final = 0.0001
"""A lower bound of an interval that is not a share: below it, digits say nothing."""
STRENGTHS = (0.0, 0.33, 0.67, 1.0)
STRENGTH_WORDS = ("low (up to 0.33)", "middling", "high (above 0.67)")


@dataclass(frozen=True)
class Value:
    """One entry of a table: its text, its 95 % interval as text (or ""), and a number to sort by (or None for text)."""

    text: str
    interval: str = ""
    sort: float | None = None

    @property
    def flat(self) -> str:
        """Text and interval on one line."""
        return f"{self.text} ({self.interval})" if self.interval else self.text


@dataclass(frozen=True)
class ResultRow:
    """One detector in one scenario."""

    scenario: str
    detector: str
    reference: bool
    values: tuple[Value, ...]


def results(data: ReportData) -> list[ResultRow]:
    """Return the main table, scenario by scenario, references last."""
    found = []
    for scenario in data.scenarios:
        own = data.only(scenario)
        found += [ResultRow(scenario, d, d in own.references, _values(own, d)) for d in own.detectors]
    return found


def results_frame(data: ReportData) -> pd.DataFrame:
    """Return the main table as text, for files."""
    rows = results(data)
    frame = pd.DataFrame([[v.flat for v in row.values] for row in rows], columns=list(HEADINGS))
    frame.insert(0, "Scenario", [row.scenario for row in rows])
    return frame


def recall_frame(data: ReportData) -> pd.DataFrame:
    """Return incidents caught out of those injected: kinds down, detectors across."""
    if not len(data.incidents):
        return pd.DataFrame(columns=["Kind of incident"])
    groups = data.incidents.groupby(["template", "detector"])["detected"].agg(["sum", "size"])
    text = groups["sum"].astype(str) + "/" + groups["size"].astype(str)
    table = text.unstack("detector").reindex(
        columns=[d for d in data.detectors if d in set(data.incidents["detector"])]
    )
    return table.fillna(DASH).rename_axis("Kind of incident").rename_axis(None, axis=1).reset_index()


def slices_frame(data: ReportData) -> pd.DataFrame:
    """Return incidents caught out of those injected by other properties than their kind: one slice a row.

    In-scope and out-of-scope incidents stand apart because only the latter break the declared policy at all.
    """
    found = data.incidents
    if not len(found):
        return pd.DataFrame(columns=["Incidents", "Slice"])
    slices = {
        "label": found["label"].str.replace("_", " "),
        "inside the declared scope": found["in_scope"].map({True: "yes", False: "no"}),
        "inside the entitlement": found["in_entitlement"].map({True: "yes", False: "no"}),
        "family": found["family"],
        "strength": pd.cut(found["strength"], STRENGTHS, labels=STRENGTH_WORDS, include_lowest=True).astype(object),
    }
    parts = []
    for name, values in slices.items():
        groups = found.assign(slice=values.fillna("unknown")).groupby(["slice", "detector"])["detected"]
        text = groups.sum().astype(int).astype(str) + "/" + groups.size().astype(str)
        parts.append(text.unstack("detector").assign(Incidents=name))
    if len(data.stage_hits):
        hits = data.stage_hits.groupby(["technique", "detector"])["detected"]
        text = hits.sum().astype(int).astype(str) + "/" + hits.size().astype(str)
        parts.append(text.unstack("detector").rename_axis("slice").assign(Incidents="stages noticed, by technique"))
    table = pd.concat(parts).fillna(DASH).rename_axis("Slice").rename_axis(None, axis=1).reset_index()
    return table[["Incidents", "Slice", *(d for d in data.detectors if d in table.columns)]]


def causes_frame(data: ReportData) -> pd.DataFrame:
    """Return the number of false alarms by cause, announced changes apart: causes down, detectors across."""
    alarms = data.alerts[data.alerts["false_alarm"]].copy()
    if not len(alarms):
        return pd.DataFrame(columns=["Cause"])
    told = alarms["announced"].map({"true": ", announced", "false": ", not announced"}).fillna("")
    alarms["cause"] = alarms["cause"].map(cause_words) + told
    table = alarms.groupby(["cause", "detector"]).size().unstack("detector", fill_value=0)
    table = table.reindex(columns=[d for d in data.detectors if d in table.columns])
    return table.rename_axis("Cause").rename_axis(None, axis=1).reset_index()


def _values(data: ReportData, detector: str) -> tuple[Value, ...]:
    total = count(data, detector)
    cells = data.cells[(data.cells["detector"] == detector) & (data.cells["status"] != "failed")]
    summary = data.summary[data.summary["detector"] == detector]
    row = summary.iloc[0] if len(summary) else None
    known = sorted({k.strip() for text in cells["knowledge"] for k in text.split(",") if k.strip()})
    runs = f"{total.seeds} of {total.seeds + total.failed}" if total.failed else f"{total.seeds}"
    caught = Value(f"{total.caught:,}/{total.incidents:,}" if total.seeds else DASH, "", float(total.caught))

    def metric(name: str) -> Value:
        if METRICS[name].pooling is Pooling.SURVIVAL_MEDIAN:
            return _median(data, detector, total, row)
        return _metric(name, percent if METRICS[name].unit == "share" else number, row, cells)

    return (
        Value(detector),
        _rank(row),
        caught,
        *(metric(name) for name in SHOWN),
        Value(runs, "", float(total.seeds)),
        Value(", ".join(known) or "log only"),
        Value("" if row is None else str(row["remarks"])),
    )


def _rank(row: pd.Series | None) -> Value:
    """The place in the order, and how many detectors are level with it."""
    if row is None or math.isnan(float(row["rank"])):
        return Value(DASH, "", math.inf)
    ties = len([name for name in str(row["tied_with"]).split(", ") if name])
    return Value(number(float(row["rank"])), f"level with {ties}" if ties else "", float(row["rank"]))


def _metric(name: str, show: Callable[[float], str], row: pd.Series[float] | None, cells: pd.DataFrame) -> Value:
    value, low, high = (math.nan if row is None else float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    if math.isnan(value):
        value = float(cells[name].mean())
    wide = math.isfinite(low) and math.isfinite(high) and show(low) != show(high)
    least = f"<{TINY}" if show is number and 0 < low < TINY else show(low).removesuffix(" %")
    return Value(show(value), f"{least} to {show(high)}" if wide else "", value)


def _median(data: ReportData, detector: str, total: Counts, row: pd.Series[float] | None) -> Value:
    curve = survival(data.incidents[data.incidents["detector"] == detector])
    median = curve.quantile(0.5) if curve.count or row is None else float(row["time_to_detect_median_s"])
    if not total.seeds or not (curve.count or total.incidents):
        return Value(DASH, "", math.inf)
    if math.isnan(median):
        return Value("not reached", "", math.inf)
    low, high = (math.nan if row is None else float(row[f"time_to_detect_median_s{end}"]) for end in ("_low", "_high"))
    upper = "not reached" if math.isnan(high) else duration(high)
    if not low <= median or high < median or duration(low) == upper:
        return Value(duration(median), "", median)
    return Value(duration(median), f"{duration(low)} to {upper}", median)
