"""A claim: what was measured at each setting of the knob, with 95 % intervals over worlds."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from scopedrift.reports.claim_words import MEASURES, difference_words, settings, shown, value_words
from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import canvas, legend_below, share_axis
from scopedrift.reports.style import GRID, INK, SURFACE, looks
from scopedrift.reports.text import capital, clean, listed, short


def draw(rows: pd.DataFrame) -> Drawing:
    """Draw the rows of one claim; the table `claims` in `reports.columns` has them."""
    first = rows.iloc[0]
    figure = canvas(3.4)
    axes = figure.subplots()
    detectors = list(dict.fromkeys(rows["detector"]))
    style = looks([name or "world" for name in detectors])
    places = settings(rows)
    for turn, detector in enumerate(detectors):
        mine = rows[rows["detector"] == detector].set_index("setting").loc[places]
        look = style[detector or "world"]
        value, low, high = (mine[name].to_numpy(float) for name in ("value", "low", "high"))
        x = np.arange(len(places)) + 0.06 * (turn - (len(detectors) - 1) / 2)
        axes.plot(x, value, color=look.colour, linestyle=look.line, zorder=3)
        axes.vlines(x, low, high, color=look.colour, linewidth=2.2, zorder=3)
        axes.plot(
            x,
            value,
            marker=look.marker,
            color=look.colour,
            linestyle="none",
            markersize=7.5,
            markeredgecolor=SURFACE,
            zorder=4,
        )
        axes.plot([], [], color=look.colour, marker=look.marker, linestyle=look.line, label=detector or None)
        side = -9 if turn < (len(detectors) - 1) / 2 else 9
        for at, y in zip(x, value, strict=True):
            _beside(axes, at, y, shown(first["measure"], y), side)
    measure = MEASURES[first["measure"]]
    if measure.share:
        share_axis(axes)
    else:
        axes.set_ylim(0, 1.12 * float(np.nanmax(rows[["value", "high"]].to_numpy(float))) or 1.0)
        axes.grid(axis="y", color=GRID)
    axes.set_xlim(-0.4, len(places) - 0.6)
    axes.set_xticks(range(len(places)), [short(place, 24) for place in places])
    axes.set_xlabel(capital(clean(first["knob"])))
    axes.set_ylabel(measure.name)
    if len(detectors) > 1:
        legend_below(figure, axes)
    by = f" by {detectors[0]}" if len(detectors) == 1 and detectors[0] else ""
    caption = (
        f"{measure.name}{by}; {first['worlds']} worlds a setting, bars are 95 % intervals. {difference_words(rows)}"
    )
    return Drawing(clean(first["claim"]), clean(first["title"]), caption, f"{listed(value_words(rows), 12)}.", figure)


def _beside(axes: Axes, x: float, y: float, text: str, gap: float) -> None:
    box = {"facecolor": SURFACE, "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
    axes.annotate(
        text,
        (x, y),
        xytext=(gap, 0),
        textcoords="offset points",
        va="center",
        ha="left" if gap > 0 else "right",
        color=INK,
        fontsize=8.5,
        bbox=box,
        zorder=5,
    )
