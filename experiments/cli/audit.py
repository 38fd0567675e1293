"""`scopedrift audit SCENARIO`: check a benchmark for flaws."""

from __future__ import annotations

from typing import Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.options import JobsOption, MemoryOption, SeedsOption, seeds_of
from scopedrift.experiments.cli.output import print_json, print_table, progress, remark


def audit(
    scenario: Annotated[str, typer.Argument(help="Scenario name or file, or a folder of `simulate` or `inject`.")],
    seeds: SeedsOption = "4",
    detector: Annotated[
        list[str] | None, typer.Option(help="Detector under test. Repeatable. Default: all built-in.")
    ] = None,
    jobs: JobsOption = None,
    memory: MemoryOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Check a scenario for flaws that make a benchmark worthless; exit code 1 if a check fails."""
    from scopedrift.scenarios.seeds import described
    from scopedrift.worlds import scenario_or_world

    chosen = scenario_or_world(scenario)
    with progress(f"auditing {chosen.name}") as show:
        found = sd.audit(chosen, detector, seeds=seeds_of(seeds), jobs=jobs, memory=memory, progress=show)
    if as_json:
        rows = [vars(row) for row in found.rows]
        print_json({"scenario": found.name, "seeds": list(found.seeds), "ok": found.passed, "rows": rows})
    else:
        columns = ["check", "verdict", "seen", "expected"]
        print_table(f"audit of {found.name}", ["row", *columns[1:]], found.table[columns].to_numpy().tolist())
        print(f"\nworlds: {described(found.seeds)}")
    for row in found.failed:
        remark(f"{row.check}: {row.verdict}: {row.seen}; expected {row.expected}. Why it matters: {row.why}")
    if not found.passed:
        raise typer.Exit(1)
