"""`scopedrift sweep SUITE`: many scenarios, seeds and detectors, resumable, on one machine or a cluster."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.cli.output import print_json, print_paragraph, progress, records, remark
from scopedrift.experiments.cli.results import MARKER, failures, print_results, track_results, write_results
from scopedrift.experiments.folders import RUNS, new_folder


def sweep_suite(
    suite: Annotated[str, typer.Argument(help="A suite's name, or the path of a suite file.")],
    jobs: Annotated[int, typer.Option(min=1, max=4_096, help="Processes on this machine.")] = 1,
    cluster: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, e.g. tcp://host:8786.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the sweep; what is finished in it is not run again.")
    ] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Keep the result in MLflow.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Run a suite; finished cells are kept, so a sweep that was stopped goes on where it was."""
    from scopedrift.scenarios.suite import load_suite

    plan = load_suite(suite)
    from scopedrift.experiments.running.selection import resolve
    from scopedrift.experiments.running.sweep import sweep
    from scopedrift.experiments.tracking import open_tracker

    detectors = resolve(plan.suite.detectors)
    facts = {
        "suite": plan.suite.name,
        "suite_version": plan.suite.version,
        "suite_digest": plan.digest,
        "scenarios": [variant.label for variant in plan.variants],
        "seeds": plan.suite.seeds,
        "detectors": list(detectors),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    place = out or RUNS / f"sweep-{plan.suite.name}-v{plan.suite.version}"
    tracker = open_tracker(RUNS) if track else None
    with progress(f"sweeping {plan.suite.name}") as show:
        swept = sweep(plan, place, jobs=jobs, address=cluster, progress=show)
        show(1.0, "writing the report")
        with new_folder(place / "results", MARKER) as folder:
            write_results(folder, swept.tables, plan.suite.name, facts)
    untracked = ""
    if tracker:
        tags = {"suite": plan.suite.name, "suite_digest": plan.digest}
        with tracker.invocation(f"sweep {plan.suite.name}", tags, {"suite": plan.suite.name}) as parent:
            parameters = {name: detector.parameters() for name, detector in detectors.items()}
            terms = {"suite": plan.suite.name, "suite_version": plan.suite.version}
            untracked = track_results(parent, swept.tables, place / "results", params=terms, detectors=parameters)
    if as_json:
        tables = {name: records(swept.tables[name]) for name in ("summary", "cells", "worlds")}
        report = place / "results" / "report.html"
        print_json({**facts, "path": str(place), "report": str(report), "run_now": swept.ran, **tables})
    else:
        for variant in plan.variants:
            mine = {name: table[table["scenario"] == variant.label] for name, table in swept.tables.items()}
            print(variant.label)
            print_results(mine, variant.label, findings=0)
            print()
        print_paragraph(f"{swept.cells:,} cells, {swept.ran:,} of them run now")
        print(f"report: {place / 'results' / 'report.html'}")
    problems = [*failures(swept.tables), *([untracked] if untracked else [])]
    for problem in problems:
        remark(problem)
    if problems:
        raise typer.Exit(1)
