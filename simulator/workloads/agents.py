"""LLM agents on a multi-tenant platform: sessions with a declared intent, turns with tools, delegation.

A session is one task of a *kind* (its intent), which declares the tools it needs.  It is a row of requests by a
person (or a timer), each a number of turns drawn from the kind's Markov chain of tools; a turn is what the model
says, the tool call, and the cloud call that this causes.  Requests may hand a part to a sub-agent, results may
need an approval, and now and then a session legitimately uses a tool outside its set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Final

import simpy

from scopedrift.scenarios.fields import Flag, Model, Share, Text
from scopedrift.simulator.log.events import DAY, MINUTE, MISSING, SECOND
from scopedrift.simulator.randomness import Draws, evenly
from scopedrift.simulator.runtime.platform import Platform, Process, Start
from scopedrift.simulator.runtime.tasks import Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import World
from scopedrift.simulator.world.workload import Workload

NAME: Final = "agents"
TURN: Final = 3
"""Events of one turn: model, tool, effect."""
SUB_TASKS: Final = 1 << 30
"""Task numbers from here on are parts that other agents handed over."""
WIDTH: Final = 21


class Kind(Model):
    """One kind of task."""

    share: Share
    ends: Text
    """The activity that ends one."""
    approved: Flag
    """Whether that needs a person's approval."""


@dataclass(frozen=True)
class _Fleet:
    """The agents of one platform."""

    family: Family
    agents: list[Workload]
    parameters: Mapping[str, Any]
    sandboxes: simpy.Resource


def build(world: World, parameters: Mapping[str, Any]) -> Iterator[Start]:
    """Make `agents` agents, each for one kind of task and sometimes a second; yield the process of the platform."""
    family = Family(world, NAME)
    kinds = family.kinds(Kind)
    start_up = family.start_up(world.scenario.identities.credential.kind)
    common = [start_up, *(family.activity(each) for each in ("plan", "delegate", "approval", "explore"))]
    for kind, spec in kinds.items():
        world.allow_tools(kind, [*common, family.activity(kind), family.activity(spec.ends)])
    agents = []
    for number in range(parameters["agents"]):
        project = world.home(NAME, number)
        name = f"agent-{number:04d}"
        bucket = f"s3://{world.company}-{project.name}"
        own = sorted({_kind(kinds, evenly(world.seed, number, NAME, trait)) for trait in ("kind", "second kind")})
        listed = [family.activity(each) for kind in own for each in (kind, kinds[kind].ends)]
        agents.append(
            world.add_workload(
                NAME,
                name,
                project,
                activities=[*common, *listed],
                kinds=own,
                pools={
                    "output": [f"{bucket}-reports/{name}"],
                    "store": [f"features/{project.name}-{number % 3}"],
                    "model": [f"{bucket}-models/{name}"],
                    "repository": world.some(project.pools["repository"], 2, "repositories", name),
                },
                parameters=parameters,
            )
        )
    yield partial(_platform, family=family, agents=agents, parameters=parameters)


def _kind(kinds: Mapping[str, Kind], u: float) -> str:
    edges = list(accumulate(spec.share for spec in kinds.values()))
    return next(kind for kind, edge in zip(kinds, edges, strict=True) if u * edges[-1] <= edge)


def _platform(platform: Platform, family: Family, agents: list[Workload], parameters: Mapping[str, Any]) -> Process:
    fleet = _Fleet(family, agents, parameters, simpy.Resource(platform.env, parameters["sandboxes"]))
    for number in range(len(agents)):
        platform.env.process(_agent(platform, fleet, number))
    yield platform.wait(0)


def _agent(platform: Platform, fleet: _Fleet, number: int) -> Process:
    """Sessions arrive in working hours."""
    agent, rate = fleet.agents[number], fleet.parameters["sessions_per_day"]
    draws = Draws(platform.world.seed, NAME, agent.name, width=WIDTH)
    users = range(fleet.parameters["users"])
    people = [platform.world.code("on_behalf_of", f"user/{agent.name}-{k:02d}") for k in users]
    session = 0
    while rate > 0:
        row = draws.row()
        yield platform.wait(max(round(platform.arrival("working", DAY / rate, row[0]) / agent.load), 1))
        person = people[int(row[1] * row[1] * len(people))]
        behalf = person if row[2] < fleet.parameters["delegated"] else MISSING
        platform.env.process(_session(platform, fleet, number, session, row, behalf))
        session += 1


def _session(platform: Platform, fleet: _Fleet, number: int, session: int, row: list[float], behalf: int) -> Process:
    """One task: requests with pauses between them, until the session's calls are made; then its result."""
    world, family, agent = platform.world, fleet.family, fleet.agents[number]
    draws = Draws(world.seed, NAME, agent.name, session, width=7, block=8)
    kind = list(agent.actors)[int(row[3] * len(agent.actors))]
    ends = family.kinds(Kind)[kind]
    held = None
    if world.scenario.platform.contention:
        held = fleet.sandboxes.request()
        yield held
    task = Task(platform, agent, kind, session, behalf=behalf)
    yield platform.wait(task.start_up(family.start_up(agent.identity.credential_kind), row[4]))
    task.log(family.activity("plan"), 4 * SECOND, 2)
    task.explore(family.activity("explore"), row[5:10])
    left = min(round(family.distribution("session_calls")(row[10])), round(family.value("most_calls")))
    detour = row[11] < fleet.parameters["detours"] * world.scenario.novelty
    while left > 0:
        u = draws.row()
        turns = min(max(round(family.distribution("request_calls")(u[0])), 1), left)
        lasts = family.seconds("step_s", u[1]) * turns
        task.log(family.activity(kind), lasts, turns * TURN)
        if u[2] < fleet.parameters["sub_agents"] and len(fleet.agents) > 1:
            task.log(family.activity("delegate"), SECOND, 1)
            _hand_over(platform, fleet, number, session, left, u)
        task.renew(platform.now + lasts)
        yield platform.wait(lasts)
        left -= turns
        if detour:
            yield from _detour(platform, fleet, task, kind, row[12:17])
            detour = False
        if left > 0:
            pause = family.seconds("human_gap_s", u[3])
            task.renew(platform.now + pause)
            yield platform.wait(pause)
    if row[17] < family.value("ends"):
        granted = not ends.approved or (yield from _approval(platform, family, task, row[18:20]))
        if granted:
            activity = family.activity(ends.ends)
            task.log(activity, 20 * SECOND, activity.steps)
            yield platform.wait(20 * SECOND)
    if held is not None:
        fleet.sandboxes.release(held)


def _approval(platform: Platform, family: Family, task: Task, u: Sequence[float]) -> Any:
    """Ask a person, wait for the answer; returns whether it is yes."""
    task.log(family.activity("approval"), SECOND, 1)
    pause = family.seconds("approval_s", u[0])
    task.renew(platform.now + pause)
    yield platform.wait(pause)
    return u[1] < family.value("granted")


def _detour(platform: Platform, fleet: _Fleet, task: Task, kind: str, u: Sequence[float]) -> Any:
    """A few turns with the tools of another kind of task, with a person's approval or without."""
    if u[0] < fleet.parameters["approvals"] and not (yield from _approval(platform, fleet.family, task, u[1:3])):
        return
    others = [each for each in fleet.family.kinds(Kind) if each != kind]
    activity = fleet.family.activity(others[int(u[3] * len(others))])
    for operation in activity.operations[: 2 + int(3 * u[4])]:
        task.attempt(operation, 30 * SECOND, 1 + int(3 * u[4]))
    yield platform.wait(30 * SECOND)


def _hand_over(platform: Platform, fleet: _Fleet, number: int, session: int, left: int, u: list[float]) -> None:
    """Another agent does a part, on behalf of this one."""
    other = (number + 1 + int(u[4] * (len(fleet.agents) - 1))) % len(fleet.agents)
    job = SUB_TASKS + (number << 20) + session * 1024 + left % 1024
    platform.env.process(_part(platform, fleet, fleet.agents[other], job, fleet.agents[number], u))


def _part(platform: Platform, fleet: _Fleet, agent: Workload, job: int, by: Workload, u: list[float]) -> Process:
    family = fleet.family
    kind = list(agent.actors)[int(u[5] * len(agent.actors))]
    task = Task(platform, agent, kind, job, behalf=platform.world.code("on_behalf_of", by.identity.name))
    yield platform.wait(task.start_up(family.start_up(agent.identity.credential_kind), u[3]))
    turns = max(round(family.distribution("request_calls")(u[6])), 1)
    lasts = min(family.seconds("step_s", u[1]) * turns, 30 * MINUTE)
    task.log(family.activity(kind), lasts, turns * TURN)
    task.renew(platform.now + lasts)
    yield platform.wait(lasts)
