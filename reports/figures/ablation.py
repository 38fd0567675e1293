"""Value of each kind of knowledge and each log stream: recall lost or gained without it."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.ticker import FuncFormatter

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, canvas, rows
from scopedrift.reports.style import GRID, INK, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import listed, short

SHOWN = 24  # the largest effects; the table holds all


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw the change of recall without each, largest loss first; None without an ablation."""
    found = data.ablation[data.ablation["difference"].fillna(0.0) != 0.0]
    if not len(found):
        return None
    found = found.reindex(found["difference"].abs().sort_values(ascending=False, kind="stable").index)
    shown = found.head(SHOWN).sort_values("difference", kind="stable")
    figure = canvas(0.9 + 1.05 * LINE * len(shown))
    axes = figure.subplots()
    facts = []
    for place, (_, row) in enumerate(shown.iterrows()):
        look = looks[str(row["detector"])]
        axes.barh(place, row["difference"], height=0.62, color=look.colour, edgecolor=SURFACE, zorder=2)
        if math.isfinite(row["low"]) and math.isfinite(row["high"]):
            axes.plot([row["low"], row["high"]], [place, place], color=INK, linewidth=1.4, zorder=3)
        facts.append(f"{_label(row)} {_points(row['difference'])}")
    rows(axes, [short(_label(row), 52) for _, row in shown.iterrows()])
    axes.axvline(0.0, color=INK, linewidth=0.8, zorder=4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _points(x)))
    axes.set_xlabel("Change of recall, in percentage points")
    axes.grid(axis="x", color=GRID)
    rest = len(found) - len(shown)
    caption = "Change at the same alert budget without one kind of knowledge or one log stream; lines are 95 %"
    caption += " intervals over worlds."
    caption += f" The table lists {rest} smaller effects." if rest else ""
    return Drawing("ablation", "What each kind of knowledge is worth", caption, f"{listed(facts, 12)}.", figure)


def _label(row: pd.Series[str]) -> str:
    piece = str(row["removed"]).replace("_", " ")
    return f"{row['detector']} without {piece}{' stream' if row['kind'] == 'stream' else ''}"


def _points(value: float) -> str:
    text = f"{100 * value:+.0f}"
    return "0" if text in ("+0", "-0") else text.replace("-", "\N{MINUS SIGN}")
