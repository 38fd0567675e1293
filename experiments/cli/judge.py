"""`scopedrift judge WORLD ALERTS...`: judge the alerts that other systems raised on a world's records."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.isolation import InProcess, RequireIsolation, isolation
from scopedrift.experiments.cli.output import print_json, print_table, progress, records, say
from scopedrift.experiments.cli.results import end, print_results, tracked, untracked
from scopedrift.experiments.folders import ours, run_folder

if TYPE_CHECKING:
    from scopedrift.results import Results

TABLES = ("summary", "cells", "rule_summary", "deliveries", "matching", "paired")


def judge(
    world: Annotated[Path, typer.Argument(help="Folder that `simulate` or `inject` wrote.")],
    alerts: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]ALERTS...", help="Files or folders of alerts; those of one NAME are one system's."
        ),
    ],
    detector: Annotated[
        list[str] | None,
        typer.Option(help="Detector to judge on the same world, as for `run`. Repeatable. Default: none."),
    ] = None,
    window: Annotated[
        float, typer.Option(min=0, help="Seconds between an alert without a record's id and the event it is about.")
    ] = 300.0,
    mapping: Annotated[Path | None, typer.Option(help="Mapping file (YAML) for other kinds of alerts.")] = None,
    budget: Annotated[str | None, typer.Option(help="Alert budget to compare with, e.g. 3/week.")] = None,
    out: Annotated[Path | None, typer.Option(help="Results folder. Default: a new folder in runs/.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Record the result in MLflow.")] = True,
    in_process: InProcess = False,
    require_isolation: RequireIsolation = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Judge the alerts of other systems on the exported records of a world."""
    from scopedrift.results import MARKER
    from scopedrift.worlds import World

    chosen = World.load(world)
    place = out or run_folder(f"judge-{chosen.name}", datetime.now(UTC))
    tags = {"scenario": chosen.name, "scenario_digest": chosen.scenario.digest()}
    ours(place, MARKER)
    with tracked(track, f"judge {chosen.name}", tags) as parent:
        with progress(f"judging {chosen.name}") as show:
            how = isolation(in_process, require_isolation)
            results = sd.judge(
                chosen,
                alerts,
                detectors=detector,
                window=window,
                mapping=mapping,
                alert_budget=budget,
                isolation=how,
                progress=show,
            )
            show(1.0, "writing the report")
            results.save(place)
        problems = untracked(lambda run: results.track(run, saved=place), parent)
    report = str(place / "report.html")
    if as_json:
        tables = {name: records(results.tables[name]) for name in TABLES}
        print_json({**results.facts, "path": str(place), "report": report, **tables})
    else:
        print_results(results)
        _print_matching(results)
        say(f"\nreport: {report}")
    end([*results.failures, *problems])


def _print_matching(results: Results) -> None:
    """How the alerts of each system were matched, and how it compares with the others incident by incident."""
    told = [
        [row["detector"], row["outcome"], f"{row['alerts']:,.0f}", _count(row["in_test"]), row["example"]]
        for row in records(results.tables["matching"])
    ]
    print()
    columns = ["Alerts of", "matched by", "alerts", "in test", "for example"]
    print_table("How alerts were matched", columns, told, columns[2:4])
    counts = ["both", "only", "only_other", "neither"]
    pairs = [
        [row["detector"], row["other"], *(f"{row[each]:.0f}" for each in counts), _share(row["other_recall"])]
        for row in records(results.tables["paired"])
    ]
    if pairs:
        print()
        columns = ["System", "and other", "both catch", "only it", "only other", "neither", "other at equal alarms"]
        print_table("Incident by incident", columns, pairs, columns[2:])


def _count(value: float) -> str:
    return "" if value != value else f"{value:,.0f}"


def _share(value: float) -> str:
    return "" if value != value else f"{100 * value:.0f} %"
