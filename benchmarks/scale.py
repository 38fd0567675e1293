"""Large worlds, streamed to disk window by window: `python benchmarks/scale.py` (minutes; not for CI).

1. 20,000 identities for 7 days.
2. 50 million events against 5 million, the same kind of world: the rate stays, memory stays.
3. The log is the same for any window.

Each run is a process of its own; rates are by processor time, clock time is shown beside.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import floor, in_child, peak_mib, table, timed, verdict

from scopedrift.scenarios import Scenario, load_text
from scopedrift.simulator.engine import WINDOW, simulate

PLATFORM = """
name: large
horizon: {days}d
windows: {{baseline: 10h, calibration: 5h}}
organisation: {{projects: {projects}}}
identities: {{sharing: 0.0}}
platform: {{gpus: {gpus}}}
load: {load}
workloads:
  training: {{pipelines: {pipelines}}}
  inference: {{services: {services}}}
  serverless: {{functions: {functions}}}
incidents:
  - {{attack: token-theft, count: 4}}
"""
"""Numbers of workloads; without sharing, each part of a pipeline, service and function has an identity of its own."""
WORLDS: dict[str, dict[str, float]] = {
    "20,000 identities, 7 days": {
        "days": 7, "projects": 200, "gpus": 4000, "load": 0.2,
        "pipelines": 1000, "services": 4000, "functions": 11000,
    },
    "5 million events": {
        "days": 2, "projects": 60, "gpus": 1000, "load": 1,
        "pipelines": 150, "services": 400, "functions": 1600,
    },
    "50 million events": {
        "days": 20, "projects": 60, "gpus": 1000, "load": 1,
        "pipelines": 150, "services": 400, "functions": 1600,
    },
}  # fmt: skip
SAME = "5 million events"


def world(name: str) -> Scenario:
    return load_text(PLATFORM.format(**WORLDS[name]))


def run(name: str, window: int) -> None:
    """In a process of its own: one world."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        seconds, result = timed(lambda: simulate(world(name), 7, out=Path(folder), window=window))
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / len(result.log)
    print(json.dumps({
        "events": len(result.log), "seconds": seconds, "clock": time.perf_counter() - began, "peak": peak_mib(),
        "bytes": size, "identities": len(result.deployment.inventory), "digest": result.log.digest,
    }))  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=list(WORLDS), help=argparse.SUPPRESS)
    parser.add_argument("--window", type=int, default=WINDOW, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.world:
        run(options.world, options.window)
        return 0
    found: dict[str, Any] = {name: in_child(__file__, "--world", name) for name in WORLDS}
    other = in_child(__file__, "--world", SAME, "--window", 90_001)
    rows = [
        {
            "world": name,
            "events": f"{each['events']:,}",
            "identities": f"{each['identities']:,}",
            "thousands a second": f"{each['events'] / each['seconds'] / 1e3:,.0f}",
            "s by the clock": f"{each['clock']:.0f}",
            "peak MiB": f"{each['peak']:.0f}",
            "bytes an event": f"{each['bytes']:.1f}",
        }
        for name, each in {**found, f"{SAME}, another window": other}.items()
    ]
    table(list(rows[0]), rows)
    large, small = found["50 million events"], found[SAME]
    share = (large["events"] / large["seconds"]) / (small["events"] / small["seconds"])
    print(f"  rate at 50 million over rate at 5 million: {share:.2f} (target: 0.8)")
    print(f"  the same log for another window: {other['digest'] == small['digest']}")
    print("  target for the peak at 50 million events: under 500 MB\n")
    floor("rate at 50 million events over rate at 5 million", share, 0.8)
    floor("500 MB / peak at 50 million events", 500 / (large["peak"] * 1.048576), 1.0)
    floor("same digest for any window", float(other["digest"] == small["digest"]), 1.0)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
