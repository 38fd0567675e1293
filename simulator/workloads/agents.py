"""LLM agents on a multi-tenant platform: sessions with a declared intent, turns with tools, delegation.

A session is one task of a *kind* (its intent), which declares the tools it needs.  It is a row of requests by a
person (or a timer), each a number of turns drawn from the kind's Markov chain of tools; a turn is what the model
says, the tool call, and the cloud call that this causes.  Requests may hand a part to a sub-agent, results may
need an approval, and now and then a session legitimately uses a tool outside its set.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Any, Final, NamedTuple

import simpy

from scopedrift.scenarios.fields import Flag, Model, Share, Text
from scopedrift.simulator.expansion.numbers import FAMILY_TASKS, NumberRange
from scopedrift.simulator.log.events import DAY, MINUTE, MISSING, SECOND
from scopedrift.simulator.randomness import Draws, evenly
from scopedrift.simulator.runtime.platform import Platform, Process, Start
from scopedrift.simulator.runtime.tasks import Exploration, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.workload import Workload

NAME: Final = "agents"
Answer = Generator[simpy.Event, Any, bool]
"""A process that returns whether a person says yes."""
TURN: Final = 3
"""Events of one turn: model, tool, effect."""
PARTS: Final = NumberRange("parts that other agents handed over", 1 << 52, FAMILY_TASKS.end)
MOST_SESSIONS, MOST_TURNS = 1 << 22, 1 << 11
"""More than an agent has at most: 10,000 sessions a day for a year, of `most_calls` turns each."""


class AgentParameters(Model):
    """What a scenario sets."""

    agents: int
    sessions_per_day: float
    users: int
    delegated: float
    sub_agents: float
    detours: float
    approvals: float
    sandboxes: int


class TaskKind(Model):
    """One kind of task."""

    share: Share
    ends: Text
    """The activity that ends one."""
    approved: Flag
    """Whether that needs a person's approval."""


class _Approval(NamedTuple):
    """One question to a person."""

    pause: float
    granted: float


class _Detour(NamedTuple):
    """Work with the tools of another kind of task."""

    asks: float
    pause: float
    granted: float
    kind: float
    calls: float


class _SessionDraws(NamedTuple):
    """One session of an agent."""

    gap: float
    person: float
    delegated: float
    kind: float
    start_up: float
    explore: Exploration
    calls: float
    takes_detour: float
    detour: _Detour
    ends: float
    approval: _Approval
    unused: float


class _RequestDraws(NamedTuple):
    """One request of a session, and the part of it that another agent does."""

    calls: float
    step: float
    sub_agent: float
    gap: float
    """Until the next request; of a part, how its start-up goes."""
    other: float
    part_kind: float
    part_calls: float


@dataclass
class _Fleet:
    """The agents of one platform."""

    family: Family
    kinds: Mapping[str, TaskKind]
    parameters: AgentParameters
    agents: list[Workload] = field(default_factory=list)
    sandboxes: simpy.Resource = field(init=False)
    """What sessions wait for, once the platform runs."""


def build(world: SimulatedWorld, parameters: AgentParameters) -> Iterator[Start]:
    """Make `agents` agents, each for one kind of task and sometimes a second; yield the process of the platform."""
    family = Family(world, NAME)
    kinds = family.kinds(TaskKind)
    start_up = family.start_up(world.scenario.identities.credential.kind)
    common = [start_up, *(family.activity(each) for each in ("plan", "delegate", "approval", "explore"))]
    for kind, spec in kinds.items():
        world.allow_tools(kind, [*common, family.activity(kind), family.activity(spec.ends)])
    fleet = _Fleet(family, kinds, parameters)
    for number in range(parameters.agents):
        project = world.home(NAME, number)
        name = f"agent-{number:04d}"
        bucket = f"s3://{world.company}-{project.name}"
        own = sorted({_kind(kinds, evenly(world.seed, number, NAME, trait)) for trait in ("kind", "second kind")})
        listed = [family.activity(each) for kind in own for each in (kind, kinds[kind].ends)]
        fleet.agents.append(
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
                    "repository": world.sample(project.pools["repository"], 2, "repositories", name),
                },
            )
        )
    yield partial(_platform, fleet=fleet)


def _kind(kinds: Mapping[str, TaskKind], u: float) -> str:
    edges = list(accumulate(spec.share for spec in kinds.values()))
    return next(kind for kind, edge in zip(kinds, edges, strict=True) if u * edges[-1] <= edge)


def _platform(platform: Platform, fleet: _Fleet) -> Process:
    fleet.sandboxes = simpy.Resource(platform.env, fleet.parameters.sandboxes)
    for number in range(len(fleet.agents)):
        platform.env.process(_agent(platform, fleet, number))
    yield platform.wait(0)


def _agent(platform: Platform, fleet: _Fleet, number: int) -> Process:
    """Sessions arrive in working hours."""
    agent, rate = fleet.agents[number], fleet.parameters.sessions_per_day
    draws = Draws(platform.world.seed, NAME, agent.name, of=_SessionDraws)
    users = range(fleet.parameters.users)
    people = agent.principals = [platform.world.code("on_behalf_of", f"user/{agent.name}-{k:02d}") for k in users]
    session = 0
    while rate > 0:
        row = draws.row()
        yield platform.wait(max(round(platform.arrival("working", DAY / rate, row.gap) / agent.load), 1))
        person = people[int(row.person * row.person * len(people))]
        behalf = person if row.delegated < fleet.parameters.delegated else MISSING
        platform.env.process(_session(platform, fleet, number, session, row, behalf))
        session += 1


def _session(platform: Platform, fleet: _Fleet, number: int, session: int, row: _SessionDraws, behalf: int) -> Process:
    """One task: requests with pauses between them, until the session's calls are made; then its result."""
    world, family, agent = platform.world, fleet.family, fleet.agents[number]
    draws = Draws(world.seed, NAME, agent.name, session, of=_RequestDraws)
    kind = list(agent.actors)[int(row.kind * len(agent.actors))]
    ends = fleet.kinds[kind]
    held = None
    if world.scenario.platform.contention:
        held = fleet.sandboxes.request()
        yield held
    task = Task(platform, agent, kind, session, behalf=behalf)
    yield platform.wait(task.start_up(family.start_up(agent.identity.credential_kind), row.start_up))
    task.log(family.activity("plan"), 4 * SECOND, 2)
    task.explore(family.activity("explore"), row.explore)
    left = min(round(family.distribution("session_calls")(row.calls)), round(family.value("most_calls")))
    detour = row.takes_detour < fleet.parameters.detours * world.scenario.novelty
    while left > 0:
        request = draws.row()
        turns = min(max(round(family.distribution("request_calls")(request.calls)), 1), left)
        lasts = family.seconds("step_s", request.step) * turns
        task.log(family.activity(kind), lasts, turns * TURN)
        if request.sub_agent < fleet.parameters.sub_agents and len(fleet.agents) > 1:
            task.log(family.activity("delegate"), SECOND, 1)
            _hand_over(platform, fleet, number, session, left, request)
        task.renew(platform.now + lasts)
        yield platform.wait(lasts)
        left -= turns
        if detour:
            yield from _detour(platform, fleet, task, kind, row.detour)
            detour = False
        if left > 0:
            pause = family.seconds("human_gap_s", request.gap)
            task.renew(platform.now + pause)
            yield platform.wait(pause)
    if row.ends < family.value("ends"):
        granted = not ends.approved or (yield from _approval(platform, family, task, row.approval))
        if granted:
            activity = family.activity(ends.ends)
            task.log(activity, 20 * SECOND, activity.steps)
            yield platform.wait(20 * SECOND)
    if held is not None:
        fleet.sandboxes.release(held)


def _approval(platform: Platform, family: Family, task: Task, draws: _Approval) -> Answer:
    """Ask a person, wait for the answer; returns whether it is yes."""
    task.log(family.activity("approval"), SECOND, 1)
    pause = family.seconds("approval_s", draws.pause)
    task.renew(platform.now + pause)
    yield platform.wait(pause)
    return draws.granted < family.value("granted")


def _detour(platform: Platform, fleet: _Fleet, task: Task, kind: str, draws: _Detour) -> Process:
    """A few turns with the tools of another kind of task, with a person's approval or without."""
    if draws.asks < fleet.parameters.approvals:
        granted = yield from _approval(platform, fleet.family, task, _Approval(draws.pause, draws.granted))
        if not granted:
            return
    others = [each for each in fleet.kinds if each != kind]
    activity = fleet.family.activity(others[int(draws.kind * len(others))])
    more = int(3 * draws.calls)
    for operation in activity.operations[: 2 + more]:
        task.attempt(operation, 30 * SECOND, 1 + more)
    yield platform.wait(30 * SECOND)


def _hand_over(platform: Platform, fleet: _Fleet, number: int, session: int, left: int, draws: _RequestDraws) -> None:
    """Another agent does a part, on behalf of this one."""
    other = (number + 1 + int(draws.other * (len(fleet.agents) - 1))) % len(fleet.agents)
    job = part_number(number, session, left)
    platform.env.process(_part(platform, fleet, fleet.agents[other], job, fleet.agents[number], draws))


def part_number(agent: int, session: int, turns: int) -> int:
    """The number of the part that an agent hands over in a session, with so many of its turns left."""
    return PARTS.at((agent * MOST_SESSIONS + session) * MOST_TURNS + turns)


def _part(platform: Platform, fleet: _Fleet, agent: Workload, job: int, by: Workload, draws: _RequestDraws) -> Process:
    family = fleet.family
    kind = list(agent.actors)[int(draws.part_kind * len(agent.actors))]
    task = Task(platform, agent, kind, job, behalf=platform.world.code("on_behalf_of", by.identity.name))
    yield platform.wait(task.start_up(family.start_up(agent.identity.credential_kind), draws.gap))
    turns = max(round(family.distribution("request_calls")(draws.part_calls)), 1)
    lasts = min(family.seconds("step_s", draws.step) * turns, 30 * MINUTE)
    task.log(family.activity(kind), lasts, turns * TURN)
    task.renew(platform.now + lasts)
    yield platform.wait(lasts)
