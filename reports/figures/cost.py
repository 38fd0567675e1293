"""Cost of scoring: seconds per million events, including references, which show the floor."""

from __future__ import annotations

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, beside, canvas, log_numbers, rows
from scopedrift.reports.style import GRID, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import listed, number, short


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw the scoring time per million events, cheapest first; None when it was not measured."""
    cells = data.cells[(data.cells["events"] > 0) & (data.cells["score_seconds"] > 0)]
    if not len(cells):
        return None
    sums = cells.groupby("detector")[["score_seconds", "events"]].sum()
    cost = (1e6 * sums["score_seconds"] / sums["events"]).sort_values(kind="stable")
    figure = canvas(0.75 + 1.1 * LINE * len(cost))
    axes = figure.subplots()
    for place, (detector, seconds) in enumerate(cost.items()):
        look = looks[str(detector)]
        axes.plot(
            [seconds],
            [place],
            marker=look.marker,
            markersize=8,
            color=look.colour,
            linestyle="none",
            markeredgecolor=SURFACE if look.marker not in "x+12" else None,
        )
        beside(axes, seconds, place, f"{number(seconds)} s", gap=9)
    rows(axes, [short(d, 28) for d in cost.index])
    axes.grid(axis="x", color=GRID)
    axes.hlines(range(len(cost)), float(cost.min()) / 2, cost, color=GRID, linewidth=1, zorder=1)
    log_numbers(axes, float(cost.min()) / 2, float(cost.max()) * 3)
    axes.set_xlabel("Seconds per million events")
    facts = [f"{d} {number(s)} s" for d, s in cost.items()]
    return Drawing(
        "cost",
        "Cost of scoring",
        "Time to score one million events on the machine that ran this; left is cheaper.",
        f"Seconds per million events: {listed(facts, 16)}.",
        figure,
    )
