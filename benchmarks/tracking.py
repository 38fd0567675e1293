"""What MLflow costs on a sweep: processor time of tracking against that of the cells tracked.

    python benchmarks/tracking.py [--quick]

Cells are those of a small world of some 200,000 events, with four detectors; tracking is one run per scenario and
detector, written by the parent to SQLite.  Then a store of many runs is searched as the pages search it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from scopedrift.experiments.running.run import run as run_detectors
from scopedrift.experiments.running.selection import resolve
from scopedrift.experiments.tracking import open_tracker
from scopedrift.scenarios.loader import load, override

DETECTORS = ("first-seen", "rate", "sequence", "peer-group")
CEILING, QUICK_CEILING = 0.05, 0.1
"""Share of a sweep's time that tracking may take; few cells carry the same fixed cost."""


def main() -> bool:
    """Measure and print; whether tracking stays under its ceiling."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="5 worlds instead of 20")
    worlds = 5 if parser.parse_args().quick else 20
    scenario = override(load("quickstart"), {"horizon": "8d", "windows.baseline": "4d", "windows.calibration": "2d"})
    with tempfile.TemporaryDirectory() as folder:
        tracker = open_tracker(Path(folder))  # makes the database: once per store, not per sweep
        began = time.process_time()
        tables = run_detectors(scenario, resolve(DETECTORS), range(worlds))
        cells = time.process_time() - began
        began = time.process_time()
        with tracker.invocation("benchmark", {}, {}) as parent:
            parent.log_results(tables, params={}, detectors={})
        tracking = time.process_time() - began
        events = tables["cells"]["events"].mean()
        count = len(tables["cells"])
        share = tracking / cells
        print(f"{count} cells of {events:,.0f} events: {cells:.2f} s; tracking {tracking:.2f} s, {share:.1%} of it")
        runs = 200 if worlds == 5 else 1_000
        for number in range(runs):
            run = tracker.client.create_run(tracker.experiment, run_name=f"run {number}")
            tracker.client.log_metric(run.info.run_id, "recall", 0.5)
        began = time.perf_counter()
        found = tracker.client.search_runs([tracker.experiment], max_results=runs)
        took = time.perf_counter() - began
        print(f"a page of {len(found):,} runs: {took:.2f} s, {1000 * took / len(found):.1f} ms a run")
    return share < (QUICK_CEILING if worlds == 5 else CEILING)


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
