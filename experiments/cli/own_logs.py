"""What commands on a real log have in common: reading it, and replacing its names."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import progress, remark
from scopedrift.experiments.errors import UsageError
from scopedrift.simulator.records.formats import names_of

if TYPE_CHECKING:
    from scopedrift.logs import Log

LogPath = Annotated[Path, typer.Argument(help="A log file or folder (JSON, JSON lines, gzip), or a saved log.")]
Format = Annotated[
    str | None, typer.Option(help=f"What the records are: {', '.join(names_of())}. By default recognised.")
]
MappingFile = Annotated[Path | None, typer.Option(help="A mapping file (YAML) for any other JSON, or CSV.")]
Pseudonymise = Annotated[bool, typer.Option("--pseudonymise", help="Replace names by a keyed hash of them.")]
Key = Annotated[str | None, typer.Option(help="The key of --pseudonymise. By default a new one, which is shown.")]


def open_log(
    path: Path, format: str | None, mapping: Path | None, pseudonymise: bool = False, key: str | None = None
) -> Log:
    """The log at a path, under other names if asked for; stderr says how reading it went, and a key that was made.

    Raises `UsageError` for a key that would not be used.
    """
    if key is not None and not (pseudonymise and key):
        raise UsageError("--key is for --pseudonymise, and is not empty")
    with progress(f"reading {path}") as show:
        log = sd.read_log(path, format=format, mapping=mapping, progress=show)
    if not pseudonymise:
        for line in log.report.summary() if log.report else []:
            remark(line)
        return log
    if key is None:
        key = secrets.token_hex(16)
        remark(f"names are replaced under the key {key}: keep it to get the same names again")
    return log.pseudonymised(key)
