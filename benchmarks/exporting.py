"""How fast events become the records of a format, against encoding and compressing the same records alone.

    python benchmarks/exporting.py [--load 2] [--format cloudtrail]... [--quick]

Exports a simulated world in each format and prints records a second of processor time (the best of `ROUNDS`, in turns)
and of real time, for `export_log` and for the floor: msgspec encoding the finished records, and zlib compressing them.
`--quick` is a gate: an export must reach `SHARE` of its floor.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from scopedrift.scenarios.loader import load_text, override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.records.formats import format_named
from scopedrift.simulator.records.writing.exporter import COMPRESSION, GZIP, export_log
from scopedrift.simulator.records.writing.naming import ExportNames

FORMATS = ("cloudtrail", "kubernetes", "gcp", "ocsf")
WORLD = """
name: exporting
horizon: 8d
windows: {baseline: 3d, calibration: 1d}
organisation: {projects: 4, tenants: 2}
workloads: {serverless: {functions: 20}, training: {pipelines: 4}, runners: {tenants: 2}}
"""
ROUNDS = 3
SHARE = 0.1


def finished(log: EventLog, format: str) -> list[object]:
    """The records of a log."""
    kind = format_named(format)
    writing = kind.writer(ExportNames.of(log))
    events = enumerate(log.batch(0, len(log)))
    made = (writing.record(event, number) for number, event in events if event.stream in kind.streams)
    return [record for record in made if record is not None]


def encode(records: list[object]) -> int:
    """Encode and compress records; the bytes that come out."""
    packer = zlib.compressobj(COMPRESSION, wbits=GZIP)
    size = 0
    for start in range(0, len(records), 200):
        text = b"\n".join(map(msgspec.json.encode, records[start : start + 200]))
        size += len(packer.compress(text))
    return size + len(packer.flush())


def timed(works: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Processor and real time of each, the best of some rounds, in turns."""
    best = dict.fromkeys(works, (float("inf"), float("inf")))
    for _ in range(ROUNDS):
        for name, work in works.items():
            used, began = time.process_time(), time.perf_counter()
            work()
            took = time.process_time() - used, time.perf_counter() - began
            best[name] = min(best[name][0], took[0]), min(best[name][1], took[1])
    return best


def main() -> int:
    """Time every format, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--load", type=float, default=2.0, help="amount of work in the world")
    parser.add_argument("--format", action="append", help="default: the four large ones")
    parser.add_argument("--quick", action="store_true", help="a small world; fails below the floor")
    options = parser.parse_args()
    log = simulate(override(load_text(WORLD), {"load": 0.1 if options.quick else options.load}), 1).log
    slow = []
    for format in options.format or FORMATS:
        records = finished(log, format)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            took = timed(
                {
                    "export_log": lambda format=format, out=out: export_log(log, format, out),
                    "floor": lambda records=records: encode(records),
                }
            )
        count, share = len(records), took["floor"][0] / took["export_log"][0]
        rates = ", ".join(f"{name} {count / cpu:,.0f} ({count / real:,.0f})" for name, (cpu, real) in took.items())
        print(f"{format:11} {count:7} records, a second of processor (real) time: {rates}; {share:.2f} of the floor")
        slow += [format] if share < SHARE else []
    return int(bool(options.quick and slow))


if __name__ == "__main__":
    sys.exit(main())
