"""When each identity raised alerts, for logs without ground truth: one row per identity, larger marks score higher."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, canvas, dates, day_numbers, legend_below, rows
from scopedrift.reports.style import GRID, SURFACE, Look
from scopedrift.reports.text import short

IDENTITIES, ALERTS = 20, 2_000


def draw(alerts: pd.DataFrame, looks: dict[str, Look]) -> Drawing | None:
    """Draw the alerts of the identities that have most of them; None without any time."""
    alerts = alerts[alerts["opened_at"].notna()]
    if not len(alerts):
        return None
    counts = alerts["identity"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    identities = list(counts.index[:IDENTITIES])
    shown = (
        alerts[alerts["identity"].isin(identities)].sort_values("score", ascending=False, kind="stable").head(ALERTS)
    )
    figure = canvas(1.05 + LINE * len(identities))
    axes = figure.subplots()
    detectors = [d for d in looks if d in set(shown["detector"])]
    for turn, detector in enumerate(detectors):
        own = shown[shown["detector"] == detector]
        rank = own["score"].rank(pct=True).fillna(0.5)
        shift = (turn - (len(detectors) - 1) / 2) * 0.6 / max(1, len(detectors))
        axes.scatter(
            day_numbers(own["opened_at"]),
            [identities.index(i) + shift for i in own["identity"]],
            s=14 + 60 * np.asarray(rank) ** 3,
            color=looks[detector].colour,
            marker=looks[detector].marker,
            edgecolor=SURFACE,
            linewidth=0.6,
            label=short(detector or "alert", 30),
        )
    rows(axes, [f"{short(i or '(no identity)', 38)}  {counts[i]}" for i in identities])
    dates(axes)
    axes.grid(axis="y", color=GRID)
    if len(detectors) > 1:
        legend_below(figure, axes)
    caption = "One row per identity, with its number of alerts. Times are UTC; larger marks are higher scores."
    if len(counts) > IDENTITIES:
        caption += f" Shows the {IDENTITIES} identities with the most alerts, of {len(counts)}."
    first, last = (f"{t:%Y-%m-%d %H:%M}" for t in (alerts["opened_at"].min(), alerts["opened_at"].max()))
    alt = f"{len(alerts)} alerts of {len(counts)} identities from {first} to {last} UTC."
    return Drawing("alerts", "When the alerts were raised", caption, alt, figure)
