"""The running platform: the clock, the GPU pool, credentials, outages; what SimPy processes act on."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator, Iterable
from math import log
from typing import Any, Final, NamedTuple

import simpy

from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.expansion.rows import NORMAL, OUTAGE, StageRow
from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.randomness import Draws, Quantiles, key
from scopedrift.simulator.runtime.decisions import DecisionPoint
from scopedrift.simulator.runtime.turns import Turns
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import Deployment
from scopedrift.simulator.world.rhythm import WEEK

Process = Generator[simpy.Event, Any, None]
"""A SimPy process: yields what it waits for."""
Start = Callable[["Platform"], Process]
"""What drives a workload: called with the running platform, gives its process."""

URGENT, USUAL, IDLE = 0, 1, 2
"""Priorities in the GPU queue."""
BACKFILL: Final = 8
"""How many waiting requests behind the first are tried when it does not fit (assumed)."""


class _Outage(NamedTuple):
    gap: float
    length: float


def exponential(u: float) -> float:
    """A standard exponential from a uniform in [0, 1)."""
    return -log(1.0 - u)


class GpuPool:
    """GPUs with gang scheduling: a request gets all that it asks for, or waits; by priority, with backfill.

    A heap, so that thousands of waiting requests cost the logarithm of their number.
    """

    def __init__(self, env: simpy.Environment, gpus: int, contention: bool) -> None:
        self._env = env
        self._contention = contention
        self.capacity = gpus
        self.free = gpus
        self._waiting: list[tuple[int, int, int, simpy.Event]] = []
        self._number = 0

    def request(self, gpus: int, priority: int = USUAL) -> simpy.Event:
        """An event that succeeds once `gpus` (at most the capacity) are held."""
        event = self._env.event()
        if not self._contention:
            return event.succeed()
        self._number += 1
        heapq.heappush(self._waiting, (priority, self._number, min(gpus, self.capacity), event))
        self._serve()
        return event

    def wanted(self, priority: int) -> bool:
        """Whether a request of a higher priority waits: whoever can be pre-empted gives way at its next checkpoint."""
        return bool(self._waiting) and self._waiting[0][0] < priority

    def release(self, gpus: int) -> None:
        """Give GPUs back."""
        if self._contention:
            self.free += min(gpus, self.capacity)
            self._serve()

    def _serve(self) -> None:
        passed: list[tuple[int, int, int, simpy.Event]] = []
        while self._waiting and self.free and len(passed) <= BACKFILL:
            request = heapq.heappop(self._waiting)
            if request[2] <= self.free:
                self.free -= request[2]
                request[3].succeed()
            else:
                passed.append(request)
        for request in passed:
            heapq.heappush(self._waiting, request)


class NoveltyRate:
    """How often a task also touches something that its workload has not used: at a falling rate (Heaps-like)."""

    def __init__(self, world: SimulatedWorld) -> None:
        spec = world.platform.novelty
        factor = world.scenario.novelty
        self._floor = spec.floor * factor
        self._start = spec.start * factor
        self._scale = spec.scale
        self.elsewhere = spec.elsewhere
        self.refused = spec.refused

    def chance(self, job: int) -> float:
        """The chance for the `job`-th task of a workload (platform.yaml: floor + start / (1 + tasks / scale))."""
        return self._floor + self._start / (1.0 + job / self._scale)


class Platform:
    """What runs: processes read the clock, wait, hold GPUs, and record stages."""

    def __init__(self, world: SimulatedWorld, recorder: Recorder) -> None:
        self.world = world
        self.env = simpy.Environment(initial_time=world.scenario.start_us)
        self.gpus = GpuPool(self.env, world.scenario.platform.gpus, world.scenario.platform.contention)
        self._recorder = recorder
        policy = world.scenario.platform.policy
        self._decisions = None if policy == "off" else DecisionPoint(world, recorder, policy)
        self.novelty = NoveltyRate(world)
        self.turns = Turns(world)
        self._outage_until = 0

    @property
    def now(self) -> int:
        """The simulated time in microseconds since 1970 UTC."""
        return int(self.env.now)

    def wait(self, duration: int) -> simpy.Event:
        """An event `duration` microseconds from now."""
        return self.env.timeout(duration)

    def emit(self, row: StageRow) -> None:
        """Record a stage, as the policy decision point lets it pass if there is one."""
        if self._decisions is None:
            self._recorder.add(row)
        else:
            for each in self._decisions.decide(row, self.now):
                self._recorder.add(each)

    def decide_by(self, deployment: Deployment) -> None:
        """Hold requests against what is declared, if the scenario has a policy decision point."""
        if self._decisions is not None:
            self._decisions.load(deployment)

    def denies(self, identity: int, operation: Operation, places: Iterable[str], registry: str | None) -> bool:
        """Whether a policy decision point denies an identity a call now (see `DecisionPoint.denies`)."""
        return self._decisions is not None and self._decisions.denies(identity, operation, places, registry, self.now)

    def rotations(self) -> Process:
        """Rotated keys: the workloads of their identities start again with the new one."""
        ends = []
        for identity in self.world.identities.values():
            if identity.made_at >= 0 and identity.half_life:
                ends.append((identity.issued(0, self.now)[1], identity.name))
        for end, name in sorted(ends):
            yield self.wait(max(end - self.now, 0))
            for workload in self.world.identities[name].workloads:
                self.world.workloads[workload].restarts += 1

    def arrival(self, rhythm: str, mean_gap: float, u: float) -> int:
        """Microseconds to the next arrival of a Poisson process that follows a rhythm."""
        return self.world.rhythm(rhythm).wait(self.now, exponential(u) * mean_gap / self.world.scenario.load)

    def outcome(self) -> int:
        """How calls end now: as usual, or as in an outage."""
        return OUTAGE if self.env.now < self._outage_until else NORMAL

    def outages(self) -> Process:
        """Ordinary outages, at random times; when one ends, some workloads start again all at once."""
        spec = self.world.platform.outages
        rate = spec.per_week * self.world.scenario.errors
        length = Quantiles.of(spec.duration)
        draws = Draws(self.world.seed, "outages", of=_Outage)
        number = 0
        while rate > 0:
            row = draws.row()
            yield self.wait(round(exponential(row.gap) * WEEK / rate))
            lasts = round(length(row.length)) * SECOND
            self._outage_until = self.now + lasts
            yield self.wait(lasts)
            for workload in self.world.workloads.values():
                if key(self.world.seed, "restarted", number, workload.name) / 2.0**64 < spec.restarted:
                    workload.restarts += 1
            number += 1
