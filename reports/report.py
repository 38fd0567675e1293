"""The report of an experiment: one HTML page from the result tables, with its figures and tables beside it as files.

The page needs nothing but itself: no font, script, style or image from anywhere else, and its content security policy
forbids any connection. The same tables give the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from scopedrift.reports.drawing import Picture, picture
from scopedrift.reports.figures import FIGURES, time_line
from scopedrift.reports.files import write_inputs, write_page, write_quotable
from scopedrift.reports.order import ORDER_WORDS
from scopedrift.reports.page import render_page
from scopedrift.reports.results import HEADINGS, causes_frame, recall_frame, results, results_frame, slices_frame
from scopedrift.reports.style import Look, looks
from scopedrift.reports.tables import ReportData, normalise
from scopedrift.reports.text import slug
from scopedrift.reports.words import summarise

SCENARIOS_DRAWN = 6  # with figures; the tables hold all
TIME_LINES, TIME_LINES_FOLDED = 12, 24  # per report, shared out over its scenarios
ALERTS_PER_DETECTOR, ALERTS_SHOWN = 10, 120
OUTSIDE_SHOWN = 200
FINDINGS_TOLD = 5  # in words; the others fold away


@dataclass(frozen=True)
class Section:
    """The figures of one scenario: the main ones, and its time lines, shown and folded, out of `incidents`."""

    scenario: str
    pictures: tuple[Picture, ...]
    time_lines: tuple[Picture, ...]
    folded: tuple[Picture, ...]
    incidents: int


def write_report(tables: Mapping[str, pd.DataFrame], out: Path, *, title: str, meta: Mapping[str, str]) -> Path:
    """Write `report.html` into the folder `out`, with `figures/` and `tables/` beside it; return the path of the page.

    `tables` holds any of cells, summary, incidents, stages, alerts, curves and changes (`scopedrift.reports.tables`
    names their columns); `meta` is shown at the end of the page (scenario, seeds, digest, versions). They are written
    first: a figure or page that cannot be made costs itself.
    """
    files = write_inputs(tables, out / "tables")
    return write_page(out / "report.html", lambda: _page(normalise(tables), files, out, title, meta))


def _page(data: ReportData, files: list[str], out: Path, title: str, meta: Mapping[str, str]) -> str:
    """The page; writes its figures, and the tables that papers quote."""
    chosen = looks(data.real_detectors, data.references)
    sections = _sections(data, chosen, out / "figures")
    tested = data.real_detectors or data.detectors
    each = min(ALERTS_PER_DETECTOR, max(1, ALERTS_SHOWN // max(1, len(tested))))
    alerts = _top_alerts(data, tested, each)
    quotable = write_quotable(
        {
            "results": ("Detectors at their alert budget, with 95 % intervals", results_frame(data)),
            "recall-by-kind": ("Incidents caught, by kind", recall_frame(data)),
            "recall-by-slice": ("Incidents caught, by property", slices_frame(data)),
            "false-alarm-causes": ("False alarms by cause", causes_frame(data)),
        },
        out / "tables",
    )
    return render_page(
        "report.html.j2",
        title=title,
        meta=meta,
        words=[summarise(data.only(s), s) for s in data.scenarios] or [summarise(data, "")],
        slices=slices_frame(data),
        told=FINDINGS_TOLD,
        headings=HEADINGS,
        order=ORDER_WORDS,
        rows=results(data),
        several=len(data.scenarios) > 1,
        sections=sections,
        undrawn=max(0, len(data.scenarios) - SCENARIOS_DRAWN),
        alerts=alerts.to_dict("records"),
        alerts_total=len(data.alerts),
        rules=data.rule_summary.to_dict("records"),
        matching=data.matching.to_dict("records"),
        paired=data.paired.to_dict("records"),
        outside=_doubtful_first(data.outside_alerts).to_dict("records"),
        outside_total=len(data.outside_alerts),
        alerts_each=each,
        files=[*files, *quotable],
    )


def _sections(data: ReportData, chosen: dict[str, Look], folder: Path) -> list[Section]:
    drawn = data.scenarios[:SCENARIOS_DRAWN]
    sections = []
    for at, scenario in enumerate(drawn):
        own = data.only(scenario)
        called = f"{{}}--{at + 1}-{slug(scenario)}" if len(drawn) > 1 else "{}"
        made = [picture(name, partial(draw, own, chosen), folder, called=called) for name, draw in FIGURES.items()]
        keys = time_line.informative(own)
        show, fold = max(2, TIME_LINES // len(drawn)), TIME_LINES_FOLDED // len(drawn)
        lines = [
            picture(
                f"incident {key[1]}, seed {key[0]}", partial(time_line.draw, own, chosen, key),
                folder if place < show else None, called=called, pdf=False,
            )
            for place, key in enumerate(keys[: show + fold])
        ]  # fmt: skip
        shown, folded = (tuple(filter(None, part)) for part in (lines[:show], lines[show:]))
        sections.append(Section(scenario, tuple(filter(None, made)), shown, folded, len(keys)))
    return sections


def _doubtful_first(alerts: pd.DataFrame) -> pd.DataFrame:
    """Some alerts of other systems: those with a note first."""
    order = alerts.assign(plain=alerts["note"] == "").sort_values("plain", kind="stable")
    return order.head(OUTSIDE_SHOWN).drop(columns="plain")


def _top_alerts(data: ReportData, detectors: Sequence[str], each: int) -> pd.DataFrame:
    """The highest scores of each detector, detectors in turn."""
    order = {d: i for i, d in enumerate(detectors)}
    rows = data.alerts[data.alerts["detector"].isin(order)].copy()
    rows["order"] = rows["detector"].map(order).astype(float)
    rows = rows.sort_values(["order", "score", "opened_at"], ascending=[True, False, True], kind="stable")
    rows = rows.groupby("detector", sort=False).head(each)
    return rows.drop(columns="order")
