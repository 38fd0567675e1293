"""`scopedrift profile LOG`: describe the platform behind a real log, and write a scenario that simulates it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress
from scopedrift.experiments.cli.own_logs import Format, Key, LogPath, MappingFile, Pseudonymise, open_log
from scopedrift.experiments.errors import UsageError

if TYPE_CHECKING:
    from scopedrift.simulator.own_logs.profile.learn import Profile
    from scopedrift.simulator.own_logs.profile.twin import Compared

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
    from scopedrift.simulator.own_logs.profile.learn import learn

    for file in (out, twin):
        if file is not None and (file.suffix not in (".yaml", ".yml") or file.is_dir()):
            raise UsageError(f"{file}: expected a file name ending in .yaml or .yml")
    found = learn(open_log(path, format, mapping, pseudonymise, key).log)
    if out is not None:
        _write(out, found.text(names=keep_names))
    rows = _twin(found, twin, keep_names) if twin is not None else []
    if as_json:
        print_json({**found.plain(names=keep_names), "comparison": [vars(row) for row in rows]})
        return
    _print(found)
    if rows:
        _print_comparison(rows)
    for file in (out, twin):
        if file is not None:
            print(f"\nwrote {file}")


def _twin(profile: Profile, file: Path, keep_names: bool) -> list[Compared]:
    from scopedrift.reports.text import slug
    from scopedrift.scenarios.documents import write
    from scopedrift.simulator.own_logs.profile import twin

    with progress("making a twin") as show:
        _, plain, simulated = twin.twin(profile, slug(file.stem), show)
    rows = twin.compare(profile.statistics, simulated)
    head = [f"# {row.name}: {row.original} in the log, {row.twin} here ({row.verdict})" for row in rows]
    if keep_names:
        head += [f"# {each.family} stands for {each.name!r}" for each in profile.identities]
    _write(file, "\n".join([*head, write(plain)]))
    return rows


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text if text.endswith("\n") else text + "\n", encoding="utf-8")


def _print(profile: Profile) -> None:
    print_table("statistics", ["statistic", "value"], [[n, _shown(v)] for n, v in profile.statistics.items()])
    print()
    columns = ["kind", "like", "events", "operations", "resources", "sources", "failed", "identity"]
    rows = [
        [p.kind, p.family, p.events, p.operations, p.resources, p.sources, f"{p.failed:.1%}", p.name]
        for p in profile.identities[:SHOWN]
    ]
    print_table("identities", columns, rows, right=columns[2:-1])
    if (more := len(profile.identities) - SHOWN) > 0:
        print(f"and {more} more")


def _print_comparison(rows: list[Compared]) -> None:
    print()
    cells = [[r.name, _shown(r.original), _shown(r.twin), f"{r.distance:g}", r.verdict] for r in rows]
    print_table("twin", ["statistic", "log", "twin", "apart", ""], cells, right=["apart"])
    alike = sum(row.verdict == "alike" for row in rows)
    differs = ", ".join(row.name for row in rows if row.verdict == "differs")
    print_paragraph(
        f"The twin matches the log in {alike} of {len(rows)} statistics"
        + (f"; it differs in {differs}." if differs else ".")
    )


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {part:g}" for key, part in list(value.items())[:6])
    return f"{value:g}" if isinstance(value, float) else str(value)
