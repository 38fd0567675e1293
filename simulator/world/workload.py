"""What an organisation is made of: projects, and the workloads that run in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.randomness import mix
from scopedrift.simulator.world.identities import Identity
from scopedrift.simulator.world.sessions import Sessions
from scopedrift.simulator.world.traces import TaskTraces

FOLDED: Final = 1 << 36
"""Greater numbers of a workload's sessions are hashed into the range of one workload."""


@dataclass(frozen=True)
class Project:
    """One project (account, namespace): its resources by slot, as pools."""

    name: str
    account: str
    team: str
    pools: Mapping[str, int]
    datasets: list[int]
    """Pools, one a dataset, as it is now: parts come and go."""
    nodes: int
    """Pool of its node addresses (column `source`)."""


@dataclass(frozen=True)
class Detour:
    """Calls that a workload's next task also makes."""

    calls: tuple[Operation, ...]
    times: int
    """How often it makes each."""
    project: Project | None
    """Whose resources they go for; `None`: the workload's own."""


@dataclass
class Workload:
    """Something that runs.  Changes rebind its actors; its family's process drives it."""

    number: int
    """By name, so that other workloads do not shift it (22 bits)."""
    name: str
    family: str
    project: Project
    identity: Identity
    image: str
    actors: dict[str, int]
    """Task kind -> actor number."""
    sessions: Sessions
    """Its credential sessions."""
    load: float = 1.0
    """Multiplier of its arrivals; a traffic surge raises it."""
    traces: TaskTraces = field(default_factory=TaskTraces)
    """Its latest tasks."""
    last_stage: tuple[int, int] | None = None
    """Its latest stage: how many events, in how many microseconds."""
    restarts: int = 0
    """Raised by whatever makes it start again: a release, a crash, a rotation."""
    principals: Sequence[int] = ()
    """Codes of those on whose behalf its tasks may act."""
    detour: Detour | None = None
    """What its next task also does, outside what is declared."""

    def session(self, number: int) -> int:
        """The number of a credential session: distinct for workloads that share an identity."""
        return (self.number << 40) + (number if number < FOLDED else FOLDED + mix(number, self.number) % (1 << 39))
