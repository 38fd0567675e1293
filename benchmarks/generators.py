"""One small world, generated three ways: as the simulator does, one SimPy yield an event, and NumPy alone.

500 workloads take turns to wait and to log a stage of a fixed number of events.  Each way makes every column of
the schema by the same rules (mix of operations, retries, delivery delay, skewed resources, outcomes, sizes,
renewed credentials), sorts by arrival and writes the same Parquet files:

- `ours`: a SimPy process a workload; stages go through `Recorder`, arrival codes, digest and `LogWriter`,
  as `simulate` uses them;
- `event_per_yield`: a SimPy process a workload that yields a timeout and makes a dict of all columns for every
  event.  What is constant is looked up once, draws come from `random.random`, values are codes and not texts; it
  computes no digest and takes no care of codes that betray something;
- `numpy_only`: no simulation; each window's columns are drawn at once by one generator, in order of arrival.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import simpy

from scopedrift.scenarios import Scenario, load_text
from scopedrift.scenarios.catalogue import ActivitySpec, Distribution
from scopedrift.simulator.engine import TICK, WINDOW
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.arrival import ArrivalCodes
from scopedrift.simulator.expansion.delivery import DELAY_SIGMA, Delivery
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.expansion.rows import Holder, StageRow
from scopedrift.simulator.log.event_log import Digest
from scopedrift.simulator.log.events import CODED, COLUMNS, DTYPES, MISSING, SECOND, Array, Vocabulary
from scopedrift.simulator.log.storage import ROW_GROUP, LogWriter
from scopedrift.simulator.randomness import TABLE, Draws, Quantiles
from scopedrift.simulator.runtime.platform import Platform, Process
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.workload import Workload

WORKLOADS: Final = 500
EVENT_GAP: Final = 10 * SECOND
"""Mean time between two events of a workload: 50 events a second in all."""
KIND: Final = "work"
SCENARIO: Final = """
name: benchmark
horizon: 90d
windows: {baseline: 2d, calibration: 1d}
organisation: {projects: 20}
turns: 0  # the rivals make calls by the host's own address alone
"""
MIX: Final = {
    "storage.read": 40, "storage.list": 6, "storage.write": 12, "features.read": 20, "queue.send": 8, "secrets.get": 1,
    "glue.table": 2, "analytics.results": 3, "job.create": 1, "job.get": 4, "pod.get": 2, "kms.decrypt": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """A world with its workloads, and how much each of them logs."""

    scenario: Scenario
    world: SimulatedWorld
    activity: Activity
    workloads: tuple[Workload, ...]
    tasks: int
    """Stages of one workload; each is a task of its own."""
    per_stage: int

    @property
    def mean_gap(self) -> int:
        """Mean time from stage to stage (microseconds); a stage lasts half of that."""
        return self.per_stage * EVENT_GAP


def setting(events: int, per_stage: int) -> Setting:
    """The world in which about `events` events happen, `per_stage` in each stage."""
    scenario = load_text(SCENARIO)
    world = SimulatedWorld(scenario, 1)
    activity = world.activities.add("benchmark/work", ActivitySpec(mix=MIX))
    workloads = []
    for number in range(WORKLOADS):
        name, project = f"workload-{number:03d}", world.projects[number % len(world.projects)]
        own = {slot: [f"{slot}/{name}/{k}" for k in range(4)] for slot in ("output", "queue", "store")}
        workloads.append(
            world.add_workload(
                "work", name, project, activities=[activity], kinds=[KIND], pools=own
            )
        )  # fmt: skip
    tasks = max(round(events / WORKLOADS / per_stage), 1)
    return Setting(scenario, world, activity, tuple(workloads), tasks, per_stage)


def ours(given: Setting, out: Path) -> int:
    """The simulator's own path; returns how many events were written."""
    world = given.world
    recorder = Recorder(world, Delivery(given.scenario, 1, world.operations))
    platform = Platform(world, recorder)
    running = [platform.env.process(_stages(platform, given, workload)) for workload in given.workloads]
    vocabulary, digest, written = Vocabulary(), Digest(), 0
    codes = ArrivalCodes(world, lambda column, text: vocabulary[column].code(text))
    with LogWriter(out, vocabulary) as writer:
        now, busy = given.scenario.start_us, True
        while busy:
            now += TICK
            platform.env.run(until=now)
            busy = any(process.is_alive for process in running)
            if busy and recorder.count < WINDOW:
                continue
            window = recorder.flush(now if busy else None)
            if window is not None:
                columns = window[0]
                codes.translate(columns)
                digest.update(columns)
                writer.append(columns)
                written += len(columns["time"])
        writer.finish({"digest": digest.hexdigest(vocabulary)})
    return written


class _Draws(NamedTuple):
    gap: float


def _stages(platform: Platform, given: Setting, workload: Workload) -> Process:
    draws = Draws(1, workload.name, of=_Draws)
    activity, actor, duration = given.activity.code, workload.actors[KIND], given.mean_gap // 2
    for job in range(given.tasks):
        yield platform.wait((duration if job else 1) + round(draws.row().gap * given.mean_gap))
        now, session = platform.now, workload.session(job)
        platform.emit(
            StageRow(
                Holder(actor, job, session, now),
                stage=0,
                activity=activity,
                start=now,
                duration=duration,
                events=given.per_stage,
                outcome=platform.outcome(),
            )
        )


def event_per_yield(given: Setting, out: Path) -> int:
    """The obvious simulation; returns how many events were written."""
    events: list[dict[str, int]] = []
    env = simpy.Environment(initial_time=given.scenario.start_us)
    tables = _Tables(given)
    for number, workload in enumerate(given.workloads):
        env.process(_events(env, given, tables, workload, random.Random(number), events))
    env.run()
    columns = {name: np.fromiter((e[name] for e in events), DTYPES[name], len(events)) for name in COLUMNS}
    order = np.argsort(columns["arrived"], kind="stable")
    with LogWriter(out, _vocabulary(given.world)) as writer:
        for first in range(0, len(events), ROW_GROUP):
            writer.append({name: column[order[first : first + ROW_GROUP]] for name, column in columns.items()})
        writer.finish({})
    return len(events)


def _events(
    env: simpy.Environment,
    given: Setting,
    tables: _Tables,
    workload: Workload,
    draw: random.Random,
    events: list[dict[str, int]],
) -> Process:
    uniform, bits, timeout, add = draw.random, draw.getrandbits, env.timeout, events.append
    rows, delays, items, projects = tables.operations, tables.delays, tables.items, tables.projects
    actor = given.world.actors[workload.actors[KIND]]
    pools = [tables.pools[actor.pools.get(slot, MISSING)] for slot in tables.slots]
    nodes = given.world.pools.items(actor.sources)
    duration, begun = given.mean_gap // 2, int(env.now) - given.mean_gap // 2 + 1
    for _ in range(given.tasks):
        begun += duration + round(uniform() * given.mean_gap)
        issued, task, credential = begun, bits(63), bits(63)
        source = nodes[int(uniform() * len(nodes))]
        again = False
        for moment in sorted(uniform() for _ in range(given.per_stage)):
            yield timeout(begun + int(moment * duration) - env.now)
            now = int(env.now)
            if actor.half_life and now - issued >= actor.half_life:
                issued, credential = issued + (now - issued) // actor.half_life * actor.half_life, bits(63)
            if not again:
                operation = rows[int(uniform() * TABLE)]
                first, length = pools[operation[4]]
                u = uniform()
                resource = items[first + int(u * u * length)] if length else MISSING
            failure = uniform()
            outcome = 1 if failure < operation[6] else 2 if failure < operation[7] else 0
            project = projects[resource]
            add({
                "time": now,
                "arrived": now + delays[operation[0]][int(uniform() * TABLE)] + bits(10),
                "stream": operation[0],
                "identity": actor.identity,
                "credential": credential,
                "credential_kind": actor.credential_kind,
                "workload": actor.workload,
                "task": task,
                "task_kind": actor.task_kind,
                "on_behalf_of": MISSING,
                "service": operation[1],
                "operation": operation[2],
                "access": operation[3],
                "resource": resource,
                "project": project if project >= 0 else actor.project,
                "image": actor.image if operation[5] else MISSING,
                "source": source,
                "outcome": outcome,
                "bytes": operation[8][int(uniform() * TABLE)] if outcome == 0 else MISSING,
            })  # fmt: skip
            again = outcome != 0


def numpy_only(given: Setting, out: Path) -> int:
    """The same columns without a simulation; returns how many events were written."""
    rng = np.random.default_rng(1)
    stages = given.tasks * len(given.workloads)
    each = max(WINDOW // given.per_stage, 1)
    tables, written = _Tables(given), 0
    with LogWriter(out, _vocabulary(given.world)) as writer:
        for first in range(0, stages, each):
            columns = _drawn(rng, given, tables, first, min(each, stages - first))
            writer.append(columns)
            written += len(columns["time"])
        writer.finish({})
    return written


def _drawn(rng: np.random.Generator, given: Setting, tables: _Tables, first: int, stages: int) -> dict[str, Array]:
    all_operations, actors = given.world.operations, given.world.actors.arrays()
    count = stages * given.per_stage
    actor = rng.integers(0, len(given.workloads), stages)
    pace = given.mean_gap / len(given.workloads)
    start = given.scenario.start_us + ((first + rng.random(stages) * stages) * pace).astype(np.int64)
    operation = tables.table[rng.integers(0, TABLE, count, np.int16)]
    draw, index = rng.random(count), np.arange(count) % given.per_stage
    bad = draw < tables.failed[operation]
    again = np.flatnonzero(bad[:-1] & (index[1:] > 0)) + 1
    operation[again] = operation[again - 1]
    time = np.repeat(start, given.per_stage) + rng.integers(0, given.mean_gap // 2, count)
    stream = all_operations.stream[operation]
    arrived = time + tables.delay[stream, rng.integers(0, TABLE, count, np.int16)] + rng.integers(0, 1024, count)
    order = np.argsort(arrived)
    row, operation, draw = order // given.per_stage, operation[order], draw[order]
    who = actor[row]
    pool = actors["pools"][who, all_operations.slot[operation]]
    u = rng.random(count)
    at = (u * u * tables.length[pool]).astype(np.int64)
    resource = np.where(pool >= 0, tables.item[tables.start[pool] + at], np.int32(MISSING))
    project = tables.project[resource]
    outcome = np.where(draw < tables.denied[operation], 1, np.where(draw < tables.failed[operation], 2, 0))
    nodes = actors["sources"][actor]
    source = tables.item[tables.start[nodes] + rng.integers(0, tables.length[nodes])]
    half_life = actors["half_life"][actor]
    stamp = rng.integers(0, 2**62, (stages, 2))
    epoch = (time[order] - start[row]) // half_life[row]

    def per_row(name: str) -> Array:
        return np.asarray(actors[name][actor].astype(np.int32)[row])

    sizes = all_operations.sizes[operation, rng.integers(0, TABLE, count, np.int16)]
    return {
        "time": time[order],
        "arrived": arrived[order],
        "stream": stream[order],
        "identity": per_row("identity"),
        "credential": stamp[row, 0] + epoch,
        "credential_kind": per_row("credential_kind"),
        "workload": per_row("workload"),
        "task": stamp[row, 1],
        "task_kind": per_row("task_kind"),
        "on_behalf_of": np.full(count, MISSING, np.int32),
        "service": all_operations.service[operation],
        "operation": all_operations.operation[operation],
        "access": all_operations.access[operation],
        "resource": resource,
        "project": np.where(project >= 0, project, per_row("project")),
        "image": np.where(tables.image[operation], per_row("image"), np.int32(MISSING)),
        "source": source[row],
        "outcome": outcome.astype(np.int32),
        "bytes": np.where(outcome == 0, sizes, MISSING),
    }


class _Tables:
    """What the two rivals look up: the world as arrays, and as Python lists."""

    def __init__(self, given: Setting) -> None:
        world, everything = given.world, given.world.operations
        delivery = Delivery(given.scenario, 1, everything)
        curve = np.array(Quantiles.of(Distribution(median=1.0, sigma=DELAY_SIGMA)).table)
        specs = given.scenario.telemetry
        streams = world.names["stream"].texts()
        self.delay = (np.array([max(specs[s].delay, 1) for s in streams])[:, None] * curve).astype(np.int64)
        self.table = world.activities.arrays().operation[given.activity.code]
        self.image = delivery.image
        denied, failed = everything.thresholds(given.scenario.errors)
        self.denied, self.failed = denied / 65536, failed / 65536
        self.item, self.start, self.length = world.pools.arrays()
        self.project = np.append(world.resource_projects(), np.int32(MISSING))
        self.slots = everything.slots.texts()
        self.delays = self.delay.tolist()
        self.items, self.projects = self.item.tolist(), self.project.tolist()
        self.pools = [*zip(self.start.tolist(), self.length.tolist(), strict=True), (0, 0)]
        self.operations = list(self._operations(everything))

    def _operations(self, everything: Any) -> Iterator[tuple[Any, ...]]:
        """For each of the `TABLE` outcomes of a draw: all there is to know of its operation."""
        columns = (everything.stream, everything.service, everything.operation, everything.access, everything.slot)
        columns = (*columns, self.image, self.denied, self.failed)
        known = {
            code: (*(column[code].item() for column in columns), everything.sizes[code].tolist())
            for code in set(self.table.tolist())
        }
        return (known[code] for code in self.table.tolist())


def _vocabulary(world: SimulatedWorld) -> Vocabulary:
    return Vocabulary({column: world.names[column] for column in CODED})
