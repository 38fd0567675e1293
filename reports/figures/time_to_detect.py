"""Time to detect: one Kaplan-Meier curve of undetected incidents per detector, on a logarithmic axis.

A curve that stays above 50 % has no median, and the legend says so. Ticks on a curve are incidents whose follow-up
ended before they were detected. References are left out.
"""

from __future__ import annotations

import math

import numpy as np

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import canvas, legend_below, log_times, share_axis
from scopedrift.reports.style import MUTED, REFERENCE, SERIES, Look
from scopedrift.reports.survival import survival
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import clean, duration, listed, short


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw the share of incidents still undetected against the time since they could be seen; None without any."""
    curves = {d: survival(data.incidents[data.incidents["detector"] == d]) for d in data.real_detectors}
    curves = {d: c for d, c in curves.items() if c.count}
    if not curves:
        return None
    ends = np.concatenate([np.concatenate([c.times, c.censored]) for c in curves.values()])
    low = max(1.0, float(min(ends[ends > 0], default=60.0)) / 2)
    high = max(float(ends.max()), low * 60) * 1.15
    named, others = list(curves)[: len(SERIES)], list(curves)[len(SERIES) :]

    figure = canvas(3.5 + 0.2 * ((len(named) + 2) // 2))
    axes = figure.subplots()
    facts = []
    for detector in [*others, *named]:
        curve = curves[detector]
        look = looks[detector] if detector in named else Look(REFERENCE, "", "-")
        median = curve.quantile(0.5)
        facts.append(f"{clean(detector)} {'not reached' if math.isnan(median) else duration(median)}")
        steps = np.concatenate([[low], np.clip(curve.times, low, high), [float(ends.max())]])
        heights = np.concatenate([[1.0], curve.undetected, curve.undetected[-1:]])
        label = (
            f"{short(detector, 26)}: median {facts[-1].removeprefix(clean(detector)).strip()}"
            if detector in named
            else None
        )
        axes.step(
            steps,
            heights,
            where="post",
            color=look.colour,
            linestyle=look.line,
            linewidth=1.8 if label else 0.8,
            label=label,
        )
        if label:
            lost = np.unique(curve.censored[curve.censored > 0])
            axes.plot(lost, curve.at(lost), "|", color=look.colour, markersize=8, markeredgewidth=1.2, zorder=4)
    axes.axhline(0.5, color=MUTED, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    log_times(axes, low, high)
    share_axis(axes)
    axes.set_xlabel("Time since the first observable event of an incident")
    axes.set_ylabel("Incidents still undetected")
    if others:
        axes.plot([], [], color=REFERENCE, linewidth=0.8, label=f"{len(others)} more detectors")
    legend_below(figure, axes, columns=2)
    count = max(c.count for c in curves.values())
    caption = (
        f"Lower is better; {count} incidents. The median is where a curve crosses the dotted line at half; a curve that"
    )
    caption += " never does has no median. Vertical ticks mark the end of a missed incident's follow-up."
    alt = f"Median time to detect: {listed(facts, 12)}."
    return Drawing("time-to-detect", "Time to detect", caption, alt, figure)
