"""Results on the terminal: the main table, its summary in words, rules, and failures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

from scopedrift.experiments.cli.output import print_paragraph, print_table, records, remark, say
from scopedrift.experiments.folders import RUNS

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.experiments.tracking import Invocation
    from scopedrift.results import Results

FINDINGS: Final = 3
"""Number of detectors to describe in words, in order; the report describes all."""
COLUMNS: Final = (
    "Detector", "Recall at equal false alarms", "Incidents caught", "Precision", "Recall", "False alarms a day",
    "Median time to detect", "Remarks",
)  # fmt: skip


def print_results(results: Results) -> None:
    """Print the main table of each scenario; for a single scenario also the report's summary in words."""
    rules = results.tables["rule_summary"]
    found = results.table
    several = found["Scenario"].nunique() > 1
    for scenario, mine in found.groupby("Scenario", sort=False):
        if several:
            say(str(scenario))
        print_table(f"{scenario}, with 95 % intervals", COLUMNS, mine[list(COLUMNS)].to_numpy().tolist(), COLUMNS[1:-1])
        print_rules(rules[rules["scenario"] == scenario] if len(rules) else rules)
        if several:
            print()
    words = [] if several else results.words
    for text in words[: 1 + FINDINGS]:
        print_paragraph(text)
    if len(words) > 1 + FINDINGS:
        print_paragraph("The report describes the other detectors.")


def print_rules(rules: pd.DataFrame) -> None:
    """Print what each rule of each rule-based detector did; nothing if there is none."""
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
    numbers = [_number(row[name], ".3g" if name.endswith("_day") else ",.0f") for name in counts]
    noise = _number(row["noise_rank"], ".0f")
    alone = [name for name in str(row.get("only") or "").split(", ") if name]
    caught = [f"{row['caught']} of {row['incidents']}", str(len(alone))] if told else []
    status = "" if row["status"] == "fires" else row["status"] + (f": {row['reason']}" if row["reason"] else "")
    return [row["rule"], row["level"], *numbers, noise, *caught, status]


def _number(value: float, form: str) -> str:
    """A number, or nothing where it is unknown."""
    return "" if value != value else format(value, form)


@contextmanager
def tracked(wanted: bool, command: str, tags: Mapping[str, str]) -> Iterator[Invocation | None]:
    """The MLflow run of a command, opened before any simulation; None if tracking is off."""
    if not wanted:
        yield None
        return
    from scopedrift.experiments.tracking import open_tracker

    with open_tracker(RUNS).invocation(command, tags, {}) as parent:
        yield parent


def untracked(track: Callable[[Invocation], None], parent: Invocation | None) -> list[str]:
    """Call the `track` of results that are already saved; returns the problem, if there was one."""
    if parent is None:
        return []
    from scopedrift.experiments.tracking import TrackingError

    try:
        track(parent)
    except TrackingError as error:
        return [f"the results are saved, but {error}"]
    return []


def end(problems: Sequence[str]) -> None:
    """Print the problems; exit code 1 if there are any."""
    for problem in problems:
        remark(problem)
    if problems:
        raise typer.Exit(1)
