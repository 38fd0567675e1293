"""The report on a log without ground truth: ranked alerts with their reasons, and who they are about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from scopedrift.reports.drawing import render
from scopedrift.reports.figures import alert_time_line
from scopedrift.reports.files import write_inputs, write_text
from scopedrift.reports.page import render_page
from scopedrift.reports.report import Picture
from scopedrift.reports.style import looks, matplotlib_settings
from scopedrift.reports.tables import normalise_one
from scopedrift.reports.text import count_words, listed, short

ALERTS_SHOWN, IDENTITIES_SHOWN = 200, 50


def write_alert_report(alerts: pd.DataFrame, out: Path, *, title: str, meta: Mapping[str, str]) -> Path:
    """Write `report.html` into the folder `out`, with `figures/` and `tables/` beside it; return the path of the page.

    `alerts` has the columns of the alerts table; those that need a ground truth are not used.
    """
    data = normalise_one("alerts", alerts)
    ranked = data.sort_values(["score", "opened_at"], ascending=[False, True], kind="stable").reset_index(drop=True)
    detectors = sorted(set(data["detector"]))
    counts = by_identity(data)
    pictures = []
    with matplotlib_settings():
        drawing = alert_time_line.draw(data, looks(detectors))
        if drawing is not None:
            markup = render(drawing, out / "figures")
            pictures.append(Picture(drawing.name, drawing.title, drawing.caption, markup, True))
    files = write_inputs({"alerts": alerts, "identities": counts}, out / "tables")
    html = render_page(
        "alerts.html.j2",
        title=title,
        meta=meta,
        opening=opening(ranked, counts),
        alerts=ranked.head(ALERTS_SHOWN).to_dict("records"),
        alerts_total=len(ranked),
        several=len(detectors) > 1,
        identities=counts.head(IDENTITIES_SHOWN).to_dict("records"),
        identities_total=len(counts),
        pictures=pictures,
        files=files,
    )
    return write_text(out / "report.html", html)


def by_identity(alerts: pd.DataFrame) -> pd.DataFrame:
    """Return alerts, flagged events, highest score, first and last alert per identity, most alerts first."""
    groups = alerts.groupby("identity").agg(
        alerts=("score", "size"),
        events=("events", "sum"),
        score=("score", "max"),
        first=("opened_at", "min"),
        last=("opened_at", "max"),
    )
    return groups.reset_index().sort_values(
        ["alerts", "score", "identity"], ascending=[False, False, True], kind="stable"
    )


def opening(ranked: pd.DataFrame, counts: pd.DataFrame) -> str:
    """Say in words what there is to look at."""
    if not len(ranked):
        return "No alert: nothing in this log scored above the threshold."
    alerts = f"{len(ranked):,} alert{'' if len(ranked) == 1 else 's'}"
    about = f"{count_words(len(counts))} identit{'y' if len(counts) == 1 else 'ies'}"
    text = f"{alerts} about {about}."
    if len(counts) > 1:
        busiest = [f"{short(r.identity or '(no identity)', 60)} ({r.alerts})" for r in counts.head(3).itertuples()]
        text += f" Most alerts: {listed(busiest)}."
    top = ranked.iloc[0]
    if top["reason"]:
        about = short(top["identity"] or "(no identity)", 60)
        text += f" The highest score is about {about}: {short(top['reason'], 200).rstrip('.')}."
    return text + " This log has no ground truth, so nothing here says which alerts are right."
