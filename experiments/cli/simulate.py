"""`scopedrift simulate SCENARIO --out DIR`: one world, written as a log with its truth beside it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.cli.output import print_json, progress
from scopedrift.experiments.folders import new_folder


def simulate_log(
    scenario: Annotated[str, typer.Argument(help="A scenario's name, or the path of a scenario file.")],
    out: Annotated[Path, typer.Option(help="The folder to write the log into.")],
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Which world.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Simulate one world and write its log: the same scenario, seed and version give the same digest."""
    from scopedrift.scenarios.loader import load
    from scopedrift.simulator.engine import simulate
    from scopedrift.simulator.log.storage import MANIFEST
    from scopedrift.simulator.log.truth_file import save_truth

    chosen = load(scenario)
    with new_folder(out, MANIFEST) as folder, progress(f"simulating {chosen.name}") as show:
        started = time.perf_counter()
        world = simulate(chosen, seed, out=folder, progress=lambda done: show(done, ""))
        seconds = time.perf_counter() - started
        save_truth(world.truth, folder)
        facts = {
            "scenario": chosen.name,
            "seed": seed,
            "events": len(world.log),
            "incidents": len(world.truth.incidents),
            "changes": len(world.truth.changes),
            "seconds": round(seconds, 3),
            "events_per_second": round(len(world.log) / seconds),
            "digest": world.log.digest,
        }
    if as_json:
        print_json({**facts, "path": str(out)})
        return
    print(f"{facts['events']:,} events in {seconds:.2f} s ({facts['events_per_second']:,} events/s)")
    print(f"{facts['incidents']} incidents, {facts['changes']} benign changes")
    print(f"digest {facts['digest']}")
    print(f"wrote {out}")
