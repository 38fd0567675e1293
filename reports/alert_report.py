"""The report on a log without ground truth: ranked alerts with reasons, and their identities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from scopedrift.reports.drawing import picture
from scopedrift.reports.figures import alert_time_line
from scopedrift.reports.files import write_inputs, write_page
from scopedrift.reports.page import render_page
from scopedrift.reports.style import looks
from scopedrift.reports.tables import normalise_one
from scopedrift.reports.text import count_words, listed, short

ALERTS_SHOWN, IDENTITIES_SHOWN = 200, 50


def write_alert_report(
    alerts: pd.DataFrame,
    out: Path,
    *,
    title: str,
    meta: Mapping[str, str],
    lead: str = "",
    rules: pd.DataFrame | None = None,
) -> Path:
    """Write `report.html` into the folder `out`, with `figures/` and `tables/` beside it; return the path of the page.

    `alerts` and `rules` are the tables `log_alerts` and `log_rules` (`columns` declares them).  `lead` comes first:
    what was read, learned from and scored.
    """
    data = normalise_one("log_alerts", alerts)
    counts = by_identity(data)
    told = {} if rules is None else {"rules": rules}
    files = write_inputs({"alerts": alerts, "identities": counts, **told}, out / "tables")
    detectors = sorted(set(data["detector"]))

    def page() -> str:
        ranked = by_rank(data)
        drawn = picture("alerts", lambda: alert_time_line.draw(data, looks(detectors)), out / "figures")
        return render_page(
            "alerts.html.j2",
            title=title,
            meta=meta,
            opening=f"{lead} {opening(ranked, counts)}".strip(),
            alerts=ranked.head(ALERTS_SHOWN).to_dict("records"),
            alerts_total=len(ranked),
            rules=[] if rules is None else normalise_one("log_rules", rules).to_dict("records"),
            several=len(detectors) > 1,
            identities=counts.head(IDENTITIES_SHOWN).to_dict("records"),
            identities_total=len(counts),
            pictures=[drawn] if drawn else [],
            files=files,
        )

    return write_page(out / "report.html", page)


def by_rank(alerts: pd.DataFrame) -> pd.DataFrame:
    """Return the alerts by rank within their detector, since scores of different detectors are not comparable."""
    place = alerts.groupby("detector")["score"].rank(ascending=False, method="min").rename("place")
    ordered = alerts.assign(place=place).sort_values(
        ["place", "detector" if alerts["detector"].nunique() > 1 else "opened_at", "opened_at"], kind="stable"
    )
    return ordered.drop(columns="place").reset_index(drop=True)


def by_identity(alerts: pd.DataFrame) -> pd.DataFrame:
    """Return one row per identity; identities that most detectors flag come first.

    Columns: `identity`, `detectors` (how many raise it), `alerts`, `events` (flagged, by the detector that flags most),
    `score` (highest), `first` and `last` (alerts opened), `place` (best rank among a detector's alerts), `reason` and
    `by` (of the alert with that rank).
    """
    data = by_rank(alerts)
    data["place"] = data.groupby("detector").cumcount() + 1
    flagged = data.groupby(["identity", "detector"])["events"].sum().groupby("identity").max()
    groups = data.sort_values("place", kind="stable").groupby("identity")
    counts = groups.agg(
        detectors=("detector", "nunique"),
        alerts=("score", "size"),
        score=("score", "max"),
        first=("opened_at", "min"),
        last=("opened_at", "max"),
        place=("place", "first"),
        reason=("reason", "first"),
        by=("detector", "first"),
    )
    counts.insert(2, "events", flagged)
    return counts.reset_index().sort_values(
        ["detectors", "alerts", "place", "identity"], ascending=[False, False, True, True], kind="stable"
    )


def opening(ranked: pd.DataFrame, counts: pd.DataFrame) -> str:
    """Say in words what to look at first."""
    if not len(ranked):
        return "No alerts: nothing in this log scored above the threshold."
    alerts = f"{len(ranked):,} alert{'' if len(ranked) == 1 else 's'}"
    about = f"{count_words(len(counts))} identit{'y' if len(counts) == 1 else 'ies'}"
    text = f"{alerts} about {about}."
    several = ranked["detector"].nunique()
    if several > 1:
        top, by = counts.iloc[0], counts.iloc[0]["by"]
        text += f" Look first at {_named(top)}: {top['detectors']} of {several} detectors flag it."
        text += f" {by}: {_reason(top)}." if top["reason"] else ""
    else:
        top = ranked.iloc[0]
        if len(counts) > 1:
            busiest = [f"{_named(row)} ({row['alerts']})" for _, row in counts.head(3).iterrows()]
            text += f" Most alerts: {listed(busiest)}."
        text += f" The highest score is about {_named(top)}: {_reason(top)}." if top["reason"] else ""
    return text + " This log has no ground truth, so nothing here says which alerts are correct."


def _named(row: pd.Series) -> str:
    return short(row["identity"] or "(no identity)", 60)


def _reason(row: pd.Series) -> str:
    return short(row["reason"], 200).rstrip(".")
