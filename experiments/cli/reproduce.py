"""`scopedrift reproduce [NAME...]`: measure the published results again: leaderboard and tested claims."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import (
    print_json,
    print_paragraph,
    print_table,
    progress,
    records,
    remark,
)
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS, new_folder
from scopedrift.experiments.progress import Progress

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.scenarios.claim import Claim

MARKER = "run.json"
BOARD = "leaderboard"
SUITE, QUICK_SUITE, QUICK_SEEDS = "full-2", "quick", 3


def reproduce(
    names: Annotated[list[str] | None, typer.Argument(help=f"Claim names, or {BOARD}. Default: everything.")] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help=f"Only three worlds, the first and last settings, and the suite {QUICK_SUITE}."),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, max=4_096, help="Number of local processes.")] = 1,
    out: Annotated[Path, typer.Option(help="Output folder for pages, tables and figures.")] = RUNS
    / "reproduce"
    / "results",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Reproduce the published results; a stopped run resumes where it left off."""
    from scopedrift.scenarios.claim import load_claims

    asked = tuple(dict.fromkeys(names or ()))
    chosen = load_claims(*(name for name in asked if name != BOARD)) if asked != (BOARD,) else ()
    if quick:
        chosen = tuple(claim.quick() for claim in chosen)
    facts = {
        "made by": f"`{' '.join(['scopedrift reproduce', *asked, *(['--quick'] if quick else [])])}`",
        "scopedrift": version("scopedrift"),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "size": "quick: three worlds, too few to conclude from" if quick else "full",
    }
    board = not asked or BOARD in asked
    shown: dict[str, object] = {**facts, "path": str(out)}
    with new_folder(out, MARKER) as folder:
        ranked = _leaderboard(folder / BOARD, facts, quick, jobs) if board else None
        found = _claims(chosen, folder / "claims", facts, jobs) if chosen else None
        (folder / MARKER).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    if as_json:
        tables = {BOARD: ranked, "claims": found}
        print_json({**shown, **{name: records(table) for name, table in tables.items() if table is not None}})
        return
    if ranked is not None:
        columns = ["Scenario", "Detector", "Rank", "Incidents caught", "Precision", "Recall", "False alarms a day"]
        print_table("Leaderboard, with 95 % intervals", columns, ranked[columns].to_numpy().tolist(), right=columns[3:])
        print(f"page: {out / BOARD / 'leaderboard.md'}\n")
    if found is not None:
        _print_claims(found)
        print(f"page: {out / 'claims' / 'claims.md'}")


def _leaderboard(folder: Path, facts: Mapping[str, str], quick: bool, jobs: int) -> pd.DataFrame:
    """Sweep the suite, write its page, return the main table as text."""
    from scopedrift.reports.leaderboard import write_leaderboard
    from scopedrift.reports.results import results_frame
    from scopedrift.reports.tables import normalise
    from scopedrift.scenarios.seeds import described, fit_for_results
    from scopedrift.scenarios.suite import load_suite

    plan = load_suite(QUICK_SUITE if quick else SUITE)
    seeds = plan.suite.seeds[:QUICK_SEEDS] if quick else plan.suite.seeds
    try:
        plan = plan.with_seeds(fit_for_results(seeds))
    except ValueError as error:
        raise UsageError(f"suite {plan.suite.name}: {error}") from None
    name = f"{plan.suite.name}, version {plan.suite.version}"
    with progress(f"sweeping {plan.suite.name}") as show:
        swept = sd.sweep(plan, RUNS / f"sweep-{plan.suite.name}-v{plan.suite.version}", jobs=jobs, progress=show)
    for problem in swept.failures:
        remark(problem)
    about = {**facts, "suite": f"{name}, {len(seeds)} worlds a scenario: {described(seeds)}, digest {plan.digest[:16]}"}
    write_leaderboard(swept.tables, folder, title=f"Leaderboard: {plan.suite.name}", facts=about)
    return results_frame(normalise(swept.tables))


def _claims(chosen: Sequence[Claim], folder: Path, facts: Mapping[str, str], jobs: int) -> pd.DataFrame:
    """Examine the claims, write their page, return the table of findings."""
    from scopedrift.experiments.running.claims import ClaimError, examine, table
    from scopedrift.reports.claims import write_claims

    findings = []
    with progress("testing claims") as show:
        for at, claim in enumerate(chosen):
            try:
                part = _part(show, claim.name, at, len(chosen))
                findings.append(examine(claim, RUNS / "reproduce", jobs=jobs, progress=part))
            except ClaimError as error:
                remark(f"{claim.name}: {error}")
                raise typer.Exit(1) from None
    found = table(findings)
    write_claims(found, folder, facts)
    return found


def _print_claims(found: pd.DataFrame) -> None:
    from scopedrift.reports.claims import HEADINGS, overview

    rows = overview(found)[["Claim", "Measured", "Found", "Difference (95 %)", "Verdict"]]
    columns = [name for name in HEADINGS if name in rows.columns]
    print_table("Claims, on the same worlds", columns, rows.to_numpy().tolist())
    verdicts = found.groupby("claim")["verdict"].first()
    print_paragraph(f"{(verdicts == 'holds').sum()} of {len(verdicts)} claims hold")


def _part(show: Progress, name: str, at: int, count: int) -> Progress:
    """The progress of one claim among all."""
    return lambda done, what: show((at + done) / count, f"{name}: {what}")
