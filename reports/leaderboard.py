"""The leaderboard of a suite: a page in Markdown, with a table and the main figures of every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd

from scopedrift.reports.drawing import Picture, picture
from scopedrift.reports.figures import FIGURES
from scopedrift.reports.files import csv_text, markdown, write_page, write_text
from scopedrift.reports.order import ORDER_WORDS
from scopedrift.reports.results import recall_frame, results_frame
from scopedrift.reports.style import Look, looks
from scopedrift.reports.tables import ReportData, normalise
from scopedrift.reports.text import capital, clean, slug
from scopedrift.reports.words import summarise

_DRAWN: Final = ("recall-by-incident-kind", "operating-curves", "time-to-detect")
_READING: Final = (
    "Every detector runs with its default parameters and the same alert budget; days before the test window set its"
    f" threshold. Detectors are ordered {ORDER_WORDS}, because recall at the threshold would reward alarms beyond the"
    " budget. Detectors are level if they cannot be told apart at 5 % (paired by world, all pairs judged"
    " together); `level.csv` names them."
    " Intervals are over worlds. The references `never`, `always`, `random` and `oracle` have no rank."
)


def write_leaderboard(
    tables: Mapping[str, pd.DataFrame], folder: Path, *, title: str, facts: Mapping[str, str]
) -> list[str]:
    """Write `leaderboard.md`, tables (CSV: results, recall by kind, level, worlds) and figures; return the file names.

    `tables` are those of a sweep; `facts` (suite, version, date, command...) stand at the head of the page.
    """
    data = normalise(tables)
    chosen = looks(data.real_detectors, data.references)
    write_text(folder / "results.csv", csv_text(results_frame(data)))
    kinds = [recall_frame(data.only(scenario)).assign(Scenario=scenario) for scenario in data.scenarios]
    write_text(folder / "recall-by-kind.csv", csv_text(pd.concat(kinds)))
    level = data.summary.dropna(subset=["rank"])[["scenario", "rank", "detector", "tied_with"]]
    named = {"scenario": "Scenario", "rank": "Rank", "detector": "Detector", "tied_with": "Level with"}
    level = level.astype({"rank": int}).sort_values(["scenario", "rank"], kind="stable").rename(columns=named)
    write_text(folder / "level.csv", csv_text(level))
    worlds = data.worlds[["scenario", "seed", "digest", "events"]].astype({"events": "Int64"})
    write_text(folder / "worlds.csv", csv_text(worlds))
    pictures = {scenario: _pictures(data.only(scenario), chosen, scenario, folder) for scenario in data.scenarios}
    head = "\n".join(f"- {capital(name)}: {text}" for name, text in facts.items())

    def page() -> str:
        parts = [_section(data.only(scenario), scenario, drawn) for scenario, drawn in pictures.items()]
        return "\n\n".join([f"# {clean(title)}", head, _READING, *parts]) + "\n"

    write_page(folder / "leaderboard.md", page)
    drawn = [f"{each.name}.svg" for some in pictures.values() for each in some if each.saved]
    return ["leaderboard.md", "results.csv", "recall-by-kind.csv", "level.csv", "worlds.csv", *drawn]


def _pictures(own: ReportData, chosen: dict[str, Look], scenario: str, folder: Path) -> list[Picture]:
    called = f"{slug(scenario)}-{{}}"
    made = [picture(n, partial(FIGURES[n], own, chosen), folder, called=called, pdf=False) for n in _DRAWN]
    return [each for each in made if each is not None]


def _section(own: ReportData, scenario: str, pictures: list[Picture]) -> str:
    frame = results_frame(own).drop(columns=["Scenario"])
    return "\n\n".join(
        [
            f"## {clean(scenario)}",
            summarise(own, scenario).opening,
            markdown(frame, f"Detectors on {scenario}, with 95 % intervals").rstrip(),
            markdown(recall_frame(own), f"Incidents caught on {scenario}, by kind").rstrip(),
            *(each.markdown() for each in pictures),
        ]
    )
