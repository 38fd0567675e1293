"""`scopedrift tune DETECTOR SCENARIO-OR-LOG`: parameters and threshold for an alert budget, ready to deploy."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress, records, remark
from scopedrift.experiments.cli.own_logs import Format, MappingFile
from scopedrift.experiments.cli.tune_log import is_log, tune_on_log
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS
from scopedrift.reports.text import slug

OVERSPENT = 1.25
"""Times the budget from which a result says what it spends."""


def tune_detector(
    detector: Annotated[str, typer.Argument(help="A detector; parameters given here stay as they are.")],
    scenario: Annotated[str, typer.Argument(help="A scenario's name or file, a real log, or what `inject` wrote.")],
    budget: Annotated[str, typer.Option(help="False alarms that are accepted, e.g. 1/day.")] = "1/day",
    trials: Annotated[int, typer.Option(min=1, max=100_000, help="Parameter sets to try.")] = 40,
    worlds: Annotated[int, typer.Option(min=1, max=1_000, help="Worlds to tune on; as many others judge.")] = 4,
    held_out: Annotated[int | None, typer.Option(min=2, max=1_000, help="Worlds that judge.")] = None,
    learn: Annotated[
        float, typer.Option(min=0.01, max=0.98, help="Of a log: share of the events to learn from.")
    ] = 0.5,
    calibrate: Annotated[
        float, typer.Option(min=0.01, max=0.98, help="Of a log: share that sets the threshold.")
    ] = 0.2,
    format: Format = None,
    mapping: MappingFile = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the search; a search in it goes on.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Keep the search in MLflow.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Search a detector's parameters on some worlds, judge the best on others, and write what to deploy.

    On a real log, the threshold is set on one part and judged on a later one.
    """
    if is_log(scenario):
        place = out or RUNS / f"tune-{slug(detector)}-{slug(Path(scenario).absolute().name)}"
        tune_on_log(detector, Path(scenario), budget, place, trials, learn, calibrate, format, mapping, as_json=as_json)
        return
    from scopedrift.scenarios.loader import load, override

    chosen = override(load(scenario), {"evaluation.alert_budget": budget})
    if find_spec("optuna") is None:
        raise UsageError("tuning needs Optuna: pip install 'scopedrift[tune]'")
    from scopedrift.experiments.running.tune import TuneError, tune
    from scopedrift.experiments.tracking import TrackingError, open_tracker
    from scopedrift.reports.drawing import render
    from scopedrift.reports.figures import tuning
    from scopedrift.reports.files import write_text
    from scopedrift.reports.style import matplotlib_settings

    place = out or RUNS / f"tune-{slug(detector)}-{chosen.name}"
    place.mkdir(parents=True, exist_ok=True)
    tracker = open_tracker(RUNS) if track else None
    judges = held_out if held_out is not None else max(worlds, 2)
    with progress(f"tuning {detector}") as show:
        try:
            found = tune(
                detector,
                chosen,
                place,
                trials=trials,
                tuning=range(worlds),
                held_out=range(worlds, worlds + judges),
                progress=show,
            )
        except TuneError as error:
            raise UsageError(str(error)) from None
    deploy = write_text(place / "detector.yaml", found.text())
    with matplotlib_settings():
        render(tuning.draw([trial.value for trial in found.trials], found.detector), place)
    if tracker:
        tags = {"scenario": chosen.name, "detector": found.detector}
        try:
            with tracker.invocation(f"tune {detector}", tags, dict(found.parameters)) as parent:
                parent.log_steps({"tuning/f1_within_budget": [trial.value for trial in found.trials]})
                parent.log_files([deploy, place / "tuning.svg"])
        except TrackingError as error:
            remark(f"the result is kept, but {error}")
    sides = {str(row["detector"]): row for row in records(found.held_out["summary"])}
    names = ("f1", "recall", "precision", "false_positives_per_day")
    if as_json:
        print_json(
            {
                "detector": found.detector,
                "parameters": found.parameters,
                "threshold": vars(found.threshold),
                "expected_alerts_per_day": vars(found.alerts_per_day),
                "will_miss": found.missed,
                "difference": vars(found.difference),
                "held_out": {side: {name: row[name] for name in names} for side, row in sides.items()},
                "trials": [vars(trial) for trial in found.trials],
                "path": str(deploy),
            }
        )
        return
    rows = [[side, *(f"{sides[side][name]:.3g}" for name in names)] for side in ("tuned", "default")]
    columns = ["parameters", "f1", "recall", "precision", "false alarms a day"]
    print_table(f"{found.detector} on {judges} held-out worlds", columns, rows, right=columns[1:])
    gain, allowed = found.difference, found.scenario.evaluation.alert_budget
    spent = float(sides["tuned"]["false_positives_per_day"]) / allowed if allowed else 0.0
    over = f" It spends {spent:.2g} times the budget of false alarms." if spent > OVERSPENT else ""
    sure = "better" if gain.low > 0 else "worse: keep the default" if gain.high < 0 else "no proof of a gain"
    print_paragraph(
        f"f1 {gain.estimate:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) against the default: {sure}.{over}"
        f" Expected alerts: {found.alerts_per_day.estimate:.2g} a day for {found.identities} identities."
    )
    if found.missed:
        print_paragraph("It will miss: " + "; ".join(f"{kind} ({what})" for kind, what in found.missed.items()))
    print(f"\nto deploy: {deploy}")
