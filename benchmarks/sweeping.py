"""Sweeps at size: what is killed comes back whole, two jobs against one, and what a cell costs beside its own work.

    python benchmarks/sweeping.py [--quick]

1. 1,000 cells of small worlds: once undisturbed; once with `kill -9` of the main process at random moments, then of
   a worker under two jobs.  The result tables must be equal row for row (times of day and durations apart).
2. Cells of some 2 s: one job against two, by the clock (an idle machine with two cores is needed), and what the engine,
   the store and MLflow add to running the same cells without them, in turn.
"""

from __future__ import annotations

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
from measuring import floor, timed, verdict

from scopedrift.experiments.running.cells.store import STORE, Store
from scopedrift.experiments.running.run import run
from scopedrift.experiments.running.selection import resolve
from scopedrift.experiments.running.sweep import sweep
from scopedrift.experiments.tracking import open_tracker
from scopedrift.reports.columns import TABLES
from scopedrift.scenarios import load
from scopedrift.scenarios.suite import load_suite

SMALL = """
name: small
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
workloads: {inference: {services: 3}, serverless: {functions: 4}}
incidents: [{attack: rogue-job, count: 2}]
"""
SUITE = """
name: small
scenarios: [small.yaml]
vary: {{identities.sharing: [0.0, 1.0]}}
seeds: {seeds}
detectors: [first-seen, rate]
"""
CELLS_A_SEED = 12
"""Two settings, two detectors and four references."""
HEAVY = """
name: heavy
scenarios: [core]
seeds: {seeds}
detectors: [first-seen, sequence, peer-group, ensemble]
"""
MAIN_KILLS = 4
WORLDS = 12
ROUNDS = 5


def command(suite: Path, out: Path, *more: str) -> list[str]:
    base = [sys.executable, "-m", "scopedrift", "sweep", str(suite), "--out", str(out)]
    return [*base, *more]


def finished(out: Path) -> int:
    """Cells in the store, 0 while it is being made."""
    if not (out / STORE).exists():
        return 0
    try:
        with Store(out) as store:
            return len(store.finished())
    except Exception:
        return 0


def disturbed(suite: Path, out: Path, cells: int) -> tuple[int, int]:
    """Run and kill until all is done; how often the main process and a worker were killed."""
    draw, mains, workers = random.Random(7), 0, 0
    while True:
        jobs = "2" if mains >= MAIN_KILLS else "1"
        running = subprocess.Popen(
            command(suite, out, "--no-track", "--jobs", jobs), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        goal = finished(out) + draw.randrange(10, cells // (MAIN_KILLS + 2))
        while running.poll() is None and finished(out) < goal:
            time.sleep(0.05)
        if running.poll() is None and jobs == "1":
            running.kill()
            mains += 1
        elif running.poll() is None:
            own = [p for p in psutil.Process(running.pid).children(recursive=True) if "spawn_main" in str(p.cmdline())]
            if own:
                draw.choice(own).kill()
                workers += 1
            running.wait()
        if running.wait() == 0:
            return mains, workers


def killed(folder: Path, seeds: int) -> None:
    """Part 1."""
    cells = seeds * CELLS_A_SEED
    suite = folder / "suite.yaml"
    (folder / "small.yaml").write_text(SMALL)
    suite.write_text(SUITE.format(seeds=seeds))
    mains, workers = disturbed(suite, folder / "killed", cells)
    plan = load_suite(str(suite))
    resumed = sweep(plan, folder / "killed")
    whole = sweep(plan, folder / "whole")
    times = [name for name in TABLES["cells"] if name.endswith("_seconds")]
    for name, table in whole.tables.items():
        gone = [c for c in table.columns if c.removesuffix("_low").removesuffix("_high") in times]
        pd.testing.assert_frame_equal(table.drop(columns=gone), resumed.tables[name].drop(columns=gone))
    print(f"{cells:,} cells; main process killed {mains} times, a worker {workers}: ", end="")
    print(f"every table equals that of an undisturbed run ({resumed.ran} cells were left to run at the end)\n")
    floor("kills of the main process", mains, 1)
    floor("kills of a worker", workers, 1)


def clock(suite: Path, out: Path, *more: str) -> float:
    began = time.perf_counter()
    subprocess.run(command(suite, out, *more), check=True, capture_output=True)
    return time.perf_counter() - began


def speed(folder: Path, seeds: int) -> None:
    """Part 2."""
    suite = folder / "heavy.yaml"
    suite.write_text(HEAVY.format(seeds=seeds))
    nothing = folder / "nothing.yaml"
    nothing.write_text(HEAVY.format(seeds=1))
    clock(nothing, folder / "warm", "--no-track")  # what is loaded once is in the page cache
    one = clock(suite, folder / "one", "--no-track")
    two = clock(suite, folder / "two", "--no-track", "--jobs", "2")
    rest = clock(suite, folder / "one", "--no-track")  # every cell is finished: start, tables and report
    cells = (one - rest) / (two - rest)
    print(f"{seeds} worlds of 8 cells by the clock: one job {one:.1f} s, two jobs {two:.1f} s, {one / two:.2f} times")
    print(f"of which start, tables and report, once a sweep: {rest:.1f} s; the cells alone: {cells:.2f} times")
    floor("two jobs against one, by the clock", cells, 1.3)
    overhead(folder, nothing, 1 if seeds < WORLDS else ROUNDS)


def overhead(folder: Path, suite: Path, rounds: int) -> None:
    """The same cells without a sweep and as one, tracked, in turn: one run differs from the next by more than 5 %."""
    plan, scenario = load_suite(str(suite)), load("core")
    tracker = open_tracker(folder / "tracked")

    def alone() -> None:
        run(scenario, resolve(plan.suite.detectors), plan.suite.seeds)

    def as_sweep() -> None:
        swept = sweep(plan, folder / f"again-{len(times[as_sweep])}")
        with tracker.invocation("benchmark", {}, {}) as parent:
            parent.log_results(swept.tables, params={}, detectors={})

    times: dict[Callable[[], None], list[float]] = {alone: [], as_sweep: []}
    alone()  # what is loaded and compiled once
    for at in range(rounds):
        for call in (alone, as_sweep) if at % 2 else (as_sweep, alone):
            times[call].append(timed(call)[0])
    without, within = (statistics.median(times[call]) for call in (alone, as_sweep))
    every = ", ".join(f"{b / a - 1:+.1%}" for a, b in zip(times[alone], times[as_sweep], strict=True))
    print(f"processor time: the cells alone {without:.1f} s, as a sweep {within:.1f} s: {within / without - 1:+.1%}")
    print(f"  (medians; by round {every}); MLflow included")
    print("  targets: two jobs 1.7 times as fast; a sweep adds less than 5 %\n")
    floor("cells alone over the same as a sweep", without / within, 0.9)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="240 cells instead of 1,008; 2 worlds instead of 12")
    parser.add_argument("--part", type=int, choices=(1, 2), help="one part only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.part != 2:
            killed(Path(folder), 20 if options.quick else 84)
        if options.part != 1:
            speed(Path(folder), 2 if options.quick else WORLDS)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
