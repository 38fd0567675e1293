"""The result tables that a report is drawn from.

`experiments` hands over plain pandas frames (`columns` declares them); `ReportData` is the same with every column
present, names cleaned for display, times in UTC and numbers as floats, so that no other module asks whether something
is there. Any table may be empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Final

import numpy as np
import pandas as pd

from scopedrift.reports.columns import TABLES, Kind
from scopedrift.reports.order import HEADLINE, TIES, placed
from scopedrift.reports.text import clean


@dataclass(frozen=True)
class ReportData:
    """The result tables, ready for display; `detectors` is the order in which everything lists them."""

    cells: pd.DataFrame
    summary: pd.DataFrame
    incidents: pd.DataFrame
    stages: pd.DataFrame
    alerts: pd.DataFrame
    curves: pd.DataFrame
    changes: pd.DataFrame
    ablation: pd.DataFrame
    stage_hits: pd.DataFrame
    rule_summary: pd.DataFrame
    worlds: pd.DataFrame
    deliveries: pd.DataFrame
    matching: pd.DataFrame
    outside_alerts: pd.DataFrame
    paired: pd.DataFrame

    @cached_property
    def scenarios(self) -> list[str]:
        """Names of the scenarios, in the order in which the results list them."""
        found: dict[str, None] = {}
        for name in ("cells", "summary", "incidents", "alerts", "curves", "changes"):
            found.update(dict.fromkeys(getattr(self, name)["scenario"]))
        return list(found)

    @cached_property
    def detectors(self) -> list[str]:
        """Names of the detectors in their one order (`reports.order`); the reference detectors last."""
        found: set[str] = set()
        for name in ("cells", "summary", "incidents", "alerts", "curves"):
            found.update(getattr(self, name)["detector"])
        source = self.summary if len(self.summary) else self.cells
        means = source.groupby("detector")[[HEADLINE, TIES]].mean()
        known = {str(name): (float(row[HEADLINE]), float(row[TIES])) for name, row in means.iterrows()}
        real = {name: known.get(name, (math.nan, math.nan)) for name in found if name not in self.references}
        return [*placed(real), *(name for name in self.references if name in found)]

    @cached_property
    def references(self) -> dict[str, str]:
        """What each reference detector does, by name, in the order of the results."""
        rows = self.cells[self.cells["reference"] != ""]
        return dict(zip(rows["detector"], rows["reference"], strict=True))

    @cached_property
    def real_detectors(self) -> list[str]:
        """The detectors under test: all but the references."""
        return [d for d in self.detectors if d not in self.references]

    def only(self, scenario: str) -> ReportData:
        """The rows of one scenario."""
        return replace(self, **{f.name: _where(getattr(self, f.name), scenario) for f in fields(self)})


def _where(frame: pd.DataFrame, scenario: str) -> pd.DataFrame:
    return frame[frame["scenario"] == scenario].reset_index(drop=True)


def normalise(tables: Mapping[str, pd.DataFrame]) -> ReportData:
    """Return `tables` ready for display; a missing table is empty, a missing column is all missing."""
    return ReportData(**{f.name: normalise_one(f.name, tables.get(f.name, pd.DataFrame())) for f in fields(ReportData)})


def normalise_one(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return one table with exactly its documented columns, each of the type that its name promises."""
    columns = {column: _READ[kind](_column(frame, column)) for column, kind in TABLES[name].items()}
    return pd.DataFrame(columns).reset_index(drop=True)


def _column(frame: pd.DataFrame, column: str) -> pd.Series:
    if column in frame.columns:
        return frame[column].reset_index(drop=True)
    return pd.Series([None] * len(frame), dtype=object)


def _texts(column: pd.Series) -> pd.Series:
    """Each distinct value is cleaned once: names repeat."""
    codes, values = pd.factorize(column, use_na_sentinel=False)
    return pd.Series(np.array([_text(value) for value in values], dtype=object)[codes], dtype=object)


def _text(value: object) -> str:
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return clean(value)


def _flag(value: Any) -> bool:
    return not (value is None or pd.isna(value)) and bool(value)


_READ: Final[Mapping[Kind, Callable[[pd.Series], pd.Series]]] = {
    "text": _texts,
    "time": lambda column: pd.to_datetime(column, utc=True, errors="coerce"),
    "flag": lambda column: column.map(_flag).astype(bool),
    "number": lambda column: pd.to_numeric(column, errors="coerce").astype(float),
}
"""How a column becomes what its kind promises."""
