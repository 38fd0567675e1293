"""`scopedrift audit SCENARIO`: check a benchmark for flaws."""

from __future__ import annotations

from typing import Annotated

import typer

from scopedrift.experiments.cli.options import SeedsOption, seeds_of
from scopedrift.experiments.cli.output import print_json, print_table, progress, remark


def audit(
    scenario: Annotated[str, typer.Argument(help="Scenario name or file, or a folder written by `inject`.")],
    seeds: SeedsOption = "4",
    detector: Annotated[
        list[str] | None, typer.Option(help="Detector under test. Repeatable. Default: all built-in.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Check a scenario for flaws that make a benchmark worthless; exit code 1 if a check fails."""
    from scopedrift.experiments.audit import audit as examine
    from scopedrift.experiments.audit import audit_log
    from scopedrift.experiments.running.selection import default_detectors
    from scopedrift.scenarios.seeds import described
    from scopedrift.worlds import World, scenario_or_world

    chosen = scenario_or_world(scenario)
    name = chosen.name
    worlds = seeds_of(seeds)
    if isinstance(chosen, World):
        worlds, rows = (chosen.seed,), audit_log(chosen.source)
    else:
        with progress(f"auditing {name}") as show:
            rows = examine(chosen, detector or default_detectors(), worlds, show)
    failed = [row for row in rows if not row.ok]
    if as_json:
        print_json({"scenario": name, "seeds": list(worlds), "ok": not failed, "rows": [vars(row) for row in rows]})
    else:
        table = [[row.check, row.verdict, row.seen, row.expected] for row in rows]
        print_table(f"audit of {name}", ["row", "verdict", "seen", "expected"], table)
        print(f"\nworlds: {described(worlds)}")
    for row in failed:
        remark(f"{row.check}: {row.verdict}: {row.seen}; expected {row.expected}. Why it matters: {row.why}")
    if failed:
        raise typer.Exit(1)
