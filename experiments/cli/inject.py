"""`scopedrift inject LOG --attack CHAIN --out DIR`: incidents of the catalogue in a real log, with truth beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table
from scopedrift.experiments.cli.own_logs import Format, Key, LogPath, MappingFile, Pseudonymise, open_log
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import new_folder

if TYPE_CHECKING:
    from scopedrift.scenarios.parts import ChangeSpec, IncidentSpec
    from scopedrift.simulator.log.truth import Incident


def inject_incidents(
    path: LogPath,
    out: Annotated[Path, typer.Option(help="The folder to write the log and its truth into.")],
    attack: Annotated[list[str] | None, typer.Option(help="An attack chain; may be repeated.")] = None,
    drift: Annotated[list[str] | None, typer.Option(help="A kind of scope drift; may be repeated.")] = None,
    change: Annotated[
        list[str] | None, typer.Option(help="A kind of benign change that brings work of its own; may be repeated.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option(help="The victim: its name or a part of it. By default chosen for each incident.")
    ] = None,
    strength: Annotated[float, typer.Option(min=0, max=1, help="From smash and grab (0) to stealth (1).")] = 0.3,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="How many of each.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Which draw.")] = 0,
    learn: Annotated[float, typer.Option(min=0.01, max=0.98, help="Share of the events to learn from.")] = 0.5,
    calibrate: Annotated[float, typer.Option(min=0.01, max=0.98, help="Share that then sets the threshold.")] = 0.2,
    new_calls: Annotated[
        bool, typer.Option("--new-calls", help="Also calls that nobody in the log makes, which give incidents away.")
    ] = False,
    format: Format = None,
    mapping: MappingFile = None,
    pseudonymise: Pseudonymise = False,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Put incidents and benign changes into the last part of a real log, for `scopedrift run DIR` to judge on."""
    from scopedrift.reports.text import slug
    from scopedrift.simulator.log.storage import MANIFEST
    from scopedrift.simulator.log.truth_file import STORY
    from scopedrift.simulator.own_logs.inject import inject
    from scopedrift.simulator.own_logs.world import RealWorld, load_world

    named = {"attack": attack, "drift": drift, "change": change}
    wanted = [(what, name) for what, names in named.items() for name in names or []]
    if not wanted:
        raise UsageError(
            "nothing to inject: name an --attack, a --drift or a --change (`scopedrift list attacks` shows them)"
        )
    if learn + calibrate > 0.99:
        raise UsageError(f"--learn {learn:g} and --calibrate {calibrate:g} leave no events for a test part")
    specs = [_spec(what, name, count, strength) for what, name in wanted]
    with new_folder(out, MANIFEST) as folder:
        if (path / STORY).is_file():
            if pseudonymise:
                raise UsageError(f"{path} has incidents already, under old names: use --pseudonymise the first time")
            before = load_world(path)
        else:
            name = slug("log" if pseudonymise else path.absolute().name.split(".")[0]) or "log"
            before = RealWorld.of(name, open_log(path, format, mapping, pseudonymise, key), learn, calibrate)
        world, told = inject(before, specs, seed=seed, identity=identity, new_calls=new_calls)
        world.save(folder)
    fresh = world.truth.incidents[len(before.truth.incidents) :]
    calls: dict[str, set[str]] = {"like": set(), "new": set(), "absent": set(), "unseen": set()}
    for call in told.calls:
        shown = f"{call.shown} for {call.form.operation}" if call.how == "like" else call.shown
        calls.setdefault(call.how, set()).add(shown)
    calls["absent"] -= calls["new"]
    facts = {
        "events": len(world.log),
        "background": len(before.log),
        "injected": told.events,
        "changes": len(world.truth.changes) - len(before.truth.changes),
        "windows": world.scenario.plain(),
        "digest": world.log.digest,
        "path": str(out),
    }
    if as_json:
        print_json({**facts, "calls": calls, "incidents": [vars(incident) for incident in fresh]})
        return
    _print(facts, fresh, calls)


def _spec(what: str, name: str, count: int, strength: float) -> IncidentSpec | ChangeSpec:
    from pydantic import ValidationError

    from scopedrift.scenarios.parts import ChangeSpec, IncidentSpec

    try:
        if what == "change":
            return ChangeSpec.model_validate({"kind": name, "count": count})
        return IncidentSpec.model_validate({what: name, "count": count, "strength": strength})
    except ValidationError as error:
        raise UsageError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None


def _print(facts: dict[str, Any], incidents: Sequence[Incident], calls: dict[str, set[str]]) -> None:
    import pandas as pd

    rows = [
        [
            incident.id,
            f"{pd.Timestamp(incident.first_observable_at, unit='us'):%Y-%m-%d %H:%M:%S}",
            incident.end_reason,
            sum(stage.outcome == "success" for stage in incident.stages),
            incident.identity,
        ]
        for incident in incidents
    ]
    if rows:
        print_table("", ["incident", "first event", "ended", "stages", "identity"], rows, right=["stages"])
    changes = f" for {facts['changes']} benign changes, too" if facts["changes"] else ""
    print_paragraph(
        f"{facts['injected']:,} events injected{changes}, among {facts['background']:,}, which are unchanged. What"
        " the identities are permitted is not in a log: a call fails only if the log shows it refused to that identity,"
        " never granted."
    )
    for what, names in (
        ("Calls of the catalogue that this log has in another form", calls["like"]),
        ("Calls that nobody in this log makes, which gives them away", calls["new"]),
        ("Calls that nobody in this log makes, left out (--new-calls puts them in)", calls["absent"]),
        ("Calls that this log would not record, left out", calls["unseen"]),
    ):
        if names:
            print_paragraph(f"{what}: {', '.join(sorted(names))}.")
    print(f"\nwrote {facts['path']}")
