"""The leaderboard of a suite: a page in Markdown, with a table and the main figures of every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pandas as pd

from scopedrift.reports.drawing import Drawing, render
from scopedrift.reports.figures import operating_curves, recall_by_template, time_to_detect
from scopedrift.reports.files import markdown, write_text
from scopedrift.reports.order import ORDER_WORDS
from scopedrift.reports.results import recall_frame, results_frame
from scopedrift.reports.style import Look, looks, matplotlib_settings
from scopedrift.reports.tables import ReportData, normalise
from scopedrift.reports.text import capital, clean, slug
from scopedrift.reports.words import summarise

_DRAWN: Final = (recall_by_template.draw, operating_curves.draw, time_to_detect.draw)
_READING: Final = (
    "Every detector runs with its default parameters and the same alert budget; days before the test window set its"
    f" threshold. Detectors are ordered {ORDER_WORDS}, because recall at the threshold would reward alarms beyond the"
    " budget. Detectors are level if they do not differ significantly (paired by world, with Holm's correction)."
    " Intervals are over worlds. The references `never`, `always`, `random` and `oracle` have no rank."
)


def write_leaderboard(
    tables: Mapping[str, pd.DataFrame], folder: Path, *, title: str, facts: Mapping[str, str]
) -> list[str]:
    """Write `leaderboard.md`, `results.csv`, `recall-by-kind.csv` and figures (SVG); return the file names.

    `tables` are those of a sweep; `facts` (suite, version, date, command...) stand at the head of the page.
    """
    data = normalise(tables)
    chosen = looks(data.real_detectors, data.references)
    names = ["leaderboard.md", "results.csv", "recall-by-kind.csv"]
    write_text(folder / "results.csv", results_frame(data).to_csv(index=False))
    kinds, parts = [], []
    with matplotlib_settings():
        for scenario in data.scenarios:
            own = data.only(scenario)
            caught = recall_frame(own)
            kinds.append(caught.assign(Scenario=scenario))
            drawings = _drawings(own, chosen, scenario)
            for drawing in drawings:
                render(drawing, folder, pdf=False)
                names.append(f"{drawing.name}.svg")
            parts.append(_section(own, scenario, drawings))
    write_text(folder / "recall-by-kind.csv", pd.concat(kinds).to_csv(index=False))
    head = "\n".join(f"- {capital(name)}: {text}" for name, text in facts.items())
    write_text(folder / "leaderboard.md", "\n\n".join([f"# {clean(title)}", head, _READING, *parts]) + "\n")
    return names


def _drawings(own: ReportData, chosen: dict[str, Look], scenario: str) -> list[Drawing]:
    drawn = [drawing for draw in _DRAWN if (drawing := draw(own, chosen)) is not None]
    return [Drawing(f"{slug(scenario)}-{d.name}", d.title, d.caption, d.alt, d.figure) for d in drawn]


def _section(own: ReportData, scenario: str, drawings: list[Drawing]) -> str:
    frame = results_frame(own).drop(columns=["Scenario"])
    return "\n\n".join(
        [
            f"## {clean(scenario)}",
            summarise(own, scenario).opening,
            markdown(frame, f"Detectors on {scenario}, with 95 % intervals").rstrip(),
            markdown(recall_frame(own), f"Incidents caught on {scenario}, by kind").rstrip(),
            *(f"![{clean(d.title)}]({d.name}.svg)\n\n{d.caption}" for d in drawings),
        ]
    )
