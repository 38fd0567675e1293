"""Results as commands leave them: report, figures and tables in a folder, the main table and its words on the terminal,
runs in MLflow."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scopedrift.experiments.cli.output import as_texts, print_paragraph, print_table, records

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.experiments.tracking import Invocation

MARKER: Final = "run.json"
FINDINGS: Final = 3
"""Detectors that are described in words, best recall first; the report describes all."""
COLUMNS: Final = (
    "Detector", "Incidents caught", "Precision", "Recall", "False alarms a day", "Median time to detect"
)  # fmt: skip


def write_results(folder: Path, tables: Mapping[str, pd.DataFrame], title: str, facts: Mapping[str, Any]) -> None:
    """Everything that stays: the report with its figures and tables, the tables as Parquet, and what was run."""
    from scopedrift.reports import write_report

    titles = {"version": "scopedrift", "alert_budget_per_day": "alert budget a day"}
    meta = {titles.get(name, name.replace("_", " ")): text for name, text in as_texts(facts).items()}
    write_report(tables, folder, title=title, meta=meta)
    (folder / "tables").mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / "tables" / f"{name}.parquet", index=False)
    (folder / MARKER).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def print_results(tables: Mapping[str, pd.DataFrame], scenario: str, findings: int = FINDINGS) -> None:
    """The main table and the summary in words, as in the report."""
    from scopedrift.reports.results import HEADINGS, results
    from scopedrift.reports.tables import normalise
    from scopedrift.reports.words import summarise

    data = normalise(tables)
    rows = [[row.values[HEADINGS.index(name)].flat for name in COLUMNS] for row in results(data)]
    print_table(f"{scenario}, with 95 % intervals", COLUMNS, rows, right=COLUMNS[1:])
    print_rules(tables["rule_summary"])
    words = summarise(data, scenario)
    told = words.findings[:findings]
    for text in (words.opening, *(finding.text for finding in told)):
        print_paragraph(text)
    if told and len(words.findings) > len(told):
        print_paragraph("The report says the same of the others.")


def print_rules(rules: pd.DataFrame) -> None:
    """What each rule of each detector that is made of rules did; nothing without such a detector."""
    for detector, mine in rules.groupby("detector", sort=False) if len(rules) else ():
        told = "false_alarms" in mine
        counts = {"events": "matches", "true_alarms": "true", "false_alarms": "false"}
        counts |= {"false_alarms_per_day": "false a day"}
        counts = counts if told else {"events": "matches", "alerts": "alarms", "alerts_per_day": "alarms a day"}
        columns = ["rule", "level", *counts.values(), "noise", *(["caught", "alone"] if told else []), ""]
        print()
        rows = [_rule_cells(row, counts, told) for row in records(mine)]
        print_table(f"rules of {detector}", columns, rows, right=columns[2:-1])


def _rule_cells(row: Mapping[str, Any], counts: Iterable[str], told: bool) -> list[str]:
    numbers = [f"{row[name]:.3g}" if name.endswith("_day") else f"{row[name]:,.0f}" for name in counts]
    noise = "" if row["noise_rank"] != row["noise_rank"] else f"{row['noise_rank']:.0f}"
    alone = [name for name in str(row.get("only") or "").split(", ") if name]
    caught = [f"{row['caught']} of {row['incidents']}", str(len(alone))] if told else []
    remark = "" if row["status"] == "fires" else row["status"] + (f": {row['reason']}" if row["reason"] else "")
    return [row["rule"], row["level"], *numbers, noise, *caught, remark]


def track_results(
    parent: Invocation,
    tables: Mapping[str, pd.DataFrame],
    folder: Path,
    *,
    params: Mapping[str, Any],
    detectors: Mapping[str, Mapping[str, Any]],
    each_cell: bool = False,
) -> str:
    """Write the results to MLflow; what went wrong, if it did: the results themselves are safe by now."""
    from scopedrift.experiments.tracking import TrackingError

    try:
        parent.log_results(tables, params=params, detectors=detectors, cells=each_cell)
        parent.log_files([folder / "report.html", folder / MARKER])
        parent.log_files(sorted((folder / "tables").glob("*.parquet")), "tables")
        parent.log_files(sorted((folder / "figures").glob("*.svg")), "figures")
    except TrackingError as error:
        return f"the results are kept, but {error}"
    return ""


def failures(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """One line for each cell that failed."""
    cells = tables["cells"]
    failed = cells[cells["status"] == "failed"].to_dict("records")
    several = cells["scenario"].nunique() > 1
    return [
        f"{c['detector']} failed on {c['scenario'] + ', ' if several else ''}seed {c['seed']}: {c['reason']}"
        for c in failed
    ]
