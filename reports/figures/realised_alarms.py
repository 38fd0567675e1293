"""Realised false alarms of the test window against the budget and the calibration window."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, beside, canvas, legend_below, mark, rows
from scopedrift.reports.style import GRID, MUTED, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import listed, number, short


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw realised false alarms a day with their interval beside the budget; None when no detector has any result."""
    cells = data.cells[data.cells["status"] != "failed"]
    detectors = [d for d in data.real_detectors if d in set(cells["detector"])]
    budget = float(cells["budget_per_day"].median()) if len(cells) else math.nan
    if not detectors or not budget > 0:
        return None
    figure = canvas(1.2 + 1.1 * LINE * len(detectors))
    axes = figure.subplots()
    largest, facts = budget, []
    for place, detector in enumerate(detectors):
        own, look = cells[cells["detector"] == detector], looks[detector]
        calibration = float(own["calibration_alerts_per_day"].mean())
        realised, low, high = _with_interval(data.summary[data.summary["detector"] == detector], own)
        facts.append(f"{detector} {number(realised)}")
        largest = max([largest, *(v for v in (realised, high, calibration) if math.isfinite(v))])
        first = place == 0
        axes.plot([low, high], [place, place], color=look.colour, linewidth=2.2, solid_capstyle="butt", zorder=3)
        axes.plot(
            [calibration],
            [place],
            marker="|",
            markersize=13,
            markeredgewidth=1.6,
            color=MUTED,
            linestyle="none",
            zorder=2,
            label="alerts in the calibration window" if first else None,
        )
        axes.plot(
            [realised],
            [place],
            marker=look.marker,
            markersize=7.5,
            color=look.colour,
            linestyle="none",
            zorder=4,
            markeredgecolor=SURFACE,
            label="false alarms in the test window, with 95 % interval" if first else None,
        )
        beside(axes, max(realised, high) if math.isfinite(high) else realised, place, number(realised))
    mark(axes, budget, "budget")
    rows(axes, [short(d, 28) for d in detectors])
    axes.set_xlabel("Alerts a day")
    if largest > 8 * budget:
        axes.set_xscale("symlog", linthresh=budget, linscale=0.8)
        tens = math.ceil(math.log10(largest / budget))
        axes.xaxis.set_major_locator(FixedLocator([0, *(budget * 10.0**i for i in range(tens + 1))]))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(-0.05 * budget, largest * 2)
    else:
        axes.set_xlim(-0.02 * largest, largest * 1.12)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number(x)))
    axes.grid(axis="x", color=GRID)
    legend_below(figure, axes, columns=2)
    caption = "The calibration window, which holds no incidents, sets the threshold."
    caption += " A mark to the right of the dotted line is over budget."
    alt = f"Budget {number(budget)} a day; false alarms a day in the test window: {listed(facts, 12)}."
    return Drawing("realised-alarms", "Realised against budgeted false alarms", caption, alt, figure)


def _with_interval(summary: pd.DataFrame, cells: pd.DataFrame) -> tuple[float, float, float]:
    if len(summary) and math.isfinite(summary["realised_per_day"].iloc[0]):
        value, low, high = (float(summary[f"realised_per_day{end}"].iloc[0]) for end in ("", "_low", "_high"))
        return value, low, high
    mean = float(cells["realised_per_day"].fillna(cells["false_positives_per_day"]).mean())
    return mean, mean, mean
