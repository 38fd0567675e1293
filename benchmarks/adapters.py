"""What adapters add to the libraries that they wrap, in batches of 10,000 on one core, and what isolation costs.

    python benchmarks/adapters.py [--quick]

A detector is fitted on the baseline window of `quickstart` and scores what follows.  Beside its time stands that of
the library alone, called directly with what the adapter would give it: rows of numbers for PyOD and scikit-learn (all
rows of a batch at once), dictionaries for River, runs for agentnorm.  A user of a library of rows must make these of
events first: the windowed features, which adapters share with built-in detectors and which are shown by themselves.
What an adapter adds is the rest of its time: distinct rows, conversions, dictionaries.  The last ratio is the adapter's
whole time against the library's, features included: models that take less than they do, as HBOS does, cannot be had
at a small share of their own time.  Times are processor time of this process.
Half-space trees are compared with River's of the same size.
"""

from __future__ import annotations

import argparse
import gc
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from measuring import floor, table, timed, verdict

from scopedrift.detectors.base import Detector
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.isolation.apart import Apart, DetectorSource, Limits
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.loading import load as load_detector
from scopedrift.scenarios import load
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.events import Array, EventBatch

BATCH = 10_000
SAME_SIZE = "options={'n_trees': 25, 'height': 8, 'window_size': 4096}"
MODELS = [
    f"river(model=HalfSpaceTrees, {SAME_SIZE})",
    "river(model=GaussianScorer)",
    "pyod(model=IForest)",
    "pyod(model=KNN)",
    "pyod(model=HBOS)",
    "sklearn(model=ensemble.IsolationForest)",
    "sklearn(model=neighbors.LocalOutlierFactor)",
    "agentnorm",
]
OVERHEAD, FASTER = 1.2, 10.0
"""Targets: an adapter's time against its library's, and half-space trees against River's."""
ISOLATED = 0.45
"""The least that the time of `first-seen` may be of its time isolated (measured: 0.6 to 0.7)."""
WORK = 0.0003
"""Seconds that a process works between two wakings, as `first-seen` does on a batch."""
ROUNDS, PATIENCE = 5, 20.0
"""Rounds of each, unless they take this many seconds."""
MATTERS = 2.0
"""Microseconds an event that a library takes at least for its floor to hold on a busy machine."""


def windowed(detector: Any, batch: EventBatch) -> Any:
    """The rows that the adapter would judge."""
    return detector._windowed.features(batch)


def rows_alone(detector: Any, batch: EventBatch) -> Callable[[], Any]:
    rows = np.ascontiguousarray(windowed(detector, batch), np.float64)
    return lambda: detector._scores(detector._model, rows)


def river_alone(detector: Any, batch: EventBatch) -> Callable[[], Any]:
    told = detector._distinct.answers(windowed(detector, batch)).tolist()
    score, learn = detector._river.score_one, detector._river.learn_one

    def alone() -> None:
        for event in told:
            score(event)
            learn(event)

    def of_target() -> None:
        for event, target in told:
            score(event, target)
            learn(event, target)

    return of_target if detector._of_target else alone


def agentnorm_alone(detector: Any, batch: EventBatch) -> Callable[[], Any]:
    runs = [replace(task.episode, calls=list(task.episode.calls)) for _, task in detector._followed(batch)]
    score = detector._monitor.score
    return lambda: [score(run) for run in runs]


def alone(spec: str, detector: Detector, batch: EventBatch) -> Callable[[], Any]:
    """The library called directly on what the batch holds."""
    kinds = {"river": river_alone, "agentnorm": agentnorm_alone}
    return kinds.get(spec.partition("(")[0], rows_alone)(detector, batch)


def batches(log: Any, start: int, count: int) -> Iterator[EventBatch]:
    for number, batch in enumerate(log.batches(BATCH, start)):
        if number == count:
            return
        yield batch


def calls(spec: str, detectors: Sequence[Any], batch: EventBatch) -> Iterator[Callable[[], Any]]:
    """What is measured of a batch, each on a detector of its own."""
    whole, library, features = detectors
    yield lambda: whole.score(batch)
    yield alone(spec, library, batch)
    if hasattr(features, "_windowed"):
        yield lambda: windowed(features, batch)


def side_by_side(
    spec: str, fitted: Callable[[str], Detector], log: Any, start: int, count: int, most: int
) -> tuple[float, ...]:
    """Microseconds an event of the adapter, of the library alone, and of the windowed features (0: it judges none).

    Batch by batch in turn, so that a slower machine is slower for all; of up to `most` rounds, the least of each batch.
    """
    gc.collect()
    gc.disable()  # as `timeit` does: when it runs is chance
    rounds: list[Array] = []
    spent = 0.0
    while not rounds or (len(rounds) < most and spent < PATIENCE):
        detectors = [fitted(spec) for _ in range(3)]
        took = [[timed(call)[0] for call in calls(spec, detectors, batch)] for batch in batches(log, start, count)]
        rounds.append(np.array(took))
        spent += rounds[-1].sum()
    gc.enable()
    least = np.min(rounds, axis=0).sum(axis=0) * 1e6 / sum(map(len, batches(log, start, count)))
    return tuple(least.tolist()) if len(least) == 3 else (*least.tolist(), 0.0)


def rate(detector: Detector, log: Any, start: int, count: int) -> float:
    """Microseconds an event, of the detector's score."""
    spent, events = 0.0, 0
    for batch in batches(log, start, count):
        spent += timed(lambda batch=batch: detector.score(batch))[0]  # type: ignore[misc]
        events += len(batch)
    return 1e6 * spent / events


def isolation(events: int, rounds: int) -> None:
    """What a process of its own adds to `first-seen`, on the clock, in turn; the least of each round.

    The floor is what cannot be saved: copying the columns that it reads once, since the log itself holds later events,
    and waking another process and being woken by it for each batch.
    """
    log = sample_log(events, days=30.0)
    half = events // 2
    took: dict[str, list[float]] = {"here": [], "isolated": [], "copying": [], "waking": [], "starting": []}

    def on_clock(name: str, call: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = call()
        took[name].append(time.perf_counter() - began)
        return result

    def judged(detector: Detector) -> None:
        detector.fit(log.batch(0, half), Knowledge())
        for batch in log.batches(BATCH, half):
            detector.score(batch)

    def copied(columns: Sequence[str]) -> None:
        for batch in (log.batch(0, half), *log.batches(BATCH, half)):
            for name in columns:
                batch[name].copy()

    limits = Limits(fit_timeout=3600.0, timeout=3600.0, memory=0)
    for _ in range(rounds):
        isolated = on_clock("starting", lambda: Apart(DetectorSource("first-seen"), limits))
        on_clock("here", lambda: judged(load_detector("first-seen")))
        on_clock("isolated", lambda: judged(isolated))  # noqa: B023 (called at once)
        on_clock("copying", lambda: copied(isolated._sender.read))  # noqa: B023
        took["waking"].append(woken(half // BATCH))
    least = {name: min(seconds) for name, seconds in took.items()}
    here, apart = least["here"], least["isolated"]
    print(f"  first-seen on {events:,} events: {here:.2f} s here, {apart:.2f} s isolated")
    print(f"  that is {apart / here - 1:+.0%} (target +10%); floor {(least['copying'] + least['waking']) / here:+.0%}:")
    print(f"  copying the columns that it reads {least['copying'] / here:.0%}, waking {least['waking'] / here:.0%}")
    print(f"  starting an isolated detector: {least['starting']:.2f} s (target 0.3)\n")
    floor("first-seen here against isolated", here / apart, ISOLATED)


def woken(times: int) -> float:
    """Seconds to wake a process and to be woken by it so often, with a byte each; the work between does not count."""
    ours, theirs = socket.socketpair()
    if not os.fork():
        ours.close()
        while theirs.recv(1):
            worked()
            theirs.send(b"1")
        os._exit(0)
    theirs.close()
    began = time.perf_counter()
    for _ in range(times):
        ours.send(b"1")
        ours.recv(1)
    took = time.perf_counter() - began
    ours.close()
    os.wait()
    return took - WORK * times


def worked() -> None:
    """Keeps a core busy for `WORK`."""
    until = time.perf_counter() + WORK
    while time.perf_counter() < until:
        pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three batches of each, once")
    options = parser.parse_args()
    count = 3 if options.quick else 12
    scenario = load("quickstart")
    world = simulate(scenario, 7)
    begin = world.log.position(scenario.baseline_end_us)
    history = world.log.batch(0, begin)
    gc.freeze()  # the world is no garbage, whoever allocates beside it

    def fitted(spec: str) -> Detector:
        detector = load_detector(spec)
        detector.fit(history, Knowledge.of(world.deployment, detector.needs, seed=1))
        return detector

    rows, took = [], {}
    for spec in MODELS:
        took[spec], own, features = side_by_side(spec, fitted, world.log, begin, count, 1 if options.quick else ROUNDS)
        rows.append({
            "adapter": spec,
            "us an event": f"{took[spec]:.2f}",
            "library alone": f"{own:.2f}",
            "features": f"{features:.2f}" if features else "",
            "added / library": f"{(took[spec] - features - own) / own:+.0%}",
            "target": f"{OVERHEAD - 1:+.0%}",
            "whole / library": f"{took[spec] / own:.2f}",
        })  # fmt: skip
        if own >= MATTERS:
            floor(
                f"{spec}: the library's own time in the adapter's", own / (took[spec] - features), 1 / (OVERHEAD + 0.2)
            )
    table(list(rows[0]), rows)
    ours = rate(fitted("half-space-trees(trees=25, height=8, window=4096)"), world.log, begin, count)
    rivers = took[MODELS[0]]
    print(f"  half-space-trees: {1 / ours:.2f} million events a second, {rivers / ours:.0f} times River's (target 10)")
    floor("half-space-trees against River's", rivers / ours, FASTER)
    isolation(400_000 if options.quick else 10_000_000, 2 if options.quick else 3)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
