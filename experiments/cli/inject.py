"""`scopedrift inject LOG --attack CHAIN --out DIR`: put incidents from the catalogue into a real log, with truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, records, say
from scopedrift.experiments.cli.own_logs import Format, Key, LogPath, MappingFile, Pseudonymise, open_log
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import new_folder

if TYPE_CHECKING:
    from scopedrift.injection import InjectedWorld


def inject(
    path: LogPath,
    out: Annotated[Path, typer.Option(help="Output folder for the log and its truth.")],
    attack: Annotated[list[str] | None, typer.Option(help="Attack chain. Repeatable.")] = None,
    drift: Annotated[list[str] | None, typer.Option(help="Kind of scope drift. Repeatable.")] = None,
    change: Annotated[list[str] | None, typer.Option(help="Benign change that adds activity. Repeatable.")] = None,
    identity: Annotated[str | None, typer.Option(help="Victim: its name or part of it. Default: chosen.")] = None,
    strength: Annotated[float, typer.Option(min=0, max=1, help="From smash-and-grab (0) to patient (1).")] = 0.3,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Number of each.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the draws.")] = 0,
    learn: Annotated[float, typer.Option(min=0.01, max=0.98, help="Share of events to fit on.")] = 0.5,
    calibrate: Annotated[float, typer.Option(min=0.01, max=0.98, help="Next share: sets the threshold.")] = 0.2,
    new_calls: Annotated[
        bool, typer.Option("--new-calls", help="Keep operations that nobody in the log uses; they give incidents away.")
    ] = False,
    format: Format = None,
    mapping: MappingFile = None,
    pseudonymise: Pseudonymise = False,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Inject incidents and benign changes into the last part of a real log.

    `scopedrift run DIR` then judges detectors on the result.
    """
    from scopedrift.simulator.log.storage import MANIFEST
    from scopedrift.simulator.log.truth_file import STORY

    named = {"attack": attack, "drift": drift}
    wanted = [
        {what: name, "count": count, "strength": strength} for what, names in named.items() for name in names or []
    ]
    changes = [kind for kind in change or [] for _ in range(count)]
    if not wanted and not changes:
        raise UsageError("nothing to inject: give --attack, --drift or --change (see `scopedrift list attacks`)")
    again = (Path(path) / STORY).is_file()
    if again and pseudonymise:
        raise UsageError(
            f"{path} already holds incidents under the original names: use --pseudonymise with the first `inject`"
        )
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
        facts["left_out"] = list(world.told.left_out)
        print_json({**facts, "calls": world.calls, "incidents": [vars(incident) for incident in world.fresh]})
        return
    _print(world)
    say(f"\nwrote {out}")


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
    for reason in world.told.left_out:
        print_paragraph(f"Left out: {reason}.")
    calls = world.calls
    for what, names in (
        ("Catalogue operations in this log's own words", calls["like"]),
        ("Operations that nobody else in this log uses (a giveaway)", calls["new"]),
        ("Left out, because nobody in this log uses them (--new-calls keeps them)", calls["absent"]),
        ("Left out, because this log would not record them", calls["unseen"]),
    ):
        if names:
            print_paragraph(f"{what}: {', '.join(sorted(names))}.")
