"""`scopedrift tune DETECTOR SCENARIO-OR-LOG`: find parameters and a threshold for an alert budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.isolation import InProcess, RequireIsolation, isolation
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress, say
from scopedrift.experiments.cli.own_logs import Format, MappingFile, open_log
from scopedrift.experiments.cli.results import end, tracked, untracked
from scopedrift.experiments.folders import RUNS
from scopedrift.simulator.records.reading.stores import shown_place

if TYPE_CHECKING:
    from scopedrift.tuning import Tuning


def tune(
    detector: Annotated[str, typer.Argument(help="Detector. Parameters given here stay fixed.")],
    scenario: Annotated[str, typer.Argument(help="Scenario name or file, real log, or folder written by `inject`.")],
    budget: Annotated[str, typer.Option(help="Alert budget: accepted false alarms, e.g. 1/day.")] = "1/day",
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Number of parameter sets to try.")] = 40,
    worlds: Annotated[int, typer.Option(min=1, max=1_000, help="Number of worlds to tune on.")] = 4,
    held_out: Annotated[
        int | None,
        typer.Option(min=2, max=1_000, help="Number of worlds to judge on. Default: as many as --worlds, at least 2."),
    ] = None,
    learn: Annotated[float, typer.Option(min=0.01, max=0.98, help="For a log: share of events to fit on.")] = 0.5,
    calibrate: Annotated[
        float, typer.Option(min=0.01, max=0.98, help="For a log: share of events that sets the threshold.")
    ] = 0.2,
    format: Format = None,
    mapping: MappingFile = None,
    out: Annotated[Path | None, typer.Option(help="Search folder. A search in it resumes.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the search in MLflow.")] = True,
    in_process: InProcess = False,
    require_isolation: RequireIsolation = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Tune a detector's parameters on some worlds, judge the best on others, and write the file to deploy.

    On a real log, one part sets the threshold and a later part judges it.
    """
    from scopedrift.reports.text import slug
    from scopedrift.tuning import is_log
    from scopedrift.worlds import at_budget, saved_world, scenario_of

    how = isolation(in_process, require_isolation)
    if is_log(scenario):
        saved = saved_world(scenario)
        world = saved or open_log(scenario, format, mapping).split(learn, calibrate)
        place = out or RUNS / f"tune-{slug(detector)}-{slug(Path(shown_place(scenario)).absolute().name)}"
        with progress(f"tuning {detector}") as show:
            found = sd.tune(detector, world, place, alert_budget=budget, trials=trials, isolation=how, progress=show)
        _print(found, found.save(place), "the held-out part", as_json=as_json)
        return
    chosen = at_budget(scenario_of(scenario), budget)
    judges = held_out if held_out is not None else max(worlds, 2)
    place = out or RUNS / f"tune-{slug(detector)}-{chosen.name}"
    tags = {"scenario": chosen.name, "detector": detector}
    with tracked(track, f"tune {detector}", tags) as parent:
        with progress(f"tuning {detector}") as show:
            split = (worlds, judges)
            found = sd.tune(
                detector, chosen, place,
                alert_budget=budget, trials=trials, worlds=split, isolation=how, progress=show,
            )  # fmt: skip
        deploy = found.save(place)
        problems = untracked(found.track, parent)
    _print(found, deploy, f"{judges} held-out worlds", as_json=as_json)
    end(problems)


def _print(found: Tuning, deploy: Path, judged: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**found.facts, "path": str(deploy)})
        return
    table = found.table
    rows = [[f"{v:.3g}" if isinstance(v, float) else v for v in row] for row in table.to_numpy().tolist()]
    columns = [name.replace("_", " ") for name in table.columns]
    print_table(f"{found.detector} on {judged}", columns, rows, right=columns[1:])
    for text in found.words:
        print_paragraph(text)
    say(f"\nto deploy: {deploy}")
