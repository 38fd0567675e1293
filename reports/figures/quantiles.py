"""Quantile-quantile plots: simulated against real, one figure a statistic, both axes logarithmic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from scopedrift.reports.drawing import Drawing, picture
from scopedrift.reports.figures.axes import canvas
from scopedrift.reports.style import GRID, MUTED, SERIES
from scopedrift.reports.text import number, slug

Curve = tuple[str, str, str, Mapping[float, float], Mapping[float, float]]
"""Name, what it is, unit, and the simulated and the real values by probability."""


def write_quantiles(curves: Iterable[Curve], folder: Path) -> list[str]:
    """Draw each statistic into `folder` as SVG and PDF; return the names of what was drawn."""
    made = [picture(f"quantiles of {curve[0]}", partial(draw, curve), folder) for curve in curves]
    return [each.name for each in made if each is not None and each.saved]


def draw(curve: Curve) -> Drawing:
    """Draw one statistic: points on the diagonal are quantiles that agree."""
    name, about, unit, simulated, real = curve
    shared = [p for p in sorted(real) if p in simulated]
    pairs = [(max(real[p], 1e-4), max(simulated[p], 1e-4)) for p in shared]
    low, high = min(map(min, pairs)) / 1.5, max(map(max, pairs)) * 1.5
    if high < 10 * low:  # a decade at least, so that the axes have ticks
        low, high = low / 4, high * 4
    figure = canvas(4.2)
    axes = figure.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1.0, linestyle=(0, (2, 2)), label="equal")
    axes.plot([x for x, _ in pairs], [y for _, y in pairs], color=SERIES[0], marker="o", label="quantiles")
    for p, (x, y) in zip(shared, pairs, strict=True):
        axes.annotate(f"p{100 * p:g}", (x, y), xytext=(7, -9), textcoords="offset points", fontsize=8)
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=7))
        axis.set_major_formatter(FuncFormatter(lambda x, _: number(x, 2)))
        axis.set_minor_locator(NullLocator())
    axes.grid(color=GRID)
    suffix = f" ({unit})" if unit else ""
    axes.set_xlabel(f"Real{suffix}")
    axes.set_ylabel(f"Simulated{suffix}")
    axes.legend(loc="upper left")
    facts = ", ".join(f"p{100 * p:g} {number(y)} against {number(x)}" for p, (x, y) in zip(shared, pairs, strict=True))
    return Drawing(
        f"quantiles-{slug(name)}", about, "Simulated and real quantiles agree on the dashed line.",
        f"Simulated against real quantiles of {name}: {facts}.", figure,
    )  # fmt: skip
