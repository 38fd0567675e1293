"""A tested claim in words: measure, settings, difference and verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import pandas as pd

from scopedrift.reports.metrics import METRICS
from scopedrift.reports.text import clean, number, percent


@dataclass(frozen=True)
class Measure:
    """The title of a measure, and whether it is a share of 1."""

    name: str
    share: bool = False


MEASURES: Final[Mapping[str, Measure]] = {
    **{name: Measure(metric.title, metric.unit in ("share", "score")) for name, metric in METRICS.items()},
    "recall": Measure(METRICS["detected"].title, share=True),
    "impact_share": Measure("Incidents that reach impact", share=True),
    "stages_succeeded": Measure("Stages that succeed, an incident"),
    "attack_hours": Measure("Hours from an incident's first stage to its last"),
}
"""Every metric, and measures of the intruders' success."""


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
    """The verdict in a sentence, with the evidence for it."""
    first = rows.iloc[0]
    places, detectors = settings(rows), list(dict.fromkeys(rows["detector"]))
    if first["expect"] == "above":
        between = f"{clean(detectors[0])} against {clean(detectors[1])} at {clean(places[-1])}"
    else:
        who = f" ({clean(detectors[0])})" if len(detectors) > 1 else ""
        between = f"{clean(places[-1])} against {clean(places[0])}{who}"
    return f"{between}: {difference_interval(rows)}; the claim {_VERBS.get(first['verdict'], first['verdict'])}."


_VERBS: Final = {"not shown": "is not shown"}


def difference_interval(rows: pd.DataFrame) -> str:
    """The difference with its 95 % interval."""
    first = rows.iloc[0]
    share = MEASURES[first["measure"]].share
    value, low, high = (_signed(first[f"difference{end}"], share) for end in ("", "_low", "_high"))
    bounds = f" ({low} to {high})" if math.isfinite(first["difference_low"]) else ""
    return f"{value}{bounds}{' points' if share else ''}"


def _signed(value: float, share: bool) -> str:
    text = f"{100 * value:+.0f}" if share else f"{value:+.2f}"
    return "0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")
