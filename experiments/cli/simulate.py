"""`scopedrift simulate SCENARIO --out DIR`: one world, written as a log and its truth."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import print_json, progress, say


def simulate(
    scenario: Annotated[str, typer.Argument(help="Scenario name or file.")],
    out: Annotated[Path, typer.Option(help="Output folder for the log.")],
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of the world.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Simulate one world and write its log with ground truth.

    The same scenario, seed and version give the same digest.
    """
    started = time.perf_counter()
    with progress(f"simulating {scenario}") as show:
        world = sd.simulate(scenario, seed, out=out, progress=show)
    seconds = time.perf_counter() - started
    facts = {
        "scenario": world.name,
        "seed": seed,
        "events": len(world),
        "incidents": len(world.incidents),
        "changes": len(world.changes),
        "seconds": round(seconds, 3),
        "events_per_second": round(len(world) / seconds),
        "digest": world.digest,
    }
    if as_json:
        print_json({**facts, "path": str(out)})
        return
    say(f"{facts['events']:,} events in {seconds:.2f} s ({facts['events_per_second']:,} events/s)")
    say(f"{facts['incidents']} incidents, {facts['changes']} benign changes")
    say(f"digest {facts['digest']}")
    say(f"wrote {out}")
