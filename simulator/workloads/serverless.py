"""Serverless functions: triggers, fan-out, cold starts.

A rare function is simulated invocation by invocation; a busy one in windows of ten minutes, with as many cold
starts as its concurrency grows.  A cold start mints a token and reads secrets, whatever the hour: the
start-up look-alike of a credential thief.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import sqrt
from typing import Any, Final

from scopedrift.simulator.events import DAY, HOUR, MINUTE, SECOND
from scopedrift.simulator.families import Family, Process, Start
from scopedrift.simulator.platform import Platform, exponential
from scopedrift.simulator.randomness import Draws, key
from scopedrift.simulator.tasks import Task
from scopedrift.simulator.world import Workload, World

NAME: Final = "serverless"
HTTP, QUEUE, EVENT, TIMER, ORCHESTRATION = range(5)
BUSY: Final = 200.0
"""Invocations per day from which a function is simulated by window."""
WINDOW: Final = 10 * MINUTE
INVOCATION_EVENTS: Final = 4


def build(world: World, parameters: Mapping[str, Any]) -> Iterator[Start]:
    """Make `functions` functions; yield one process for each."""
    family = Family(world, NAME)
    for number in range(parameters["functions"]):
        project = world.home(NAME, number)
        name = f"function-{number:05d}"
        bucket = f"s3://{world.company}-{project.name}"
        start_up = family.start_up(world.scenario.identities.credential.kind)
        parent = key(world.seed, "fan-out", name) / 2.0**64 < parameters["fan_out"]
        activities = [family.activity(a) for a in ("invoke", "explore", *(("fan_out",) if parent else ()))]
        workload = world.add_workload(
            NAME,
            name,
            project,
            activities=[*activities, start_up],
            kinds=["invocation"],
            pools={
                "output": [f"{bucket}-events/{name}"],
                "queue": [f"queue/{project.name}-{name}"],
                "function": [f"function/{project.name}-{(number * 7 + k) % max(number, 1):05d}" for k in range(1, 5)],
                "store": [f"features/{project.name}-{number % 5}"],
            },
            parameters=parameters,
        )
        world.allow_tools("invocation", [*activities, start_up])
        trigger = int(family.choice("trigger", key(world.seed, "trigger", name) / 2.0**64))
        per_day = family.distribution("per_day")(key(world.seed, "per-day", name) / 2.0**64)
        per_day = min(per_day, parameters["most_per_day"]) * world.scenario.load
        run = _busy if per_day >= BUSY else _rare
        yield partial(run, family=family, workload=workload, per_day=per_day, trigger=trigger, parent=parent)


def _rare(
    platform: Platform, family: Family, workload: Workload, per_day: float, trigger: int, parent: bool
) -> Process:
    """One task an invocation; cold when the last one is longer ago than the platform keeps it warm."""
    draws = Draws(platform.world.seed, NAME, workload.name, width=13)
    idle = round(family.value("idle_min")) * MINUTE
    gap = DAY / per_day
    yield platform.wait(round(draws.row()[0] * gap))
    last, started, number = -DAY, 0, 0
    while True:
        row = draws.row()
        if platform.now - last > idle:
            started += 1
            task = Task(platform, workload, "invocation", number, session=started)
            yield platform.wait(task.start_up(family.start_up(workload.identity.credential_kind), row[1]))
            anchor = task.anchor
        else:
            task = Task(platform, workload, "invocation", number, session=started)
            task.anchor = anchor
        length = family.seconds("duration_s", row[2])
        task.log(family.activity("invoke"), length, 2 + round(5 * row[3]))
        task.explore(family.activity("explore"), row[4:9])
        if parent:
            _fan_out(platform, family, workload, task, row[9])
        yield platform.wait(length)
        last = platform.now
        number += 1
        if row[10] < family.value("retried"):  # delivered again
            yield platform.wait(round(exponential(row[11]) * 30 * SECOND) + SECOND)
            continue
        if trigger == TIMER:
            yield platform.wait(round(gap * (0.98 + 0.04 * row[12])))
        else:
            yield platform.wait(
                platform.arrival(
                    "customers" if trigger == HTTP else "working", gap * platform.world.scenario.load, row[12]
                )
            )


def _busy(
    platform: Platform, family: Family, workload: Workload, per_day: float, trigger: int, parent: bool
) -> Process:
    """One stage a window; the number of warm instances follows the load, and each new one starts cold."""
    draws = Draws(platform.world.seed, NAME, workload.name, width=13)
    rhythm = platform.world.rhythms["flat" if trigger == TIMER else "customers"]
    limit = int(workload.parameters["concurrency"])
    length = family.distribution("duration_s")(key(platform.world.seed, "length", workload.name) / 2.0**64)
    warm, started, number, starts = 0, 0, 0, 0
    anchor = platform.now
    yield platform.wait(round(draws.row()[0] * WINDOW))
    while True:
        row = draws.row()
        burst = 1.0 if trigger == TIMER else family.distribution("burst")(row[0])
        mean = per_day * WINDOW / DAY * rhythm.at(platform.now) * burst * workload.load
        invocations = max(round(mean + sqrt(mean) * (row[1] + row[2] + row[3] - 1.5) * 2.0), 0)
        needed = min(max(round(invocations * length * SECOND / WINDOW * 3) + 1, 1), limit) if invocations else 0
        if needed > warm:
            started += 1
            anchor = platform.now
            flow = family.start_up(workload.identity.credential_kind)
            task = Task(platform, workload, "invocation", 1_000_000_000 + starts, session=started)
            for _ in range(min(needed - warm, 4)):
                task.start_up(flow, row[4])
            starts += 1
        warm = needed
        if invocations:
            task = Task(platform, workload, "invocation", number, session=started)
            task.anchor = anchor
            task.log(family.activity("invoke"), WINDOW, invocations * INVOCATION_EVENTS)
            task.explore(family.activity("explore"), row[5:10])
            task.renew(platform.now + WINDOW)
            if parent and row[10] < 0.2:
                _fan_out(platform, family, workload, task, row[11])
            number += invocations
        yield platform.wait(WINDOW)


def _fan_out(platform: Platform, family: Family, workload: Workload, task: Task, u: float) -> None:
    """Invoke many others, as fast as the concurrency limit lets it."""
    degree = round(family.distribution("degree")(u))
    rounds = -(-degree // int(workload.parameters["concurrency"]))
    task.log(family.activity("fan_out"), min(rounds * 5 * SECOND, HOUR), degree)
