"""What causes false alarms: one bar per detector, stacked by cause, in false alarms a day, without references."""

from __future__ import annotations

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, beside, canvas, legend_below, rows
from scopedrift.reports.style import GRID, HATCHES, REFERENCE, SERIES, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import cause_words, listed, number, percent, short

SHOWN = 6


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw false alarms a day by cause; None when no detector under test raised one."""
    alarms = data.alerts[data.alerts["false_alarm"] & data.alerts["detector"].isin(data.real_detectors)]
    if not len(alarms):
        return None
    ranked = list(alarms["cause"].value_counts().sort_index().sort_values(ascending=False, kind="stable").index)
    causes = sorted(ranked[:SHOWN], key=lambda c: (c != "baseline", ranked.index(c)))
    detectors = [d for d in data.real_detectors if d in set(data.cells["detector"]) | set(alarms["detector"])]
    figure = canvas(1.0 + 1.15 * LINE * len(detectors) + 0.2 * ((len(causes) + 3) // 3))
    axes = figure.subplots()
    days = {d: max(1e-9, _days(data, d)) for d in detectors}
    totals = {d: float((alarms["detector"] == d).sum()) / days[d] for d in detectors}
    largest = max(totals.values())
    left = dict.fromkeys(detectors, 0.0)
    for turn, cause in enumerate([*causes, *(["*"] if len(ranked) > SHOWN else [])]):
        chosen = alarms[~alarms["cause"].isin(causes)] if cause == "*" else alarms[alarms["cause"] == cause]
        widths = [float((chosen["detector"] == d).sum()) / days[d] for d in detectors]
        colour = REFERENCE if cause == "baseline" else SERIES[(turn - ("baseline" in causes)) % len(SERIES)]
        label = f"{len(ranked) - SHOWN} other causes" if cause == "*" else cause_words(cause)
        axes.barh(
            range(len(detectors)),
            widths,
            left=list(left.values()),
            height=0.68,
            color=colour,
            edgecolor=SURFACE,
            hatch=HATCHES[turn % len(HATCHES)],
            linewidth=0.8,
            label=short(label, 34),
        )
        for detector, width in zip(detectors, widths, strict=True):
            left[detector] += width
    for place, detector in enumerate(detectors):
        beside(axes, totals[detector], place, number(totals[detector]), gap=5)
    rows(axes, [short(d, 28) for d in detectors])
    axes.set_xlim(0, largest * 1.1)
    axes.set_xlabel("False alarms a day in the test window")
    axes.grid(axis="x", color=GRID)
    legend_below(figure, axes)
    facts = []
    for detector in detectors:
        counts = alarms.loc[alarms["detector"] == detector, "cause"].value_counts()
        if len(counts):
            facts.append(f"{detector}: {cause_words(str(counts.index[0]))} {percent(counts.iloc[0] / counts.sum())}")
    caption = "Grey is ordinary work; the other colours are sanctioned changes or times around an incident."
    return Drawing(
        "false-alarms-by-cause", "False alarms by cause", caption, f"Main cause: {listed(facts, 12)}.", figure
    )


def _days(data: ReportData, detector: str) -> float:
    cells = data.cells[(data.cells["detector"] == detector) & (data.cells["status"] != "failed")]
    days = float(cells["test_days"].sum())
    return days if days > 0 else 1.0
