"""How fast events are made, how large they are on disk, and how much memory that takes.

    python benchmarks/simulation.py [--quick]

1. One small world generated three ways in turn (`generators.py`): the simulator's path, a SimPy yield and a dict an
   event, and NumPy alone; each with its sort and its Parquet files.  Ratios of processor time, the best of two
   rounds.
2. `simulate` itself on `core-week` under a higher load: events a second and peak memory at two lengths.
3. GPU queue with 2,000 waiting: one request and release against `simpy.PriorityResource`.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path

import simpy
from generators import Setting, event_per_yield, numpy_only, ours, setting
from measuring import floor, in_child, peak_mib, table, timed, verdict

from scopedrift.scenarios import load, override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.runtime.platform import GpuPool, Process

PER_STAGE = (5, 20, 200)
WAYS = {"ours": ours, "event per yield": event_per_yield, "NumPy only": numpy_only}
TARGETS = {5: "5", 20: "10", 200: "10"}
FLOORS = {5: 3.5, 20: 6.0, 200: 7.0}
NUMPY_FLOOR = 0.4
"""Of the NumPy-only rate, at 200 events a stage."""
GPUS = 8
WAITING = 2_000


def once(way: str, given: Setting) -> tuple[float, int, float]:
    """Seconds, events, and bytes an event on disk."""
    with tempfile.TemporaryDirectory() as folder:
        seconds, events = timed(lambda: WAYS[way](given, Path(folder)))
        return seconds, events, sum(file.stat().st_size for file in Path(folder).iterdir()) / events


def ratios(events: int, rounds: int) -> None:
    """The three ways, in turn."""
    print(f"{events:,} events with sort and Parquet; 500 workloads; thousands of events a second")
    once("ours", setting(20_000, 20))  # what is loaded and compiled once is loaded
    rows = []
    for per_stage in PER_STAGE:
        best: dict[str, tuple[float, int, float]] = {}
        for _ in range(rounds):
            for way in WAYS:
                best[way] = min(best.get(way, (float("inf"), 0, 0.0)), once(way, setting(events, per_stage)))
        rate = {way: made / seconds for way, (seconds, made, _) in best.items()}
        gain, share = rate["ours"] / rate["event per yield"], rate["ours"] / rate["NumPy only"]
        rows.append({
            "events a stage": str(per_stage),
            **{way: f"{rate[way] / 1e3:,.0f}" for way in WAYS},
            "ours / event per yield": f"{gain:.1f}",
            "target": TARGETS[per_stage],
            "ours / NumPy only": f"{share:.2f}",
            "bytes an event": f"{best['ours'][2]:.1f}",
        })  # fmt: skip
        floor(f"ours / event per yield at {per_stage} events a stage", gain, FLOORS[per_stage])
        if per_stage == PER_STAGE[-1]:
            floor(f"ours / NumPy only at {per_stage} events a stage", share, NUMPY_FLOOR)
        floor(f"25 bytes / bytes an event at {per_stage} events a stage", 25 / best["ours"][2], 1.0)
    table(list(rows[0]), rows)
    print("  targets: 0.6 of NumPy only, at most 25 bytes an event\n")


def streamed(events: int) -> None:
    """In a process of its own: the simulator's path at one length."""
    seconds, made, size = once("ours", setting(events, 20))
    print(json.dumps({"events": made, "rate": made / seconds, "peak": peak_mib(), "bytes": size}))


def simulated(load_factor: float) -> None:
    """In a process of its own: `simulate` on `core-week` at a multiple of its load."""
    scenario = override(load("core-week"), {"load": load_factor})
    with tempfile.TemporaryDirectory() as folder:
        seconds, result = timed(lambda: simulate(scenario, 7, out=Path(folder)))
        size = sum(file.stat().st_size for file in Path(folder).iterdir()) / len(result.log)
    print(json.dumps({"events": len(result.log), "rate": len(result.log) / seconds, "peak": peak_mib(), "bytes": size}))


def lengths(what: str, flag: str, sizes: tuple[float, ...]) -> None:
    """At one or two lengths: memory is bounded by the window, the rate stays."""
    print(f"{what}, streamed to disk; each in a process of its own")
    rows, peaks = [], []
    for size in sizes:
        found = in_child(__file__, flag, size)
        peaks.append(found["peak"])
        rows.append({
            "events": f"{found['events']:,}",
            "thousands a second": f"{found['rate'] / 1e3:,.0f}",
            "peak MiB": f"{found['peak']:.0f}",
            "bytes an event": f"{found['bytes']:.1f}",
        })  # fmt: skip
    table(list(rows[0]), rows)
    if len(sizes) > 1:
        print(f"  peak at the longer over peak at the shorter: {peaks[-1] / peaks[0]:.2f} (the window bounds it)\n")
        floor(f"{what}: peak memory, shorter over longer", peaks[0] / peaks[-1], 0.7)


def queueing(cycles: int) -> None:
    """A cycle of the GPU queue: one gets its GPUs, holds them, returns them; the others wait, of three priorities."""
    print("GPU queue; microseconds a cycle of request, grant and release")
    cases = {
        "GpuPool, nobody waiting": (False, 0, 1),
        "GpuPool, 2,000 waiting": (False, WAITING, 1),
        "GpuPool, 2,000 gangs of 1 to 8 waiting": (False, WAITING, GPUS),
        "PriorityResource, 2,000 waiting": (True, WAITING, 1),
    }
    took = {name: cycle(*case, cycles) for name, case in cases.items()}
    table(["queue", "us"], [{"queue": name, "us": f"{each:.1f}"} for name, each in took.items()])
    gain = took["PriorityResource, 2,000 waiting"] / took["GpuPool, 2,000 waiting"]
    print(f"  GpuPool is {gain:.0f} times as fast as PriorityResource\n")
    floor("GpuPool against PriorityResource with 2,000 waiting", gain, 5.0)


def cycle(plain: bool, waiting: int, largest: int, cycles: int) -> float:
    """Microseconds a cycle with so many waiting for 1 to `largest` of the GPUs."""
    env, draw, done = simpy.Environment(), random.Random(1), [0]
    pool, shared = GpuPool(env, GPUS, contention=True), simpy.PriorityResource(env, GPUS)

    def job() -> Process:
        while True:
            priority, gpus, held = draw.randrange(3), draw.randint(1, largest), 1 + draw.randrange(9)
            if plain:
                with shared.request(priority) as request:
                    yield request
                    yield env.timeout(held)
            else:
                yield pool.request(gpus, priority)
                yield env.timeout(held)
                pool.release(gpus)
            done[0] += 1

    for _ in range(waiting + GPUS // largest):
        env.process(job())
    env.run(until=10)
    begun = done[0]

    def run() -> None:
        while done[0] < begun + cycles:
            env.run(until=env.now + 50)

    seconds, _ = timed(run)
    return seconds / (done[0] - begun) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200,000 events instead of a million; shorter logs")
    parser.add_argument("--streamed", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--simulated", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.streamed:
        streamed(int(options.streamed))
        return 0
    if options.simulated:
        simulated(options.simulated)
        return 0
    quick = options.quick
    ratios(200_000 if quick else 1_000_000, 2)
    lengths("the same world at 20 events a stage", "--streamed", (2e6, 4e6) if quick else (2e6, 8e6))
    lengths("simulate core-week at a multiple of its load", "--simulated", (1,) if quick else (1, 4))
    queueing(4_000 if quick else 20_000)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
