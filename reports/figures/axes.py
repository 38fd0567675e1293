"""What figures share: empty canvases, axes in time or rate, legends and cut names."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, date2num, num2date
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from scopedrift.reports.style import GRID, INK, MUTED, SURFACE, WIDTH
from scopedrift.reports.text import duration, number

Array = np.ndarray[Any, np.dtype[Any]]
ROUND_TIMES = (1, 10, 60, 600, 3_600, 6 * 3_600, 86_400, 7 * 86_400, 28 * 86_400, 365 * 86_400)  # seconds
LINE = 0.25  # inches per row of text
SCREEN_DPI = 180  # sharp on screens with two pixels a point


class Canvas(Figure):
    """A figure that notebooks display; matplotlib's own class needs pyplot for that."""

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png", dpi=SCREEN_DPI)
        return picture.getvalue()


def canvas(height: float, *, fitted: bool = True) -> Figure:
    """Return an empty figure of the page's width and `height` inches."""
    return Canvas(figsize=(WIDTH, height), layout="constrained" if fitted else None)


def log_times(axes: Axes, low: float, high: float) -> None:
    """Make the horizontal axis logarithmic in seconds, with ticks at the times that people use."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [float(t) for t in ROUND_TIMES if low <= t <= high]
    if len(ticks) < 2:
        ticks = [float(t) for t in np.geomspace(low, high, 4)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: duration(x)))
    axes.xaxis.set_minor_locator(NullLocator())


def log_numbers(axes: Axes, low: float, high: float) -> None:
    """Make the horizontal axis logarithmic, with plain numbers at the powers of ten (and at 3 between, if few)."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    factors = (1, 2, 5) if len(decades) <= 3 else (1, 3) if len(decades) <= 5 else (1,)
    ticks = [f * 10.0**d for d in decades for f in factors if low * 0.999 <= f * 10.0**d <= high * 1.001]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number(x, 2)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def share_axis(axes: Axes) -> None:
    """Make the vertical axis a share from 0 to 100 %, with a light grid."""
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:.0f} %"))
    axes.grid(axis="y", color=GRID)


def dates(axes: Axes) -> None:
    """Label the horizontal axis with days, and hours where the days are few."""
    axes.xaxis.set_major_locator(AutoDateLocator(minticks=3, maxticks=8))  # type: ignore[no-untyped-call]
    low, high = axes.get_xlim()
    form = "%d %b" if high - low > 4 else "%d %b\n%H:%M"
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _day(x, form)))
    axes.grid(axis="x", color=GRID)


def day_numbers(times: pd.Series) -> Array:
    """Return times as matplotlib's day numbers."""
    return np.asarray(date2num(times))  # type: ignore[no-untyped-call]


def rows(axes: Axes, names: list[str]) -> None:
    """Make the vertical axis one row per name, the first on top."""
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def legend_below(figure: Figure, axes: Axes, columns: int = 3, **more: Any) -> None:
    """Put the legend of `axes` under the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower left", ncols=columns, handlelength=3.4, **more)


def beside(axes: Axes, x: float, y: float, text: str, *, gap: float = 8, color: str = INK, size: float = 8.5) -> None:
    """Write `text` to the right of a point, `gap` points away, readable over whatever lies there."""
    box = {"facecolor": SURFACE, "edgecolor": "none", "pad": 1}
    where: dict[str, Any] = {"xytext": (gap, 0), "textcoords": "offset points", "va": "center"}
    axes.annotate(text, (x, y), color=color, fontsize=size, bbox=box, zorder=5, **where)


def mark(axes: Axes, x: float, text: str, *, color: str = MUTED, dotted: bool = True) -> None:
    """Draw a vertical line at `x` and name it above the axes."""
    axes.axvline(x, color=color, linewidth=1.0 if dotted else 1.3, linestyle=(0, (2, 2)) if dotted else "-", zorder=1.5)
    where: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points"}
    axes.annotate(text, (x, 1.0), color=color, fontsize=8, ha="center", va="bottom", annotation_clip=False, **where)


def _day(x: float, form: str) -> str:
    return str(num2date(x).strftime(form)).lstrip("0")  # type: ignore[no-untyped-call]
