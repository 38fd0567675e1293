"""`scopedrift inject LOG --attack CHAIN --out DIR`: incidents of the catalogue in a real log, with truth beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, records
from scopedrift.experiments.cli.own_logs import Format, Key, LogPath, MappingFile, Pseudonymise, open_log
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import new_folder

if TYPE_CHECKING:
    from scopedrift.injection import InjectedWorld


def inject(
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
    from scopedrift.simulator.log.storage import MANIFEST
    from scopedrift.simulator.log.truth_file import STORY

    named = {"attack": attack, "drift": drift}
    wanted = [
        {what: name, "count": count, "strength": strength} for what, names in named.items() for name in names or []
    ]
    changes = [kind for kind in change or [] for _ in range(count)]
    if not wanted and not changes:
        raise UsageError(
            "nothing to inject: name an --attack, a --drift or a --change (`scopedrift list attacks` shows them)"
        )
    again = (path / STORY).is_file()
    if again and pseudonymise:
        raise UsageError(f"{path} has incidents already, under old names: use --pseudonymise the first time")
    with new_folder(out, MANIFEST) as folder:
        log = path if again else open_log(path, format, mapping, pseudonymise, key).split(learn, calibrate)
        world = sd.inject(log, wanted, changes=changes, identity=identity, seed=seed, new_calls=new_calls)
        world.write(folder)
    if as_json:
        facts = {
            "events": len(world),
            "background": len(world.before.log),
            "injected": world.told.events,
            "changes": len(world.changes) - len(world.before.truth.changes),
            "windows": world.source.scenario.plain(),
            "digest": world.digest,
            "path": str(out),
        }
        print_json({**facts, "calls": world.calls, "incidents": [vars(incident) for incident in world.fresh]})
        return
    _print(world)
    print(f"\nwrote {out}")


def _print(world: InjectedWorld) -> None:
    rows = [
        [
            incident["id"],
            f"{incident['first_observable_at']:%Y-%m-%d %H:%M:%S}",
            incident["end_reason"],
            sum(stage.outcome == "success" for stage in found.stages),
            incident["identity"],
        ]
        for incident, found in zip(records(world.added), world.fresh, strict=True)
    ]
    if rows:
        print_table("", ["incident", "first event", "ended", "stages", "identity"], rows, right=["stages"])
    print_paragraph(world.words)
    calls = world.calls
    for what, names in (
        ("Calls of the catalogue that this log has in another form", calls["like"]),
        ("Calls that nobody in this log makes, which gives them away", calls["new"]),
        ("Calls that nobody in this log makes, left out (--new-calls puts them in)", calls["absent"]),
        ("Calls that this log would not record, left out", calls["unseen"]),
    ):
        if names:
            print_paragraph(f"{what}: {', '.join(sorted(names))}.")
