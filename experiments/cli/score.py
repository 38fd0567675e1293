"""`scopedrift score PATH`: detectors on a real log, fitted on its first part, with their highest alerts and reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from scopedrift.experiments.cli.output import (
    as_texts,
    print_json,
    print_paragraph,
    print_table,
    progress,
    records,
    remark,
)
from scopedrift.experiments.cli.own_logs import Format, Key, MappingFile, Pseudonymise, refuse_idle_key, renamed
from scopedrift.experiments.cli.results import print_rules
from scopedrift.experiments.folders import new_folder, run_folder

if TYPE_CHECKING:
    import pandas as pd

MARKER: Final = "score.json"
ENOUGH: Final = 100
"""Events below which what was learned is hardly a baseline, which is then said."""
IDENTITIES: Final = 20
SAMPLES: Final = 5
"""Records that could not be read are shown up to this number; all of them are counted."""


def score(
    path: Annotated[Path, typer.Argument(help="A log file or folder (JSON, JSON lines, gzip), or a simulated log.")],
    detector: Annotated[
        list[str] | None, typer.Option(help="As for `run`; may be repeated. By default those that need the log only.")
    ] = None,
    fit: Annotated[float, typer.Option(min=0.01, max=0.99, help="Share of the events that is learned from.")] = 0.5,
    top: Annotated[int, typer.Option(min=1, max=10_000, help="How many alerts each detector may raise.")] = 20,
    format: Format = None,
    mapping: MappingFile = None,
    pseudonymise: Pseudonymise = False,
    key: Key = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the results. By default a new one in runs/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Score a real audit log: learn from its first part and show the most suspicious alerts of the rest."""
    from scopedrift.experiments.running.logs import read_log
    from scopedrift.experiments.running.score import score as score_log
    from scopedrift.experiments.running.selection import log_only_detectors
    from scopedrift.reports.text import slug

    refuse_idle_key(pseudonymise, key)
    with progress(f"reading {path}") as show:
        log, source = read_log(path, format=format, mapping=mapping, progress=show)
    log = renamed(log, key) if pseudonymise else log
    with progress(f"scoring {path}") as show:
        result = score_log(log, detector or log_only_detectors(), fit=fit, top=top, records=source, progress=show)
    imported = source.report if source else None
    shown = "log" if pseudonymise else str(path)
    told = result.alerts.drop(columns="record") if pseudonymise else result.alerts
    facts = {"path": shown, **result.facts}
    if imported:
        facts["unreadable_records"] = sum(imported.skipped.values())
    imported = None if pseudonymise else imported  # its samples and file names are not
    if imported:
        facts["read"] = imported.summary()
    place = out or run_folder(f"score-{slug(Path(shown).absolute().name)}", datetime.now(UTC))
    with new_folder(place, MARKER) as folder:
        _write(folder, told, result.rules, facts)
    if as_json:
        read = {"import": imported.asdict()} if imported else {}
        found = {"failed": result.failed, "alerts": records(told)}
        found |= {"rules": records(result.rules)} if len(result.rules) else {}
        print_json({**facts, "report": str(place / "report.html"), **read, **found})
    else:
        _print(told, facts)
        if len(result.rules):
            print_paragraph("Rules learn nothing, so each is told over the whole log:")
        print_rules(result.rules)
        print(f"\nreport: {place / 'report.html'}")
    for line in [*imported.summary(), *map(str, imported.samples[:SAMPLES])] if imported else []:
        remark(line)
    for name, reason in result.failed.items():
        remark(f"{name} failed: {reason}")
    if result.failed:
        raise typer.Exit(1)


def _write(folder: Path, alerts: pd.DataFrame, rules: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    from scopedrift.reports import write_alert_report

    meta = as_texts({**facts, "read": "; ".join(facts["read"])} if "read" in facts else facts)
    told = rules if len(rules) else None
    title = f"Alerts in {Path(facts['path']).absolute().name}"
    write_alert_report(alerts, folder, title=title, meta=meta, lead=_told(facts), rules=told)
    (folder / "tables").mkdir(exist_ok=True)
    alerts.to_parquet(folder / "tables" / "alerts.parquet", index=False)
    if told is not None:
        told.to_parquet(folder / "tables" / "rules.parquet", index=False)
    (folder / MARKER).write_text(json.dumps(facts, indent=2, default=str) + "\n", encoding="utf-8")


def _told(facts: Mapping[str, Any]) -> str:
    """What was read, learned from and scored, in words."""
    events, learned, scored = facts["events"], facts["learned"], facts["scored"]
    first, scored_from, last = (_moment(facts[name]) for name in ("first", "scored_from", "last"))
    text = f"{events:,} event{'' if events == 1 else 's'} from {first} to {last} (UTC): "
    text += f"the first {learned:,} were learned from, the {scored:,} from {scored_from} on were scored."
    if learned < ENOUGH:
        text += f" {learned:,} events are too few to learn what is usual: most of what is scored is new."
    if silent := facts.get("abstained"):
        text += f" These abstained on every event and say nothing of this log: {', '.join(silent)}."
    if unjudged := facts.get("unjudged_records"):
        text += f" Rules did not judge {unjudged:,} record{'' if unjudged == 1 else 's'}, nested too deeply."
    if unread := facts.get("unreadable_records"):
        text += f" {unread:,} record{'' if unread == 1 else 's'} could not be read."
    return text


def _moment(iso: str) -> str:
    return iso[:19].replace("T", " ")


def _print(alerts: pd.DataFrame, facts: Mapping[str, Any]) -> None:
    from scopedrift.reports.alert_report import by_identity

    print_paragraph(_told(facts))
    if alerts["detector"].nunique() > 1:
        print_paragraph("Identities, those that most detectors raise first:")
        people = [
            [p["detectors"], p["alerts"], f"{p['first']:%Y-%m-%d %H:%M:%S}", p["identity"], f"{p['by']}: {p['reason']}"]
            for p in by_identity(alerts).head(IDENTITIES).to_dict("records")
        ]
        print_table("", ["detectors", "alerts", "first", "identity", "why"], people, right=["detectors", "alerts"])
    for name, rows in alerts.groupby("detector", sort=False):
        print()
        table = [
            [f"{a['opened_at']:%Y-%m-%d %H:%M:%S}", f"{a['score']:.3g}", a["events"], a["identity"], a["reason"]]
            for a in rows.to_dict("records")
        ]
        columns = ["opened", "score", "events", "identity", f"why ({name})"]
        print_table(str(name), columns, table, right=["score", "events"])
    if not len(alerts):
        print("no alert")
