"""`scopedrift sweep SUITE`: many scenarios, seeds and detectors, on one machine or a cluster, resumable."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.isolation import InProcess, RequireIsolation, isolation
from scopedrift.experiments.cli.options import SealOption
from scopedrift.experiments.cli.output import print_json, print_paragraph, progress, records, say
from scopedrift.experiments.cli.results import end, print_results, tracked, untracked
from scopedrift.experiments.folders import RUNS


def sweep(
    suite: Annotated[str, typer.Argument(help="Suite name or file.")],
    seal: SealOption = None,
    jobs: Annotated[int, typer.Option(min=1, max=4_096, help="Number of local processes.")] = 1,
    cluster: Annotated[str | None, typer.Option(help="Dask scheduler address, e.g. tcp://host:8786.")] = None,
    out: Annotated[Path | None, typer.Option(help="Sweep folder. Finished cells in it are not run again.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the result in MLflow.")] = True,
    in_process: InProcess = False,
    require_isolation: RequireIsolation = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Run a suite; a stopped sweep resumes where it left off."""
    from scopedrift.experiments.running.selection import resolve
    from scopedrift.judging import placed
    from scopedrift.scenarios.seal import Seal
    from scopedrift.scenarios.suite import load_suite

    plan = placed(load_suite(suite), None, isolation(in_process, require_isolation))
    plan = plan.sealed(Seal.read(seal)) if seal else plan
    resolve(plan.suite.detectors)  # report a wrong name before a tracking store is made
    name, place = plan.suite.name, out or RUNS / f"sweep-{plan.suite.name}-v{plan.suite.version}"
    with tracked(track, f"sweep {name}", {"suite": name, "suite_digest": plan.digest}) as parent:
        with progress(f"sweeping {name}") as show:
            results = sd.sweep(plan, place, jobs=jobs, cluster=cluster, progress=show)
            show(1.0, "writing the report")
            report = results.save(place / "results")
        problems = untracked(lambda run: results.track(run, saved=report.parent), parent)
    if as_json:
        tables = {name: records(results.tables[name]) for name in ("summary", "cells", "worlds")}
        print_json({**results.facts, "path": str(place), "report": str(report), **tables})
    else:
        print_results(results)
        print_paragraph(f"{len(results.cells):,} cells, {results.facts['run_now']:,} of them new")
        say(f"worlds: {results.facts['worlds']}")
        say(f"report: {report}")
    end([*results.failures, *problems])
