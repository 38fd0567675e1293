"""Claims that were tested, as a page in Markdown, a table and figures.

The input is the table `claims` (see `columns`): a row for each claim, setting and detector (empty where none takes
part).  From `expect` (rises, falls, above) on, all rows of a claim are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pandas as pd

from scopedrift.reports.files import markdown, write_text
from scopedrift.reports.metrics import METRICS
from scopedrift.reports.text import capital, clean, number, percent


@dataclass(frozen=True)
class Measure:
    """How a measure is called, and whether it is a share of 1."""

    name: str
    share: bool = False


MEASURES: Final[Mapping[str, Measure]] = {
    **{name: Measure(metric.title, metric.unit in ("share", "score")) for name, metric in METRICS.items()},
    "recall": Measure(METRICS["detected"].title, share=True),
    "impact_share": Measure("Incidents that reach impact", share=True),
    "stages_succeeded": Measure("Stages that succeed, an incident"),
    "attack_hours": Measure("Hours from an incident's first stage to its last"),
}
"""Every metric, and what intruders achieve."""
HEADINGS: Final = ("Claim", "Signals", "Measured", "Found", "Difference (95 %)", "Verdict")


def write_claims(table: pd.DataFrame, folder: Path, facts: Mapping[str, str]) -> list[str]:
    """Write `claims.md`, `claims.csv` and a figure for each claim (SVG); return the file names.

    `facts` (version, date, command...) stand at the head of the page.
    """
    from scopedrift.reports.drawing import render
    from scopedrift.reports.figures import claim
    from scopedrift.reports.style import matplotlib_settings

    names = ["claims.md", "claims.csv"]
    write_text(folder / "claims.csv", table.to_csv(index=False, float_format="%.6g"))
    parts = []
    for _, rows in each(table):
        with matplotlib_settings():
            drawing = claim.draw(rows)
            render(drawing, folder, pdf=False)
        names.append(f"{drawing.name}.svg")
        parts.append(_section(rows, drawing.name, drawing.caption))
    head = [f"- {capital(name)}: {text}" for name, text in facts.items()]
    summary = markdown(overview(table), "Claims and what was found")
    page = ["# Claims, tested", "\n".join(head), summary.rstrip(), _READING, *parts]
    write_text(folder / "claims.md", "\n\n".join(page) + "\n")
    return names


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each claim, in words; columns `HEADINGS`."""
    found = [
        (
            clean(rows["title"].iloc[0]),
            clean(rows["signals"].iloc[0]),
            MEASURES[rows["measure"].iloc[0]].name,
            "; ".join(value_words(rows)),
            _interval(rows),
            clean(rows["verdict"].iloc[0]),
        )
        for _, rows in each(table)
    ]
    return pd.DataFrame(found, columns=list(HEADINGS))


def each(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each claim with its rows, in order."""
    for name, rows in table.groupby("claim", sort=False):
        yield str(name), rows


def settings(rows: pd.DataFrame) -> list[str]:
    """The settings of one claim, in order."""
    return list(dict.fromkeys(rows["setting"]))


def value_words(rows: pd.DataFrame) -> list[str]:
    """What was measured, e.g. `0: 38 %`, or `task-context at 1: 42 %` where detectors are compared."""
    several = rows["detector"].nunique() > 1
    names = ("detector", "setting", "measure", "value")
    return [
        f"{f'{clean(detector)} at ' if several else ''}{clean(setting)}: {shown(str(measure), float(value))}"
        for detector, setting, measure, value in zip(*(rows[name].tolist() for name in names), strict=True)
    ]


def shown(measure: str, value: float) -> str:
    """A value in the unit of its measure."""
    return percent(value) if MEASURES[measure].share else number(value, 3)


def difference_words(rows: pd.DataFrame) -> str:
    """The verdict in a sentence, with what it rests on."""
    first = rows.iloc[0]
    places, detectors = settings(rows), list(dict.fromkeys(rows["detector"]))
    if first["expect"] == "above":
        between = f"{clean(detectors[0])} against {clean(detectors[1])} at {clean(places[-1])}"
    else:
        who = f" ({clean(detectors[0])})" if len(detectors) > 1 else ""
        between = f"{clean(places[-1])} against {clean(places[0])}{who}"
    return f"{between}: {_interval(rows)}; the claim {_VERBS.get(first['verdict'], first['verdict'])}."


_VERBS: Final = {"not shown": "is not shown"}
_READING: Final = (
    "A claim holds only if the 95 % interval of the difference, on the same worlds, lies wholly on the claimed side of"
    " zero; it does not hold if the interval lies wholly on the other side; otherwise it is not shown. The intervals"
    " resample worlds; with fewer than 30 they are somewhat too narrow, so a bound close to zero proves little."
)


def _interval(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    share = MEASURES[first["measure"]].share
    value, low, high = (_signed(first[f"difference{end}"], share) for end in ("", "_low", "_high"))
    bounds = f" ({low} to {high})" if math.isfinite(first["difference_low"]) else ""
    return f"{value}{bounds}{' points' if share else ''}"


def _signed(value: float, share: bool) -> str:
    text = f"{100 * value:+.0f}" if share else f"{value:+.2f}"
    return "0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _section(rows: pd.DataFrame, name: str, caption: str) -> str:
    first = rows.iloc[0]
    return "\n\n".join(
        [
            f"## {clean(first['title'])}: {clean(first['verdict'])}",
            f"{clean(first['statement'])} ({clean(first['signals'])})",
            f"![{clean(first['title'])}]({name}.svg)",
            caption,
        ]
    )
