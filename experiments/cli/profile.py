"""`scopedrift profile LOG`: describe the platform behind a real log, and write a scenario that simulates it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress, say
from scopedrift.experiments.cli.own_logs import Format, Key, LogPath, MappingFile, Pseudonymise, open_log
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import replaceable

if TYPE_CHECKING:
    from scopedrift.profiling import LogProfile

SHOWN: Final = 20
"""Maximum number of identities to list; the file holds all of them."""


def profile(
    path: LogPath,
    out: Annotated[Path | None, typer.Option(help="Write the profile to this YAML file.")] = None,
    twin: Annotated[
        Path | None, typer.Option(help="Write a scenario that simulates this platform to this YAML file.")
    ] = None,
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Write identity names into the files.")] = False,
    format: Format = None,
    mapping: MappingFile = None,
    pseudonymise: Pseudonymise = False,
    key: Key = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Profile the platform behind a real log, and optionally write a simulated twin.

    The profile covers identities, workload kinds, operations, active hours and novelty.
    """
    from scopedrift.profiling import PROFILE_MARK, TWIN_MARK
    from scopedrift.reports.text import slug

    for file, mark in ((out, PROFILE_MARK), (twin, TWIN_MARK)):
        if file is not None and (file.suffix not in (".yaml", ".yml") or file.is_dir()):
            raise UsageError(f"{file}: expected a file name ending in .yaml or .yml")
        if file is not None:
            replaceable(file, mark)
    found = sd.profile(open_log(path, format, mapping, pseudonymise, key))
    if out is not None:
        found.save(out, names=keep_names)
    made = None
    if twin is not None:
        with progress("making a twin") as show:
            made = found.twin(slug(twin.stem), progress=show)
        made.save(twin, names=keep_names)
    if as_json:
        rows = [vars(row) for row in made.rows] if made else []
        print_json({**found.found.plain(names=keep_names), "comparison": rows})
        return
    _print(found)
    if made:
        print()
        cells = [[r.name, _shown(r.original), _shown(r.twin), f"{r.distance:g}", r.verdict] for r in made.rows]
        print_table("twin", ["statistic", "log", "twin", "apart", ""], cells, right=["apart"])
        print_paragraph(made.words)
    for file in (out, twin):
        if file is not None:
            say(f"\nwrote {file}")


def _print(profile: LogProfile) -> None:
    print_table("statistics", ["statistic", "value"], [[n, _shown(v)] for n, v in profile.found.statistics.items()])
    print()
    columns = ["kind", "like", "events", "operations", "resources", "sources", "failed", "identity"]
    rows = [
        [p.kind, p.family, p.events, p.operations, p.resources, p.sources, f"{p.failed:.1%}", p.name]
        for p in profile.found.identities[:SHOWN]
    ]
    print_table("identities", columns, rows, right=columns[2:-1])
    if (more := len(profile.found.identities) - SHOWN) > 0:
        say(f"and {more} more")


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part:g}" for key, part in list(value.items())[:6])
    return f"{value:g}" if isinstance(value, float) else str(value)
