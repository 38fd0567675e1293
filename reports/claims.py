"""Tested claims, as a page in Markdown, a table and figures.

The input is the table `claims` (see `columns`): a row for each claim, setting and detector (empty where none takes
part).  From `expect` (rises, falls, above) on, all rows of a claim are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import pandas as pd

from scopedrift.reports.claim_words import MEASURES, difference_interval, value_words
from scopedrift.reports.drawing import Picture, picture
from scopedrift.reports.figures import claim
from scopedrift.reports.files import csv_text, markdown, write_page, write_text
from scopedrift.reports.text import capital, clean

HEADINGS: Final = ("Claim", "Signals", "Measured", "Found", "Difference (95 %)", "Verdict")


def write_claims(table: pd.DataFrame, folder: Path, facts: Mapping[str, str]) -> list[str]:
    """Write `claims.md`, `claims.csv` and a figure for each claim (SVG); return the file names.

    `facts` (version, date, command...) stand at the head of the page.
    """
    write_text(folder / "claims.csv", csv_text(table, float_format="%.6g"))
    drawn = [(rows, picture(name, partial(claim.draw, rows), folder, pdf=False)) for name, rows in each(table)]

    def page() -> str:
        head = [f"- {capital(name)}: {text}" for name, text in facts.items()]
        summary = markdown(overview(table), "Claims and what was found")
        parts = [_section(rows, shown) for rows, shown in drawn if shown]
        return "\n\n".join(["# Tested claims", "\n".join(head), summary.rstrip(), _READING, *parts]) + "\n"

    write_page(folder / "claims.md", page)
    return ["claims.md", "claims.csv", *(f"{shown.name}.svg" for _, shown in drawn if shown and shown.saved)]


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each claim, in words; columns `HEADINGS`."""
    found = [
        (
            clean(rows["title"].iloc[0]),
            clean(rows["signals"].iloc[0]),
            MEASURES[rows["measure"].iloc[0]].name,
            "; ".join(value_words(rows)),
            difference_interval(rows),
            clean(rows["verdict"].iloc[0]),
        )
        for _, rows in each(table)
    ]
    return pd.DataFrame(found, columns=list(HEADINGS))


def each(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each claim with its rows, in order."""
    for name, rows in table.groupby("claim", sort=False):
        yield str(name), rows


_READING: Final = (
    "A claim holds if the 95 % interval of the difference, on the same worlds, lies wholly on the claimed side of zero."
    " It does not hold if the interval lies wholly on the other side. Otherwise it is not shown. Intervals are over"
    " worlds."
)


def _section(rows: pd.DataFrame, shown: Picture) -> str:
    first = rows.iloc[0]
    return "\n\n".join(
        [
            f"## {clean(first['title'])}: {clean(first['verdict'])}",
            f"{clean(first['statement'])} ({clean(first['signals'])})",
            shown.markdown(),
        ]
    )
