"""A search for parameters: every trial, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import canvas, legend_below, share_axis
from scopedrift.reports.style import MUTED, SERIES
from scopedrift.reports.text import number


def draw(values: Sequence[float], detector: str) -> Drawing:
    """Draw the objective (f1 within the budget, 0 to 1) by trial; NaN for trials that were pruned or failed."""
    figure = canvas(3.2)
    axes = figure.subplots()
    finished = [(i + 1, v) for i, v in enumerate(values) if math.isfinite(v)]
    pruned = [i + 1 for i, v in enumerate(values) if not math.isfinite(v)]
    best, line = 0.0, []
    for at, value in finished:
        best = max(best, value)
        line.append((at, best))
    axes.plot(*zip(*line, strict=True), color=SERIES[0], linewidth=2, drawstyle="steps-post", label="best so far")
    axes.plot(*zip(*finished, strict=True), "o", color=SERIES[1], markersize=4.5, linestyle="none", label="trial")
    if pruned:
        axes.plot(pruned, [0] * len(pruned), "x", color=MUTED, markersize=5, linestyle="none", label="pruned")
    share_axis(axes)
    axes.set_xlabel("Trial; the first is the default")
    axes.set_ylabel("F1 within the budget, on the tuning worlds")
    legend_below(figure, axes)
    caption = "Trials are compared on the tuning worlds; the best is judged on other worlds."
    alt = f"{len(values)} trials of {detector}; the best has {number(best)}."
    return Drawing("tuning", f"Tuning {detector}", caption, alt, figure)
