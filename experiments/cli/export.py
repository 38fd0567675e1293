"""`scopedrift export LOG --format cloudtrail --out DIR`: a log as the records that a platform would have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from scopedrift.experiments.cli.output import print_json, progress, remark
from scopedrift.experiments.folders import new_folder
from scopedrift.simulator.records.formats import FORMATS, format_named, names_of

MARKER: Final = ".scopedrift-export.json"
"""Hidden, so that whatever reads the folder takes it for no log."""


def export(
    log: Annotated[Path, typer.Argument(help="A simulated log (or real records, to be written in another format).")],
    format: Annotated[str, typer.Option(help=f"One of {', '.join(names_of(written=True))}.")],
    out: Annotated[Path, typer.Option(help="The folder to write the records into.")],
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Write a log as audit records that production rules can read; each format carries its own streams only."""
    from scopedrift.experiments.running.logs import read_log
    from scopedrift.simulator.records.writing.exporter import export_log

    carried = format_named(format).streams
    with progress(f"reading {log}") as show:
        events, _ = read_log(log, progress=show)
    with new_folder(out, MARKER) as folder, progress(f"writing {format}") as show:
        result = export_log(events, format, folder, lambda done: show(done, ""))
        facts = {
            "log": str(log),
            "digest": events.digest,
            "format": format,
            "streams": list(carried),
            "records": result.records,
            "files": len(result.files),
            "left_out": dict(result.left),
            "without_counterpart": dict(result.foreign),
        }
        (folder / MARKER).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json({**facts, "path": str(out)})
    else:
        print(f"wrote {result.records:,} records in {len(result.files):,} files to {out}")
    for stream, count in result.left.items():
        others = [name for name, each in FORMATS.items() if each.written and stream in each.streams]
        hint = f": {' and '.join(others)} can carry them" if others else ""
        remark(f"left out {count:,} events of {stream}, which {format} does not record{hint}")
    if result.foreign:
        some = ", ".join(name for name, _ in result.foreign.most_common(5))
        remark(f"left out {result.foreign.total():,} calls that {format} has no counterpart of: {some}")
