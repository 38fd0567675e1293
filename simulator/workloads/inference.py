"""Online inference: requests follow the day and the week in bursts; services restart and are released.

Requests are recorded in windows of ten minutes: SimPy decides how many a window has, their events are drawn at
expansion.  A service keeps one credential session from start to start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from scopedrift.simulator.events import HOUR, MINUTE, SECOND
from scopedrift.simulator.families import Family, Process, Start
from scopedrift.simulator.platform import Platform
from scopedrift.simulator.randomness import Draws, key
from scopedrift.simulator.rhythm import WEEK
from scopedrift.simulator.tasks import Task
from scopedrift.simulator.world import Workload, World

NAME: Final = "inference"
WINDOW: Final = 10 * MINUTE
REQUEST_EVENTS: Final = 3
"""Events that one request leaves (`per_task` of the activity)."""


def build(world: World, parameters: Mapping[str, Any]) -> Iterator[Start]:
    """Make `services` services; yield one process for each."""
    family = Family(world, NAME)
    for number in range(parameters["services"]):
        project = world.home(NAME, number)
        name = f"service-{number:04d}"
        bucket = f"s3://{world.company}-{project.name}"
        start_up = family.start_up(world.scenario.identities.credential.kind)
        workload = world.add_workload(
            NAME,
            name,
            project,
            activities=[*family.activities(), start_up],
            kinds=["request", "service"],
            pools={
                "dataset": [f"{bucket}-serving/{name}/config-{k}" for k in range(6)],
                "model": [f"{bucket}-models/{name}"],
                "endpoint": [f"endpoint/{project.name}-{name}"],
                "store": [f"features/{project.name}-{k}" for k in range(number % 3 + 1)],
            },
            parameters=parameters,
        )
        world.allow_tools("request", [family.activity("serve")])
        world.allow_tools("service", [*family.activities(), start_up])
        yield partial(_service, family=family, workload=workload, parameters=parameters)


def _service(platform: Platform, family: Family, workload: Workload, parameters: Mapping[str, Any]) -> Process:
    seed = platform.world.seed
    draws = Draws(seed, NAME, workload.name, width=13)
    skew = family.distribution("skew")(key(seed, "skew", workload.name) / 2.0**64)
    per_window = parameters["requests_per_hour"] * skew * platform.world.scenario.load * WINDOW / HOUR
    rhythm = platform.world.rhythms["customers"]
    chance = {
        "crash": family.value("crashes_per_week") * WINDOW / WEEK,
        "release": parameters["releases_per_week"] * WINDOW / WEEK,
        "refresh": WINDOW / HOUR / family.value("refresh_h"),
    }
    started, release, request, restarts = 0, 1, 0, workload.restarts
    task: Task | None = None
    window = 0
    while True:
        row = draws.row()
        if row[0] < chance["release"] * platform.world.rhythms["working"].at(platform.now):
            release += 1
            image = workload.image.rsplit(":", 1)[0]
            platform.world.set_image(workload, f"{image}:1.{release}.{started % 7}")
            Task(platform, workload, "service", window, session=started).log(family.activity("release"), MINUTE, 5)
            task = None
        if task is None or row[1] < chance["crash"] or restarts != workload.restarts:
            restarts = workload.restarts
            started += 1
            task = Task(platform, workload, "service", window, session=started)
            platform.env.process(_start(platform, family, workload, task, row[2]))
        elif row[3] < chance["refresh"]:
            again = Task(platform, workload, "service", window, session=started)
            again.anchor = task.anchor
            again.log(family.activity("refresh"), 3 * MINUTE, 3 + round(8 * row[4]))
            again.explore(family.activity("explore"), row[5:10])
        task.renew(platform.now + WINDOW)
        demand = per_window * rhythm.at(platform.now) * family.distribution("burst")(row[10]) * workload.load
        requests = int(demand) + (row[11] < demand % 1.0)
        if requests:
            served = Task(platform, workload, "request", request, session=started)
            served.anchor = task.anchor
            served.log(family.activity("serve"), WINDOW, requests * REQUEST_EVENTS)
            request += requests
        window += 1
        yield platform.wait(WINDOW)


def _start(platform: Platform, family: Family, workload: Workload, task: Task, u: float) -> Process:
    yield platform.wait(task.start_up(family.start_up(workload.identity.credential_kind), u))
    task.log(family.activity("load_model"), 40 * SECOND, 3)
