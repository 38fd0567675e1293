"""Turning result tables into a page, figures and files for papers.

Knows only pandas tables with documented columns (`scopedrift.reports.tables`) and nothing else of scopedrift.
`write_report` is for experiments, where the truth is known; `write_alert_report` for real logs, where it is not.
Drawing libraries are loaded when a report is written, not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["write_alert_report", "write_report"]


def write_report(tables: Mapping[str, pd.DataFrame], out: Path, *, title: str, meta: Mapping[str, str]) -> Path:
    """Write the report of an experiment into the folder `out` and return the path of its page (`report.py`)."""
    from scopedrift.reports import report

    return report.write_report(tables, out, title=title, meta=meta)


def write_alert_report(
    alerts: pd.DataFrame,
    out: Path,
    *,
    title: str,
    meta: Mapping[str, str],
    lead: str = "",
    rules: pd.DataFrame | None = None,
) -> Path:
    """Write the report on alerts without ground truth into the folder `out`, as `write_report` does."""
    from scopedrift.reports import alert_report

    return alert_report.write_alert_report(alerts, out, title=title, meta=meta, lead=lead, rules=rules)
