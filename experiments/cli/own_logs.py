"""Shared by commands on real logs: reading a log and replacing its names."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import progress, remark
from scopedrift.experiments.errors import UsageError
from scopedrift.simulator.records.formats import names_of
from scopedrift.simulator.records.reading.stores import shown_place

if TYPE_CHECKING:
    from scopedrift.logs import Log

LogPath = Annotated[
    str,
    typer.Argument(
        metavar="PATH",
        help="Log file or folder (JSON, JSON lines, gzip), an address (s3://, gs://, az://, https://) or a saved log.",
    ),
]
Format = Annotated[str | None, typer.Option(help=f"Record format: {', '.join(names_of())}. Default: detected.")]
MappingFile = Annotated[Path | None, typer.Option(help="Mapping file (YAML) for other JSON or CSV.")]
Pseudonymise = Annotated[bool, typer.Option("--pseudonymise", help="Replace names with keyed hashes.")]
Key = Annotated[str | None, typer.Option(help="Key for --pseudonymise. Default: a new key, printed to stderr.")]


def open_log(
    path: str, format: str | None, mapping: Path | None, pseudonymise: bool = False, key: str | None = None
) -> Log:
    """Read the log at a path and pseudonymise it if asked; print the import summary and any new key to stderr.

    Raises `UsageError` if a key is given but would not be used.
    """
    if key is not None and not (pseudonymise and key):
        raise UsageError("--key needs --pseudonymise and a value that is not empty")
    with progress(f"reading {shown_place(path)}") as show:
        log = sd.read_log(path, format=format, mapping=mapping, progress=show)
    if not pseudonymise:
        for line in log.report.summary() if log.report else []:
            remark(line)
        return log
    if key is None:
        key = secrets.token_hex(16)
        remark(f"names are hashed with the key {key}: keep it to get the same pseudonyms again")
    return log.pseudonymised(key)
