"""One incident from its first trace on: its stages, its impact, and when each detector noticed.

Time is relative to the first observable event. One row per stage, then one per detector, first to notice on top; who
never noticed says `missed`. References are left out. The selection shows each kind of incident in turn, the ones missed
most, then the ones noticed last.
"""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scopedrift.reports.drawing import Drawing
from scopedrift.reports.figures.axes import LINE, beside, canvas, mark, rows
from scopedrift.reports.style import GRID, INK, MUTED, REFERENCE, SERIES, SURFACE, Look
from scopedrift.reports.tables import ReportData
from scopedrift.reports.text import capital, clean, duration, listed, short, slug

Key = tuple[str, str]  # seed, incident
STEPS = (("min", 60.0), ("h", 3_600.0), ("d", 86_400.0))


def informative(data: ReportData) -> list[Key]:
    """Return all incidents, kinds in turn: first those that most detectors missed, then those noticed last."""
    rows = data.incidents[data.incidents["detector"].isin(data.real_detectors)]
    if not len(rows):
        rows = data.incidents
    queues: dict[str, list[tuple[float, float, Key]]] = {}
    for (template, seed, incident), own in rows.groupby(["template", "seed", "incident"]):
        missed, latest = float((~own["detected"]).sum()), float(own["delay_s"].fillna(0.0).max())
        queues.setdefault(str(template), []).append((-missed, -latest, (str(seed), str(incident))))
    ranked = [sorted(q) for q in sorted(queues.values(), key=min)]
    return [q[i][2] for i in range(max((len(q) for q in ranked), default=0)) for q in ranked if i < len(q)]


def draw(data: ReportData, looks: dict[str, Look], key: Key) -> Drawing | None:
    """Draw the time line of one incident; None when nothing of it could be observed."""
    seed, incident = key
    own = data.incidents[(data.incidents["seed"] == seed) & (data.incidents["incident"] == incident)]
    stages = data.stages[(data.stages["seed"] == seed) & (data.stages["incident"] == incident)].dropna(
        subset=["started_at"]
    )
    start = own["first_observable_at"].min()
    if pd.isna(start):
        return None
    stages = stages.sort_values("started_at", kind="stable")
    order = {d: i for i, d in enumerate(data.real_detectors)}
    seen = own[own["detector"].isin(order)].copy()
    seen["rank"] = seen["detector"].map(order)
    seen = seen.sort_values(["detected", "delay_s", "rank"], ascending=[False, True, True], kind="stable")
    names = [
        *(short(n or s, 30) for n, s in zip(stages["name"], stages["stage"], strict=True)),
        *(short(d, 30) for d in seen["detector"]),
    ]
    if not names:
        return None

    figure = canvas(0.85 + LINE * len(names), fitted=False)
    height = figure.get_size_inches()[1]
    axes = figure.add_axes((0.27, 0.5 / height, 0.71, 1 - 0.8 / height))
    last = _draw_stages(stages, start, axes)
    impact = (own["impact_at"].min() - start).total_seconds() if own["impact_at"].notna().any() else math.nan
    marks = [v for v in (*seen.loc[seen["detected"], "delay_s"], last, impact, 60.0) if math.isfinite(v)]
    end = max(marks)
    axes.set_xlim(-0.015 * end, end * 1.19)
    rows(axes, names)
    if math.isfinite(impact):
        mark(axes, impact, "impact", color=INK, dotted=False)
    facts = _draw_detectors(seen, looks, len(stages), axes)
    if len(stages) and len(seen):
        axes.axhline(len(stages) - 0.5, color=MUTED, linewidth=0.8)
    _time_axis(axes, end)
    return _worded(own.iloc[0], key, stages, facts, figure)


def _draw_detectors(seen: pd.DataFrame, looks: dict[str, Look], first: int, axes: Axes) -> list[str]:
    """A row a detector, from row `first` on; what became of each, in words."""
    facts = []
    for place, (_, row) in enumerate(seen.iterrows(), start=first):
        look, detector, delay = looks[row["detector"]], clean(row["detector"]), float(row["delay_s"])
        axes.axhline(place, color=GRID, linewidth=0.7, zorder=1)
        if not row["detected"] or math.isnan(delay):
            axes.annotate(
                "missed",
                (1.0, place),
                xycoords=("axes fraction", "data"),
                ha="right",
                va="center",
                color=MUTED,
                fontsize=8.5,
                fontstyle="italic",
                bbox={"facecolor": SURFACE, "edgecolor": "none", "pad": 2},
            )
            facts.append(f"{detector} missed it")
            continue
        axes.plot(
            [delay],
            [place],
            marker=look.marker,
            color=look.colour,
            markersize=8,
            markeredgecolor=SURFACE,
            zorder=4,
            clip_on=False,
        )
        beside(axes, delay, place, duration(max(delay, 0.0)))
        facts.append(f"{detector} noticed after {duration(max(delay, 0.0))}")
    return facts


def _time_axis(axes: Axes, end: float) -> None:
    """Label the time in the unit that suits it."""
    unit, size = next((u for u in reversed(STEPS) if end >= 2.5 * u[1]), STEPS[0])
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    ticks = [
        t * size
        for t in MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]).tick_values(0, end / size)
        if 0 <= t * size <= end * 1.19
    ]
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x / size:g} {unit}" if x else "0"))
    axes.grid(axis="x", color=GRID)
    axes.set_xlabel("Time since the first observable event", fontsize=8.5)


def _draw_stages(stages: pd.DataFrame, start: pd.Timestamp, axes: Axes) -> float:
    begins = [(t - start).total_seconds() for t in stages["started_at"]]
    ends = [
        b if pd.isna(t) else max(b, (t - start).total_seconds())
        for b, t in zip(begins, stages["ended_at"], strict=True)
    ]
    last = max(ends, default=0.0)
    for place, (begin, end, outcome) in enumerate(zip(begins, ends, stages["outcome"], strict=True)):
        fine = outcome in ("success", "")
        width = max(end - begin, last / 200, 1.0)
        axes.barh(
            [place],
            [width],
            left=[begin],
            height=0.56,
            color=REFERENCE if fine else SURFACE,
            edgecolor=REFERENCE if fine else SERIES[1],
            hatch="" if fine else "//////",
            hatchcolor=SERIES[1],
            linewidth=0.9,
            zorder=3,
        )
        if not fine:
            beside(axes, begin + width, place, short(outcome, 16), gap=5, color=MUTED, size=8)
    return last


def _worded(row: pd.Series, key: Key, stages: pd.DataFrame, facts: list[str], figure: Figure) -> Drawing:
    kind = {"scope_drift": "scope drift", "attack": "attack"}.get(str(row["label"]), str(row["label"]))
    where = "inside" if row["in_entitlement"] else "partly outside"
    title = f"{capital(str(row['template']).replace('-', ' ').replace('_', ' '))} ({key[1]}, seed {key[0]})"
    caption = f"{capital(kind)} by {row['identity'] or 'an unnamed identity'}, {where} what its permissions allow."
    strength = row["strength"]
    if isinstance(strength, float) and math.isfinite(strength):
        caption += f" Strength {strength:g}."
    steps = [clean(n) for n in stages["name"] if n]
    alt = f"Stages: {listed(steps, 20)}. " if steps else ""
    return Drawing(
        f"incident-{slug(key[0])}-{slug(key[1])}",
        title,
        caption,
        alt + (f"{listed(facts, 20)}." if facts else ""),
        figure,
    )
