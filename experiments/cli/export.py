"""`scopedrift export LOG --format cloudtrail --out DIR`: write a log as the records of a real platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import print_json, progress, remark, say
from scopedrift.experiments.cli.own_logs import LogPath
from scopedrift.simulator.records.formats import FORMATS, format_named, names_of
from scopedrift.simulator.records.reading.stores import shown_place


def export(
    log: LogPath,
    format: Annotated[str, typer.Option(help=f"Output format: {', '.join(names_of(written=True))}.")],
    out: Annotated[Path, typer.Option(help="Output folder for the records.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Write a log as audit records that production rules can read.

    A format carries only its own log streams; the command says what it leaves out.
    """
    carried = format_named(format).streams
    with progress(f"reading {shown_place(log)}") as show:
        events = sd.read_log(log, progress=show)
    with progress(f"writing {format}") as show:
        result = sd.export(events, format, out, progress=show)
    if as_json:
        facts: dict[str, object] = {"log": shown_place(log), "digest": events.log.digest, "format": format}
        facts["streams"] = list(carried)
        left = {"left_out": dict(result.left), "without_counterpart": dict(result.foreign)}
        facts |= {"records": result.records, "files": len(result.files), **left, "path": str(out)}
        print_json(facts)
    else:
        say(f"wrote {result.records:,} records in {len(result.files):,} files to {out}")
    for stream, count in result.left.items():
        others = [name for name, each in FORMATS.items() if each.written and stream in each.streams]
        hint = f": {', '.join(others)} can hold them" if others else ""
        remark(f"left out {count:,} events of {stream}, which {format} does not record{hint}")
    if result.foreign:
        some = ", ".join(name for name, _ in result.foreign.most_common(5))
        remark(f"left out {result.foreign.total():,} calls that have no counterpart in {format}: {some}")
