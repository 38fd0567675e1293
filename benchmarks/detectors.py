"""How many events a second each built-in detector scores, in batches of 10,000 on one core, and in how much memory.

    python benchmarks/detectors.py [--quick] [--detector NAME]...

A log is simulated to disk (`core-week` at four times its load; `quickstart` with --quick).  A detector is fitted on
the baseline window and scores what follows; only its `score` is timed (processor time), and a slow one is stopped
after some seconds.  Each runs in a process of its own, whose peak memory is shown: history, one chunk of the log
and the detector's state.  Beside them: iterating over a batch event by event, and first-seen written that way.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from measuring import floor, in_child, peak_mib, table, timed, verdict

from scopedrift.detectors.base import Detector, Scores
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.loading import load as load_detector
from scopedrift.detectors.registry import BUILTIN, REFERENCES
from scopedrift.scenarios import Scenario, load, override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import EventBatch
from scopedrift.simulator.world.policy import Deployment

BATCH = 10_000
TARGETS = {
    "first-seen": 20.0, "rate": 20.0, "sequence": 3.0, "chain-correlation": 2.0, "start-up": 2.0,
    "task-context": 5.0, "declared-policy": 5.0,
}  # fmt: skip
"""Millions of events a second."""
OTHERS = ("half-space-trees", "river", "pyod", "sklearn", "agentnorm")
"""What else is shown; what adapters add to their libraries: adapters.py."""
EVENT_BY_EVENT, PLAIN = "iteration alone", "first-seen, event by event"
FLOOR = 15.0
"""Vectorised first-seen against the same idea in plain Python."""


class Iteration(Detector):
    """Looks at every event, and does nothing."""

    def score(self, batch: EventBatch) -> Scores:
        for _ in batch:
            pass
        return np.zeros(len(batch))


class PlainFirstSeen(Detector):
    """First use of an operation, a resource or an image registry by an identity, one event after the other."""

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        self.seen: set[tuple[str | None, str, str | None]] = set()
        for first in range(0, len(history), BATCH):
            self.score(history.slice(first, first + BATCH))

    def score(self, batch: EventBatch) -> Scores:
        scores = []
        for event in batch:
            keys = [(event.identity, c, getattr(event, c)) for c in ("operation", "resource", "registry")]
            scores.append(float(sum(key not in self.seen for key in keys)))
            self.seen.update(keys)
        return scores


def made(name: str) -> Detector:
    """The detector of a name."""
    return {EVENT_BY_EVENT: Iteration, PLAIN: PlainFirstSeen}.get(name, lambda: load_detector(name))()


def deployment_of(scenario: Scenario, seed: int) -> Deployment:
    """What the scenario's deployment declares: that of its first day is the same."""
    day = override(scenario, {"horizon": "3h", "windows": {"baseline": "1h", "calibration": "1h"}, "incidents": []})
    return simulate(day, seed).deployment


def one(name: str, log: EventLog, scenario: Scenario, deployment: Deployment, seconds: float) -> dict[str, float]:
    """Fit, then score until the log or the time is over."""
    detector = made(name)
    begin = log.position(scenario.baseline_end_us)
    known = Knowledge.of(deployment, detector.needs, seed=1)
    fitting, _ = timed(partial(detector.fit, log.batch(0, begin), known))
    scored, spent = 0, 0.0
    for batch in log.batches(BATCH, begin):
        took, scores = timed(partial(detector.score, batch))
        assert len(scores) == len(batch)
        scored, spent = scored + len(batch), spent + took
        if spent > seconds:
            break
    return {"rate": scored / spent, "scored": scored, "fit": begin / max(fitting, 1e-9), "peak": peak_mib()}


def scenario_of(quick: bool) -> Scenario:
    return load("quickstart") if quick else override(load("core-week"), {"load": 4.0})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half a million events, all in one process")
    parser.add_argument("--detector", action="append", help="only these")
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    scenario = scenario_of(options.quick)
    if options.log:
        found = one(options.detector[0], EventLog.load(options.log), scenario, deployment_of(scenario, 7), 20.0)
        print(json.dumps(found))
        return 0
    names = options.detector or [*(n for n in BUILTIN if n not in REFERENCES and n != "change-aware"), *OTHERS]
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        simulation = simulate(scenario, 7, out=Path(folder))
        print(f"detectors on {len(simulation.log):,} events of {scenario.name}, fitted on the baseline window")
        for name in [*names, EVENT_BY_EVENT, PLAIN]:
            if options.quick:
                results[name] = one(name, simulation.log, scenario, simulation.deployment, 0.7)
            else:
                results[name] = in_child(__file__, "--log", folder, "--detector", name)
    rows = []
    for name, found in results.items():
        rows.append({
            "detector": name,
            "million events a second": f"{found['rate'] / 1e6:.2f}",
            "target": f"{TARGETS[name]:g}" if name in TARGETS else "",
            "fit, million a second": f"{found['fit'] / 1e6:.2f}" if found["fit"] < 1e9 else "",
            "scored": f"{found['scored']:,}",
            **({} if options.quick else {"peak MiB": f"{found['peak']:.0f}"}),
        })  # fmt: skip
    table(list(rows[0]), rows)
    iteration = 1e6 / results[EVENT_BY_EVENT]["rate"]
    print(f"  event-by-event iteration costs {iteration:.2f} us an event (target: under 0.5)")
    if "first-seen" in results:
        gain = results["first-seen"]["rate"] / results[PLAIN]["rate"]
        print(f"  first-seen is {gain:.0f} times as fast as first-seen event by event\n")
        floor("first-seen against first-seen event by event", gain, FLOOR)
    return verdict()


if __name__ == "__main__":
    sys.exit(main())
