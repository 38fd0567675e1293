"""Benign changes as a calendar, with the false alarms of each detector under it, for one seed."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, canvas, dates, day_numbers, legend_below, rows
from scopedrift.reports.style import GRID, MUTED, SERIES, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import capital, plural, short

ALARMS = 2_000  # most false alarms drawn per detector


def draw(data: ReportData, looks: dict[str, Look]) -> Drawing | None:
    """Draw changes as bars and false alarms as ticks; None without changes."""
    if not data.changes["start"].notna().any():
        return None
    seeds = list(dict.fromkeys(data.changes["seed"]))
    changes = data.changes[(data.changes["seed"] == seeds[0]) & data.changes["start"].notna()]
    alerts = data.alerts[
        (data.alerts["seed"] == seeds[0]) & data.alerts["false_alarm"] & data.alerts["opened_at"].notna()
    ]
    failed = set(data.cells.loc[(data.cells["seed"] == seeds[0]) & (data.cells["status"] == "failed"), "detector"])
    kinds = sorted(set(changes["kind"]))
    detectors = [d for d in data.real_detectors if d in set(data.cells["detector"]) | set(data.alerts["detector"])]
    names = [
        *(short(capital(plural(k)), 28) for k in kinds),
        *(f"{short(d, 24)}{' (failed)' if d in failed else ''}" for d in detectors),
    ]
    figure = canvas(1.15 + 1.05 * LINE * len(names))
    axes = figure.subplots()
    last = _latest(changes, alerts)
    _draw_changes(changes, kinds, last, axes)
    totals = []
    for place, detector in enumerate(detectors, start=len(kinds)):
        own = alerts[alerts["detector"] == detector].iloc[:ALARMS]
        totals.append(f"{detector} {len(own)}")
        for ordinary, name in ((True, "on ordinary work"), (False, "on a change or near an incident")):
            times = own.loc[(own["cause"] == "baseline") == ordinary, "opened_at"]
            axes.plot(
                day_numbers(times),
                [place + (0.12 if ordinary else -0.12)] * len(times),
                linestyle="none",
                marker="|",
                markersize=9,
                markeredgewidth=1.4,
                color=MUTED if ordinary else SERIES[1],
                label=f"false alarm {name}" if place == len(kinds) else None,
            )
    if detectors:
        axes.axhline(len(kinds) - 0.5, color=GRID, linewidth=1)
    rows(axes, names)
    dates(axes)
    legend_below(figure, axes, columns=2)
    caption = "Bars are sanctioned changes; ticks are false alarms, which occur only in the test window."
    caption += f" Seed {seeds[0]}, the first of {len(seeds)}; times are UTC."
    alt = f"{len(changes)} benign changes of {len(kinds)} kinds in seed {seeds[0]}."
    alt += f" False alarms: {', '.join(totals) or 'none'}."
    return Drawing("calendar", "Benign changes and false alarms", caption, alt, figure)


def _draw_changes(changes: pd.DataFrame, kinds: list[str], last: pd.Timestamp, axes: Axes) -> None:
    """Changes as bars; those without an end last until `last`."""
    least = (last - changes["start"].min()).total_seconds() / 86_400 / 250
    for announced in (True, False):
        chosen = changes[changes["announced"] == announced]
        starts = day_numbers(chosen["start"])
        widths = [max(w, least) for w in day_numbers(chosen["end"].fillna(last)) - starts]
        axes.barh(
            [kinds.index(k) for k in chosen["kind"]],
            widths,
            left=starts,
            height=0.6,
            edgecolor=SERIES[0],
            linewidth=0.9,
            color=SERIES[0] if announced else SURFACE,
            hatch="" if announced else "//////",
            alpha=1.0,
            label="announced change" if announced else "unannounced change",
            hatchcolor=SERIES[0],
        )


def _latest(changes: pd.DataFrame, alerts: pd.DataFrame) -> pd.Timestamp:
    return pd.Timestamp(pd.concat([changes["end"], changes["start"], alerts["opened_at"]]).max())
