"""`scopedrift reproduce [NAME...]`: measure the published results again: leaderboard and tested claims."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.options import SealOption
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress, records, remark, say
from scopedrift.experiments.folders import RUNS

if TYPE_CHECKING:
    import pandas as pd


def reproduce(
    names: Annotated[list[str] | None, typer.Argument(help="Claim names, or leaderboard. Default: everything.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only three worlds, the first and last settings, and the suite quick.")
    ] = False,
    suite: Annotated[str | None, typer.Option(help="Suite of the leaderboard. Default: full-2.")] = None,
    seal: SealOption = None,
    rules: Annotated[str | None, typer.Option(help="Folder of Sigma rules that get a row of the leaderboard.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=4_096, help="Number of local processes.")] = 1,
    out: Annotated[Path, typer.Option(help="Output folder for pages, tables and figures.")] = RUNS
    / "reproduce"
    / "results",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Reproduce the published results; a stopped run resumes where it left off."""
    from scopedrift.experiments.running.claims import ClaimError
    from scopedrift.reproducing import QUICK_SUITE, SUITE, board_plan

    chosen = suite or (QUICK_SUITE if quick else SUITE)
    board = board_plan(chosen, quick=quick, seal=seal, rules=rules)
    try:
        with progress("reproducing the published results") as show:
            found = sd.reproduce(names or (), out, quick=quick, board=board, jobs=jobs, progress=show)
    except ClaimError as error:
        remark(str(error))
        raise typer.Exit(1) from None
    for problem in found.board.failures if found.board else ():
        remark(problem)
    if as_json:
        tables = {"leaderboard": found.board.table if found.board else None, "claims": found.claims}
        shown = {name: records(table) for name, table in tables.items() if table is not None}
        print_json({**found.facts, "path": str(out), **shown})
        return
    if found.board:
        columns = [
            "Scenario",
            "Detector",
            "Rank",
            "Recall at equal false alarms",
            "F1",
            "False alarms a day",
            "Remarks",
        ]
        rows = found.board.table[columns].to_numpy().tolist()
        print_table("Leaderboard, with 95 % intervals", columns, rows, right=columns[3:-1])
        say(f"page: {out / 'leaderboard' / 'leaderboard.md'}\n")
    if found.claims is not None:
        _print_claims(found.claims)
        say(f"page: {out / 'claims' / 'claims.md'}")


def _print_claims(found: pd.DataFrame) -> None:
    from scopedrift.reports.claims import HEADINGS, overview

    rows = overview(found)[["Claim", "Measured", "Found", "Difference (95 %)", "Verdict"]]
    columns = [name for name in HEADINGS if name in rows.columns]
    print_table("Claims, on the same worlds", columns, rows.to_numpy().tolist())
    verdicts = found.groupby("claim")["verdict"].first()
    print_paragraph(f"{(verdicts == 'holds').sum()} of {len(verdicts)} claims hold")
