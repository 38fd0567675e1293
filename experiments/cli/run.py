"""`scopedrift run SCENARIO`: simulate worlds, run detectors over them, say how good each is, and keep the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scopedrift.experiments.cli.output import print_json, progress, records, remark
from scopedrift.experiments.cli.results import MARKER, failures, print_results, track_results, write_results
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS, new_folder, run_folder

if TYPE_CHECKING:
    from scopedrift.experiments.tracking import Invocation
    from scopedrift.scenarios.schema import Scenario
    from scopedrift.simulator.own_logs.world import LogTimetable, RealWorld


def run(
    scenario: Annotated[str, typer.Argument(help="A scenario's name or file, or a folder that `inject` wrote.")],
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="How many worlds: seeds 0 to N-1.")] = 5,
    detector: Annotated[
        list[str] | None,
        typer.Option(help="A name, module:Class or file.py:Class; may be repeated. All built-in ones by default."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results. By default a new one in runs/.")] = None,
    budget: Annotated[str | None, typer.Option(help="False alarms that are accepted, e.g. 3/week.")] = None,
    track_cells: Annotated[bool, typer.Option("--track-cells", help="An MLflow run for every seed, too.")] = False,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Keep the result in MLflow.")] = True,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also without each piece of knowledge and each stream: takes far longer.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Run detectors over simulated worlds and report how precise, how costly and how early they are."""
    world = injected(scenario, budget)
    chosen: Any = world.scenario if world else _scenario(scenario, budget)
    if world and ablate:
        raise UsageError("--ablate is for scenarios: nothing but the log is known of a real platform")
    from scopedrift.detectors.registry import reference
    from scopedrift.experiments.running import run as running
    from scopedrift.experiments.running.selection import default_detectors, log_only_detectors, resolve

    seeds = 1 if world else seeds
    wanted = detector or (log_only_detectors() if world else default_detectors())
    detectors = resolve(wanted)
    started = datetime.now(UTC)
    place = out or run_folder(chosen.name, started)
    facts = _facts(chosen, seeds, list(detectors), started)
    untracked = ""
    with new_folder(place, MARKER) as folder, _tracked(track, chosen, facts) as parent:
        with progress(f"running {chosen.name}") as show:
            tables = (
                running.run_on_world(world, detectors, show)
                if world
                else running.run(chosen, detectors, range(seeds), show)
            )
            if ablate:
                from scopedrift.experiments.running.ablation import ablation

                tested = {name: d for name, d in detectors.items() if not reference(name)}
                tables["ablation"] = ablation(chosen, tested, range(seeds), tables["cells"], show)
            show(1.0, "writing the report")
            write_results(folder, tables, chosen.name, facts)
        if parent:
            parameters = {name: each.parameters() for name, each in detectors.items()}
            untracked = track_results(
                parent, tables, folder, params=_terms(chosen), detectors=parameters, each_cell=track_cells
            )
    if as_json:
        names = ("summary", "cells", "worlds", *(["rule_summary"] if len(tables["rule_summary"]) else []))
        tables_as_records = {name: records(tables[name]) for name in names}
        print_json({**facts, "path": str(place), "report": str(place / "report.html"), **tables_as_records})
    else:
        print_results(tables, chosen.name)
        print(f"\nreport: {place / 'report.html'}")
        if track and not untracked:
            print("all runs so far: scopedrift ui")
    problems = [*failures(tables), *([untracked] if untracked else [])]
    for problem in problems:
        remark(problem)
    if problems:
        raise typer.Exit(1)


def _scenario(name: str, budget: str | None) -> Scenario:
    from scopedrift.scenarios.loader import load, override

    chosen = load(name)
    return chosen if budget is None else override(chosen, {"evaluation.alert_budget": budget})


def injected(path: str, budget: str | None) -> RealWorld | None:
    """The real log with incidents that was saved at a path, or None if that is no folder of a log."""
    from scopedrift.simulator.log.storage import MANIFEST

    if not (Path(path) / MANIFEST).is_file():
        return None
    from scopedrift.scenarios.durations import parse_rate
    from scopedrift.simulator.own_logs.world import load_world

    world = load_world(Path(path))
    try:
        return world if budget is None else world.at_budget(parse_rate(budget))
    except ValueError as error:
        raise UsageError(f"--budget: {error}") from None


def _facts(
    scenario: Scenario | LogTimetable, seeds: int, detectors: Sequence[str], started: datetime
) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "scenario": scenario.name,
        "scenario_digest": scenario.digest(),
        "seeds": seeds,
        "detectors": list(detectors),
        "alert_budget_per_day": scenario.evaluation.alert_budget,
        "started": started.isoformat(timespec="seconds"),
        "version": version("scopedrift"),
    }


def _tracked(
    wanted: bool, scenario: Scenario | LogTimetable, facts: Mapping[str, Any]
) -> AbstractContextManager[Invocation | None]:
    """The parent run, opened before anything is simulated; nothing if tracking is switched off."""
    if not wanted:
        return nullcontext()
    from scopedrift.experiments.tracking import open_tracker

    tags = {"scenario": scenario.name, "scenario_digest": scenario.digest()}
    params = {name: value for name, value in facts.items() if name not in ("version", "started")}
    return open_tracker(RUNS).invocation(f"run {scenario.name}", tags, params)


def _terms(scenario: Scenario | LogTimetable) -> dict[str, Any]:
    return {
        "version": scenario.version,
        "scenario_digest": scenario.digest(),
        "horizon_days": (scenario.end_us - scenario.start_us) / 86_400e6,
        "alert_budget_per_day": scenario.evaluation.alert_budget,
        "cooldown_s": scenario.evaluation.cooldown / 1e6,
    }
