"""Serverless functions: triggers, fan-out, concurrency limits, cold starts, re-delivery.

Every function has a burstiness of its own, the coefficient of variation of its gaps: what a timer or a poller calls
is regular, what people or queues call comes in clusters.  A rare or regular function is simulated invocation by
invocation; a busy one in windows of ten minutes, with as many cold
starts as its concurrency grows and what exceeds its limit left for later.  A parent's fan-out makes its children
run.  A cold start mints a token and reads secrets, whatever the hour: the start-up look-alike of a credential
thief.  What is delivered twice is looked up and found done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import Final, NamedTuple

from scopedrift.scenarios.fields import Model
from scopedrift.simulator.log.events import DAY, HOUR, MINUTE, SECOND
from scopedrift.simulator.randomness import Draws, evenly
from scopedrift.simulator.runtime.platform import Platform, Process, Start, exponential
from scopedrift.simulator.runtime.tasks import Exploration, Task
from scopedrift.simulator.workloads.family import Family
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.workload import Workload

NAME: Final = "serverless"
HTTP, QUEUE, EVENT, TIMER, ORCHESTRATION = range(5)
BUSY: Final = 200.0
"""Invocations per day from which a function is simulated by window."""
REGULAR: Final = 0.3
"""Gaps that vary less than this follow a clock, not the hours of people (assumed)."""
WINDOW: Final = 10 * MINUTE
INVOCATION_EVENTS: Final = 4
REDELIVERY_EVENTS: Final = 3
CHILDREN: Final = 4
CALLED: Final = 1 << 30
"""Task numbers from here on are invocations by a parent; from twice that, cold starts that belong to none."""


class ServerlessParameters(Model):
    """What a scenario sets."""

    functions: int
    most_per_day: float
    fan_out: float
    concurrency: int


class _CallDraws(NamedTuple):
    """One invocation of a rare function."""

    begins: float
    start_up: float
    length: float
    calls: float
    explore: Exploration
    degree: float
    retried: float
    retry_gap: float
    gap: float
    fans_out: float


class _WindowDraws(NamedTuple):
    """One window of a busy function."""

    burst: float
    """In the first row: when its windows begin."""
    invocations: tuple[float, float, float]
    """Their sum is nearly normal."""
    start_up: float
    explore: Exploration
    fans_out: float
    degree: float
    retried: float


@dataclass
class _Function:
    """One function, as its process and its callers see it."""

    workload: Workload
    number: int
    trigger: int
    parent: bool
    per_day: float
    gap_cv: float
    """Coefficient of variation of the gaps between its invocations."""
    usual: int
    """How long an invocation takes (microseconds)."""
    limit: int
    """Invocations at once, at most."""
    last: int = -DAY
    """When it was last active."""
    started: int = 0
    """Credential sessions so far: one a cold start."""
    anchor: int = 0
    warm: int = 0
    """Instances of a busy function."""
    starts: int = 0
    called: int = 0
    """Invocations by others so far."""
    waiting: int = 0
    """Invocations beyond the limit, or by others, for the next window of a busy function."""

    @property
    def busy(self) -> bool:
        """Whether it is simulated by window."""
        return self.per_day >= BUSY and not self.regular

    @property
    def regular(self) -> bool:
        """Whether a clock invokes it."""
        return self.gap_cv < REGULAR


def build(world: SimulatedWorld, parameters: ServerlessParameters) -> Iterator[Start]:
    """Make `functions` functions; yield one process for each."""
    family = Family(world, NAME)
    functions: list[_Function] = []
    for number in range(parameters.functions):
        project = world.home(NAME, number)
        name = f"function-{number:05d}"
        bucket = f"s3://{world.company}-{project.name}"
        start_up = family.start_up(world.scenario.identities.credential.kind)
        parent = number > 0 and evenly(world.seed, number, NAME, "fan-out") < parameters.fan_out
        listed = ("invoke", "redeliver", "explore", *(("fan_out",) if parent else ()))
        activities = [family.activity(each) for each in listed]
        children = [world.home(NAME, child).name + f"-{child:05d}" for child in _children(number)]
        workload = world.add_workload(
            NAME,
            name,
            project,
            activities=[*activities, start_up],
            kinds=["invocation"],
            pools={
                "output": [f"{bucket}-events/{name}"],
                "queue": [f"queue/{project.name}-{name}"],
                "function": [f"function/{child}" for child in children],
                "store": [f"features/{project.name}-{number % 5}"],
            },
        )
        world.allow_tools("invocation", [*activities, start_up])
        trigger = int(family.choice("trigger", evenly(world.seed, number, NAME, "trigger")))
        per_day = family.distribution("per_day")(evenly(world.seed, number, NAME, "per-day"))
        per_day = min(per_day, parameters.most_per_day) * world.scenario.load
        bursts = evenly(world.seed, number, NAME, "gaps")
        timers = family.value("timers")
        bursts = bursts * timers if trigger == TIMER else timers + bursts * (1.0 - timers)
        gap_cv = family.distribution("gap_cv")(bursts)
        usual = family.seconds("duration_s", evenly(world.seed, number, NAME, "length"))
        limit = parameters.concurrency
        functions.append(_Function(workload, number, trigger, parent, per_day, gap_cv, usual, limit))
    for function in functions:
        run = _busy if function.busy else _rare
        yield partial(run, family=family, function=function, functions=functions)


def _children(number: int) -> list[int]:
    """Whom a function fans out to: earlier ones, so that nobody calls itself in a circle."""
    return sorted({(number * 7 + k) % number for k in range(1, CHILDREN + 1)}) if number else []


def _rare(platform: Platform, family: Family, function: _Function, functions: Sequence[_Function]) -> Process:
    """One task an invocation; cold when the last one is longer ago than the platform keeps it warm."""
    workload = function.workload
    draws = Draws(platform.world.seed, NAME, workload.name, of=_CallDraws)
    gap = DAY / function.per_day
    yield platform.wait(round(draws.row().begins * gap))
    number = 0
    while True:
        row = draws.row()
        begun = platform.now
        cold = _is_cold(platform, family, function)
        task = Task(platform, workload, "invocation", number, session=function.started)
        if cold:
            yield platform.wait(task.start_up(family.start_up(workload.identity.credential_kind), row.start_up))
            function.anchor = task.anchor
        else:
            task.anchor = function.anchor
        length = max(round(function.usual * family.distribution("variation")(row.length)), 1)
        task.log(family.activity("invoke"), length, 1 + int(INVOCATION_EVENTS * row.calls))
        task.explore(family.activity("explore"), row.explore, within=length)
        if function.parent and row.fans_out < family.value("fan_outs_per_day") / function.per_day:
            _fan_out(platform, family, function, functions, task, row.degree)
        yield platform.wait(length)
        function.last = platform.now
        number += 1
        if row.retried < family.value("retried"):
            yield platform.wait(round(exponential(row.retry_gap) * 30 * SECOND) + SECOND)
            task.log(family.activity("redeliver"), SECOND, REDELIVERY_EVENTS)
        yield platform.wait(max(_pause(platform, family, function, gap, row.gap) - (platform.now - begun), 1))


def _pause(platform: Platform, family: Family, function: _Function, gap: float, u: float) -> int:
    """From one invocation to the next (microseconds), so that gaps have their mean and their variation.

    Below 1 a part of the gap is fixed and the rest exponential; above, a share p of invocations follows at once the one
    before and the others wait the longer, which has the variation sqrt((1 + p) / (1 - p)).
    """
    cv = function.gap_cv
    rhythm = "flat" if function.regular else "customers" if function.trigger == HTTP else "working"
    if cv <= 1.0:
        work = gap * (1.0 - cv + cv * exponential(u))
    else:
        follows = (cv * cv - 1.0) / (cv * cv + 1.0)
        if u < follows:
            return min(family.seconds("follow_s", u / follows), round(gap))
        work = gap / (1.0 - follows) * exponential((u - follows) / (1.0 - follows))
    return platform.world.rhythm(rhythm).wait(platform.now, work)


def _is_cold(platform: Platform, family: Family, function: _Function) -> bool:
    """Whether its next invocation starts cold; if so, that is a new credential session."""
    cold = platform.now - function.last > round(family.value("idle_min")) * MINUTE
    function.started += cold
    function.last = platform.now
    return cold


def _busy(platform: Platform, family: Family, function: _Function, functions: Sequence[_Function]) -> Process:
    """One stage a window; the number of warm instances follows the load, and each new one starts cold."""
    workload = function.workload
    draws = Draws(platform.world.seed, NAME, workload.name, of=_WindowDraws)
    rhythm = platform.world.rhythm("customers" if function.trigger == HTTP else "working")
    length = function.usual / SECOND
    clump = max(round((function.gap_cv**2 + 1.0) / 2.0), 1)  # groups of m have a variation of sqrt(2 m - 1)
    most = max(int(function.limit * WINDOW / (length * SECOND)), 1)
    fans_out = family.value("fan_outs_per_day") * WINDOW / DAY
    number = 0
    function.anchor = platform.now
    yield platform.wait(round(draws.row().burst * WINDOW))
    while True:
        row = draws.row()
        burst = family.distribution("burst")(row.burst) if function.gap_cv > 1.0 else 1.0
        mean = function.per_day * WINDOW / DAY * rhythm.at(platform.now) * burst * workload.load
        one, two, three = row.invocations
        wanted = max(round(mean + sqrt(mean) * (one + two + three - 1.5) * 2.0), 0) + function.waiting
        invocations = min(wanted, most)
        function.waiting = wanted - invocations
        needed = (
            min(max(round(invocations * length * SECOND / WINDOW * 3) + 1, 1), function.limit) if invocations else 0
        )
        _grow(platform, family, function, needed, row.start_up)
        function.warm = needed
        if invocations:
            task = Task(platform, workload, "invocation", number, session=function.started)
            task.anchor = function.anchor
            span = max(round(length * SECOND), 1)
            task.log(family.activity("invoke"), WINDOW, invocations * INVOCATION_EVENTS, span=span, clump=clump)
            task.explore(family.activity("explore"), row.explore, within=span)
            twice = round(invocations * family.value("retried") + row.retried - 0.5)
            task.log(family.activity("redeliver"), WINDOW, twice * REDELIVERY_EVENTS)
            if function.parent and row.fans_out < fans_out:
                _fan_out(platform, family, function, functions, task, row.degree)
            number += invocations
        yield platform.wait(WINDOW)


def _grow(platform: Platform, family: Family, function: _Function, needed: int, u: float) -> None:
    """Start the instances that are missing, cold (at most four of them recorded)."""
    if needed <= function.warm:
        return
    function.started += 1
    function.anchor = platform.now
    flow = family.start_up(function.workload.identity.credential_kind)
    task = Task(platform, function.workload, "invocation", 2 * CALLED + function.starts, session=function.started)
    for _ in range(min(needed - function.warm, 4)):
        task.start_up(flow, u)
    function.starts += 1


def _fan_out(
    platform: Platform,
    family: Family,
    function: _Function,
    functions: Sequence[_Function],
    task: Task,
    u: float,
) -> None:
    """Invoke its children while it runs; they answer as fast as their concurrency limits let them."""
    children = [functions[child] for child in _children(function.number)]
    degree = round(family.distribution("degree")(u))
    rounds = -(-degree // function.limit)
    lasts = min(rounds * 5 * SECOND, HOUR)
    task.log(family.activity("fan_out"), function.usual, degree)
    for at, child in enumerate(children):
        share = degree // len(children) + (at < degree % len(children))
        if child.busy:
            child.waiting += share
        elif share:
            _answer(platform, family, child, share, lasts, u)


def _answer(platform: Platform, family: Family, child: _Function, invocations: int, lasts: int, u: float) -> None:
    """A rare function is invoked many times by a parent: cold starts, then all of it in one stage."""
    if _is_cold(platform, family, child):
        child.warm = 0
    instances = min(invocations, child.limit)
    _grow(platform, family, child, instances, u)
    child.warm = max(child.warm, instances)
    task = Task(platform, child.workload, "invocation", CALLED + child.called, session=child.started)
    task.anchor = child.anchor
    task.log(family.activity("invoke"), lasts + MINUTE, invocations * INVOCATION_EVENTS, span=child.usual)
    child.called += invocations
