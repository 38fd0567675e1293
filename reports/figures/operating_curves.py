"""Recall and precision of each detector at any number of false alarms a day.

One line per detector: the mean over seeds of the best operating point that costs at most x; the band is the range over
seeds. The large marker is where the calibrated threshold landed in the test window. References are left out. Where all
scores are equal, as for alerts of other systems without scores, there is a marker and no line.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import Array, canvas, legend_below, log_numbers, mark, share_axis
from scopedrift.reports.style import REFERENCE, SERIES, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import clean, listed, number, percent, short

POINTS = 160
BANDS = 3  # detectors with a band: more would hide each other


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw recall and precision against false alarms per day; None without curves."""
    present = set(data.curves["detector"])
    detectors = [d for d in data.real_detectors if d in present]
    costs = data.curves.loc[data.curves["detector"].isin(detectors), "false_positives_per_day"]
    costs = costs[np.isfinite(costs) & (costs > 0)]
    if not detectors or not len(costs):
        return None
    budget = float(data.cells["budget_per_day"].median())
    anchor = budget if budget > 0 else float(costs.median())
    low, high = anchor / 30, max(anchor * 3, min(float(costs.max()), anchor * 100))
    grid = np.geomspace(low, high, POINTS)
    named, others = detectors[: len(SERIES)], detectors[len(SERIES) :]

    figure = canvas(3.6 + 0.2 * ((len(named) + 2) // 3))
    panels = figure.subplots(1, 2, sharey=True)
    facts, pointed = [], False
    for detector in [*others, *named]:
        curves = [c for _, c in data.curves[data.curves["detector"] == detector].groupby("seed")]
        alone = max(len(curve) for curve in curves) < 2
        pointed |= alone
        look = looks[detector] if detector in named else Look(REFERENCE, "", "-")
        for axes, metric in zip(panels, ("recall", "precision"), strict=True):
            values = np.vstack([_at_most(curve, metric, grid) for curve in curves])
            mean, least, most = _over_seeds(values)
            if detector in named[:BANDS] and len(curves) > 1:
                axes.fill_between(grid, least, most, color=look.colour, alpha=0.13, linewidth=0)
            axes.plot(
                [] if alone else grid,
                [] if alone else mean,
                color=look.colour,
                linestyle=look.line,
                linewidth=1.8 if detector in named else 0.8,
                zorder=3 if detector in named else 2,
            )
            if metric == "recall" and detector in named:
                facts.append(f"{clean(detector)} {percent(float(np.interp(anchor, grid, mean)))}")
        if detector in named:
            _realised(data, detector, look, panels, (low, high))
    for axes, title in zip(panels, ("Recall: incidents caught", "Precision: alerts that are correct"), strict=True):
        axes.set_title(title, pad=17)
        axes.set_xlabel("False alarms a day")
        log_numbers(axes, low, high)
        share_axis(axes)
        if budget > 0:
            mark(axes, budget, "budget")
    if others:
        panels[0].plot([], [], color=REFERENCE, linewidth=0.8, label=f"{len(others)} more detectors")
    legend_below(figure, panels[0])
    several = data.curves["seed"].nunique() > 1
    alike = " A marker without a line: its alerts have no scores to order them." if pointed else ""
    caption = "The large marker shows the threshold set on the calibration window. Up and to the left is better."
    if several:
        seeds, first = data.curves["seed"].nunique(), f" (of the first {BANDS})" if len(named) > BANDS else ""
        caption += f" Lines are means; bands{first} show the range over {seeds} seeds."
    caption += f" The left edge includes thresholds without false alarms.{alike}"
    alt = f"Recall at {number(anchor)} false alarms a day: {listed(facts, 12)}."
    return Drawing("operating-curves", "Recall and precision against false alarms a day", caption, alt, figure)


def _at_most(curve: pd.DataFrame, metric: str, grid: Array) -> Array:
    """The metric at the most generous threshold that costs at most each value of `grid`; nothing flagged: recall 0."""
    ordered = curve.dropna(subset=["false_positives_per_day"]).sort_values(["false_positives_per_day", "recall"])
    place = np.searchsorted(ordered["false_positives_per_day"].to_numpy(), grid, side="right")
    nothing = 0.0 if metric == "recall" else np.nan
    return np.asarray(np.concatenate([[nothing], ordered[metric].to_numpy(dtype=float)])[place])


def _over_seeds(values: Array) -> tuple[Array, Array, Array]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a column without any alert is NaN, and stays a gap
        return np.nanmean(values, axis=0), np.nanmin(values, axis=0), np.nanmax(values, axis=0)


def _realised(data: ReportData, detector: str, look: Look, panels: Array, limits: tuple[float, float]) -> None:
    rows = data.summary[data.summary["detector"] == detector]
    if not len(rows):
        rows = data.cells[data.cells["detector"] == detector]
    cost = float(np.clip(rows["realised_per_day"].fillna(rows["false_positives_per_day"]).mean(), *limits))
    for axes, metric in zip(panels, ("recall", "precision"), strict=True):
        axes.plot(
            [cost],
            [rows[metric].mean()],
            marker=look.marker,
            markersize=8.5,
            color=look.colour,
            zorder=5,
            markeredgecolor=SURFACE,
            markeredgewidth=1.0,
            linestyle="none",
            clip_on=False,
        )
    panels[0].plot([], [], color=look.colour, linestyle=look.line, marker=look.marker, label=short(detector, 30))
