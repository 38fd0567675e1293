"""Benchmark of the metrics: `python benchmarks/metrics.py [--quick]` (10 million events, or 1 million with --quick).

Prints, from one run on one machine:
- exact average precision against scikit-learn's, and that both give the same number;
- threshold and alerts for a budget, and a whole cell: `evaluate` with a detector that costs nothing, with peak memory.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from scopedrift.detectors.base import Detector, Scores
from scopedrift.experiments.evaluation.alerts import Grouped, alerts, threshold_for_budget
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.experiments.evaluation.metrics import average_precision
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, HOUR, EventBatch, Vocabulary
from scopedrift.simulator.log.truth import ATTACK, Incident, Truth
from scopedrift.simulator.world.policy import Deployment

IDENTITIES = 500
POSITIVES = 0.001
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Terms:
    alert_budget: float = 1.0
    cooldown: int = HOUR


@dataclass(frozen=True)
class Schedule:
    """A tenth of the events is baseline, a fifth calibration, the rest test."""

    name: str = "benchmark"
    start_us: int = 0
    baseline_end_us: int = 3 * DAY
    calibration_end_us: int = 9 * DAY
    end_us: int = 30 * DAY
    evaluation: Terms = field(default_factory=Terms)


@dataclass(frozen=True)
class BenchmarkWorld:
    scenario: Schedule
    seed: int
    log: EventLog
    truth: Truth
    deployment: Deployment


class Column(Detector):
    """The score is a column: nothing is spent on detecting."""

    name = "column"

    def score(self, batch: EventBatch) -> Scores:
        return batch["bytes"].astype(float)


def world(events: int) -> BenchmarkWorld:
    rng = np.random.default_rng(0)
    schedule = Schedule()
    arrived = np.sort(rng.integers(0, schedule.end_us, events))
    identity = rng.integers(0, IDENTITIES, events).astype(np.int32)
    values = (rng.lognormal(0.0, 1.0, events) * 1e6).astype(np.int64)
    begin = int(np.searchsorted(arrived, schedule.calibration_end_us))
    bad = np.sort(rng.choice(np.arange(begin, events), int(events * POSITIVES), replace=False))
    owner = np.sort(rng.integers(0, 40, len(bad))).astype(np.int32)
    identity[bad] = owner
    values[bad] *= 20
    incidents = tuple(
        Incident(
            id=f"i-{i}",
            label="attack",
            template="t",
            identity=f"id-{i}",
            workload="w",
            family="f",
            strength=0.5,
            intent_at=int(arrived[mine[0]]),
            first_observable_at=int(arrived[mine[0]]),
            impact_at=int(arrived[mine[-1]]),
            ended_at=int(arrived[mine[-1]]),
            end_reason="completed",
        )
        for i in range(40)
        for mine in (bad[owner == i],)
    )
    count = len(bad)
    truth = Truth(
        event=bad,
        label=np.full(count, ATTACK, np.int8),
        incident=owner,
        stage=np.zeros(count, np.int16),
        technique=np.full(count, -1, np.int16),
        incidents=incidents,
    )
    columns = {"time": arrived, "arrived": arrived, "identity": identity, "bytes": values}
    vocabulary = Vocabulary({"identity": [f"id-{i}" for i in range(IDENTITIES)]})
    return BenchmarkWorld(schedule, 0, EventLog.from_columns(columns, vocabulary), truth, Deployment())


def timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    began = time.perf_counter()
    result = call()
    return time.perf_counter() - began, result


def memory_gib() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak / (2**30 if sys.platform == "darwin" else 2**20))


def show(what: str, value: str, note: str = "") -> None:
    print(f"  {what:<58}{value:>12}   {note}", flush=True)


def cell(events: int) -> None:
    made = world(events)
    before = memory_gib()
    seconds, found = timed(lambda: evaluate(Column(), made, batch_size=100_000))
    show("a whole cell: fit, score, threshold, alerts, all metrics", f"{seconds:.2f} s", "target: under 10 s")
    show("  of which judging (alerts, matching, metrics, curves)", f"{found.metrics['measure_seconds']:.2f} s")
    show("  peak memory, the log included", f"{memory_gib():.2f} GiB", f"target: under 2 GiB; {before:.2f} before")
    show("  recall at the budget", f"{found.metrics['recall']:.3f}", f"{found.metrics['alerts']} alerts")


def ranking(events: int) -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(1)
    positive = rng.random(events) < POSITIVES
    scores = rng.normal(size=events) + 2.0 * positive
    identity = rng.integers(0, IDENTITIES, events).astype(np.int32)
    arrived = np.sort(rng.integers(0, 14 * DAY, events))

    for what, values in (("continuous scores", scores), ("1,000 levels (ties)", np.round(scores, 2))):
        bad, good = values[positive], values[~positive]
        ours, one = min((timed(lambda b=bad, g=good: average_precision(b, g)) for _ in range(3)), key=first)  # type: ignore[misc]
        theirs, two = min((timed(lambda v=values: average_precision_score(positive, v)) for _ in range(2)), key=first)  # type: ignore[misc]
        assert abs(one - two) < 1e-9, (one, two)
        show(f"average precision, {what}: scikit-learn", f"{theirs:.3f} s")
        show(f"average precision, {what}: ours", f"{ours:.3f} s", f"{theirs / ours:.0f} times as fast; target: 10")

    sorting, grouped = timed(lambda: Grouped.of(arrived, identity, scores, HOUR))
    searching, threshold = timed(lambda: threshold_for_budget(grouped, 14.0))
    covering, found = timed(lambda: alerts(arrived, identity, scores, threshold, HOUR))
    flooding, flood = timed(lambda: alerts(arrived, identity, scores, -np.inf, HOUR))
    show("grouping by identity", f"{sorting:.2f} s")
    show(
        "threshold for one alert a day",
        f"{searching:.2f} s",
        f"{len(found)} alerts in 14 days, found in {covering:.3f} s",
    )
    show("alerts when every event is flagged", f"{flooding:.2f} s", f"{len(flood):,} alerts")


def first(pair: tuple[float, Any]) -> float:
    return pair[0]


def main() -> None:
    parser = argparse.ArgumentParser(description="Benchmark of the metrics.")
    parser.add_argument("--quick", action="store_true", help="1 million events instead of 10 million")
    events = 1_000_000 if parser.parse_args().quick else 10_000_000
    print(f"metrics over {events:,} scored events, {POSITIVES:.1%} of them of incidents, {IDENTITIES} identities")
    cell(events)  # first: peak memory is that of the process so far
    ranking(events)


if __name__ == "__main__":
    main()
