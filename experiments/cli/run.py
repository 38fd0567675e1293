"""`scopedrift run SCENARIO`: simulate worlds, run detectors over them, report and save the results."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.isolation import InProcess, RequireIsolation, isolation
from scopedrift.experiments.cli.options import (
    JobsOption,
    MemoryOption,
    PipelineOption,
    SealOption,
    SeedsOption,
    piped,
    seeds_of,
)
from scopedrift.experiments.cli.output import print_json, progress, records, say
from scopedrift.experiments.cli.results import end, print_results, tracked, untracked
from scopedrift.experiments.folders import ours, run_folder


def run(
    scenario: Annotated[str, typer.Argument(help="Scenario name or file, or a folder of `simulate` or `inject`.")],
    seeds: SeedsOption = "5",
    seal: SealOption = None,
    detector: Annotated[
        list[str] | None,
        typer.Option(
            help="Detector: name, module:Class, file.py:Class or detector.yaml of `tune`, whose parameters it then has;"
            " each calibrates on the run's own calibration window. Repeatable. Default: all built-in."
        ),
    ] = None,
    pipeline: PipelineOption = None,
    out: Annotated[Path | None, typer.Option(help="Results folder. Default: a new folder in runs/.")] = None,
    budget: Annotated[str | None, typer.Option(help="Alert budget: accepted false alarms, e.g. 3/week.")] = None,
    track_cells: Annotated[bool, typer.Option("--track-cells", help="Also track every seed as an MLflow run.")] = False,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the result in MLflow.")] = True,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Repeat without each kind of knowledge and each log stream (slow).")
    ] = False,
    jobs: JobsOption = None,
    memory: MemoryOption = None,
    in_process: InProcess = False,
    require_isolation: RequireIsolation = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Run detectors over simulated worlds and report precision, false alarms and time to detect."""
    from scopedrift.judging import taking_part, workers_of
    from scopedrift.results import MARKER
    from scopedrift.scenarios.seal import Seal
    from scopedrift.worlds import World, at_budget, scenario_or_world

    workers_of(jobs, memory)  # its workers get ready while tracking is opened
    numbers = seeds_of(seeds)
    worlds = Seal.read(seal).worlds(numbers) if seal else numbers
    chosen = at_budget(scenario_or_world(scenario), budget)
    terms = chosen.scenario if isinstance(chosen, World) else chosen
    detectors = taking_part(chosen, piped(detector, pipeline), isolation(in_process, require_isolation))
    place = out or run_folder(chosen.name, datetime.now(UTC))
    tags = {"scenario": chosen.name, "scenario_digest": terms.digest()}
    ours(place, MARKER)
    with tracked(track, f"run {chosen.name}", tags) as parent:
        with progress(f"running {chosen.name}") as show:
            results = sd.run(chosen, detectors, seeds=worlds, ablate=ablate, jobs=jobs, memory=memory, progress=show)
            show(1.0, "writing the report")
            results.save(place)
        problems = untracked(lambda run: results.track(run, saved=place, each_cell=track_cells), parent)
    report = str(place / "report.html")
    if as_json:
        names = ("summary", "cells", "worlds", *(["rule_summary"] if len(results.tables["rule_summary"]) else []))
        tables = {name: records(results.tables[name]) for name in names}
        print_json({**results.facts, "path": str(place), "report": report, **tables})
    else:
        print_results(results)
        say(f"\nworlds: {results.facts['worlds']}" if "worlds" in results.facts else "")
        say(f"report: {report}")
        if parent and not problems:
            print("all runs so far: scopedrift ui")
    end([*results.failures, *problems])
