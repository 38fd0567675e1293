"""Where an incident takes place: what the planner asks of a simulated world, and of a real log.

`Aim` is what a backend makes of a technique's targets: pools of resources in a world, selectors of rows in a log.
Times are microseconds since 1970 UTC, lengths microseconds.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import simpy

from scopedrift.scenarios.catalogue import Targets, Technique
from scopedrift.simulator.runtime.platform import Process

Aim = TypeVar("Aim")


@dataclass(frozen=True)
class Victim:
    """Whom an incident begins from, as its truth says."""

    identity: str
    workload: str
    family: str = ""


@dataclass(frozen=True)
class Standing:
    """How one call stands: by the identity's permissions, by its declared scope, and whether it would succeed now."""

    entitled: bool
    declared: bool
    permitted: bool
    refused_before: bool = False
    """Whether a log shows it refused to the identity, even if it was granted at other times."""


@dataclass(frozen=True)
class StageCalls:
    """Calls that are made together: the `steps` in that order, the others of `count` by their weights."""

    technique: Technique
    weights: Mapping[str, float]
    steps: tuple[str, ...]
    count: int
    lasts: int
    """Microseconds, from now."""
    truth: int
    """Code of the incident log."""
    how: Literal["made", "refused", "primed"] = "made"
    """Whether all are refused, or nobody is to notice them: outages spare those that prime the baseline."""
    by: int = 1 << 62
    """When it is too late to begin with any of them."""


class Foothold(Protocol):
    """What an incident holds: whether it follows a workload from task to task, and when its credential ends (or -1)."""

    inside: bool
    expires: int


class Backend(Protocol[Aim]):
    """One incident's way to act; it holds one foothold at a time."""

    hold: Foothold

    @property
    def now(self) -> int:
        """The time."""

    def wait(self, duration: int) -> simpy.Event:
        """An event that much later."""

    def find_victim(self) -> Victim | None:
        """Choose whom it begins from, and be inside; `None` if there is nobody whom it could begin from."""

    def take_foothold(self) -> Process:
        """Begin as its template says: inside the victim, with its credential from elsewhere, or as its copy."""

    def wait_for_cover(self, technique: Technique) -> Process:
        """With a chance of the strength: wait for a task of the victim that does such things anyway."""
        yield from ()

    def expired(self) -> bool:
        """Whether the credential that it holds has ended."""
        return False

    def fetch_image(self) -> None:
        """Get an image from a registry that the victim never used, unless it has one."""

    def shows(self, call: str) -> bool:
        """Whether the log could show the call."""
        return True

    def usual(self, call: str) -> bool:
        """Whether the victim makes such calls anyway."""

    def aim(self, targets: Targets) -> Aim:
        """Choose resources that the selectors name."""

    def standings(self, calls: Iterable[str], aim: Aim) -> tuple[Aim, list[Standing]]:
        """How calls stand on these resources, and on others where neither targets nor foothold have any for them."""

    def habit(self) -> tuple[float, float] | None:
        """Events and length of what the victim did last, to be like it; `None` if nothing is known."""

    def perform(self, calls: StageCalls, aim: Aim) -> Generator[simpy.Event, object, bool]:
        """Record calls that begin now, and wait until they are over; whether all were made."""
        ...

    def gain(self, what: str, ahead: Sequence[Technique]) -> None:
        """What a successful technique yields; `ahead` are the techniques that it is for."""
