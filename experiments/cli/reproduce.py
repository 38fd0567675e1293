"""`scopedrift reproduce [CLAIM...]`: what the guidance claims, measured again, and whether it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.cli.folders import RUNS, new_folder
from scopedrift.experiments.cli.output import (
    Progress,
    print_json,
    print_paragraph,
    print_table,
    progress,
    records,
    remark,
)

MARKER = "claims.csv"


def reproduce(
    claims: Annotated[list[str] | None, typer.Argument(help="Claims by name; all by default.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Three worlds, first and last settings only.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=4_096, help="Processes on this machine.")] = 1,
    out: Annotated[Path, typer.Option(help="Folder for the page, the table and the figures.")] = RUNS
    / "reproduce"
    / "results",
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Test the guidance's claims; finished cells are kept, so that what was stopped goes on where it was."""
    from scopedrift.scenarios.claim import load_claims

    chosen = load_claims(*dict.fromkeys(claims or ()))
    if quick:
        chosen = tuple(claim.quick() for claim in chosen)
    from scopedrift.experiments.claims import ClaimError, examine, table
    from scopedrift.reports.claims import HEADINGS, overview, write_claims

    command = " ".join(["scopedrift reproduce", *(claims or ()), *(["--quick"] if quick else [])])
    facts = {
        "made by": f"`{command}`",
        "scopedrift": version("scopedrift"),
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "size": "quick: three worlds, first and last settings only, too few to conclude from" if quick else "full",
    }
    findings = []
    with new_folder(out, MARKER) as folder:
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
    if as_json:
        print_json({**facts, "path": str(out), "claims": records(found)})
        return
    rows = overview(found)[["Claim", "Measured", "Found", "Difference (95 %)", "Verdict"]]
    columns = [name for name in HEADINGS if name in rows.columns]
    print_table("Claims, on the same worlds", columns, rows.to_numpy().tolist())
    print_paragraph(f"{(found.groupby('claim')['verdict'].first() == 'holds').sum()} of {len(chosen)} claims hold")
    print(f"page: {out / 'claims.md'}")


def _part(show: Progress, name: str, at: int, count: int) -> Progress:
    """The progress of one claim among all."""
    return lambda done, what: show((at + done) / count, f"{name}: {what}")
