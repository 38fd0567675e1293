"""`scopedrift score PATH`: fit detectors on the first part of a real log; show their highest alerts with reasons."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import scopedrift as sd
from scopedrift.experiments.cli.isolation import InProcess, RequireIsolation, isolation
from scopedrift.experiments.cli.options import PipelineOption, piped
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress, records, remark, say
from scopedrift.experiments.cli.own_logs import Format, Key, LogPath, MappingFile, Pseudonymise, open_log
from scopedrift.experiments.cli.results import end, print_rules
from scopedrift.experiments.folders import run_folder
from scopedrift.simulator.records.reading.stores import shown_place

if TYPE_CHECKING:
    from scopedrift.alerts import LogAlerts

IDENTITIES: Final = 20
SAMPLES: Final = 5
"""At most this many unreadable records are shown; all are counted."""


def score(
    path: LogPath,
    detector: Annotated[
        list[str] | None,
        typer.Option(help="As for `run`. Repeatable. Default: all that need only the log, or none with --deploy."),
    ] = None,
    deploy: Annotated[
        list[str] | None,
        typer.Option(help="File that `tune` wrote: all alerts above its threshold, with its cooldown. Repeatable."),
    ] = None,
    pipeline: PipelineOption = None,
    fit: Annotated[float, typer.Option(min=0.01, max=0.99, help="Share of events to fit on.")] = 0.5,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="Maximum alerts per --detector.")] = 20,
    format: Format = None,
    mapping: MappingFile = None,
    pseudonymise: Pseudonymise = False,
    key: Key = None,
    out: Annotated[Path | None, typer.Option(help="Results folder. Default: a new folder in runs/.")] = None,
    in_process: InProcess = False,
    require_isolation: RequireIsolation = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Fit detectors on the first part of a real audit log and show the most suspicious alerts in the rest."""
    from scopedrift.reports.text import slug

    log = open_log(path, format, mapping, pseudonymise, key)
    with progress(f"scoring {shown_place(path)}") as show:
        how = isolation(in_process, require_isolation)
        wanted = piped(detector, pipeline)
        found = sd.score(log, wanted, deploy=deploy or (), fit=fit, top=top, isolation=how, progress=show)
    report = found.save(out or run_folder(f"score-{slug(log.name)}", datetime.now(UTC)))
    facts = {"path": log.name if log.anonymous else shown_place(path), **found.facts}
    if as_json:
        read = {"import": log.report.asdict()} if log.report else {}
        tables = {"alerts": records(found.alerts), **({"rules": records(found.rules)} if len(found.rules) else {})}
        print_json({**facts, "report": str(report), **read, "failed": found.failed, **tables})
    else:
        _print(found)
        say(f"\nreport: {report}")
    for sample in log.report.samples[:SAMPLES] if log.report else []:
        remark(str(sample))
    end([f"{name} failed: {reason}" for name, reason in found.failed.items()])


def _print(found: LogAlerts) -> None:
    alerts = found.alerts
    print_paragraph(found.words)
    if alerts["detector"].nunique() > 1:
        print_paragraph("Identities, most agreed-upon first:")
        people = [
            [p["detectors"], p["alerts"], f"{p['first']:%Y-%m-%d %H:%M:%S}", p["identity"], f"{p['by']}: {p['reason']}"]
            for p in records(found.identities.head(IDENTITIES))
        ]
        print_table("", ["detectors", "alerts", "first", "identity", "why"], people, right=["detectors", "alerts"])
    for name, rows in alerts.groupby("detector", sort=False):
        print()
        table = [
            [f"{a['opened_at']:%Y-%m-%d %H:%M:%S}", f"{a['score']:.3g}", a["events"], a["identity"], a["reason"]]
            for a in records(rows)
        ]
        columns = ["opened", "score", "events", "identity", f"why ({name})"]
        print_table(str(name), columns, table, right=["score", "events"])
    if not len(alerts):
        print("no alerts")
    if len(found.rules):
        print_paragraph("Rules need no fitting, so their counts cover the whole log:")
    print_rules(found.rules)
