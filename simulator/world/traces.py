"""What is known of a workload's tasks: which are alive, and how long and how full those that are over were.

Tasks note here what they do as they do it.  Whatever else happens inside a task (an incident above all) finds here one
that is alive, or one to be like.  Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import exp, log
from typing import Final

from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.rows import Holder, StageRow

REMEMBERED: Final = 32
"""Tasks of each kind that are remembered once they are over (assumed)."""


@dataclass(eq=False)
class TaskTrace:
    """One task: as whom it acts, since when, until when at least, and how much it has logged."""

    kind: str
    """Key of the workload's actors."""
    holder: Holder
    shares: bool
    """Whether its credential session serves other tasks as well."""
    borrows: bool
    """Whether somebody else obtained that session, and keeps it."""
    begun: int
    until: int
    """When what it is doing now ends."""
    acted: int = 0
    """When its latest stage ended, or will."""
    events: int = 0
    closeness: float = 0.0
    """The sum over its events of the logarithm of microseconds since the one before."""
    flow: Activity | None = None
    """How it started up, if it did."""
    submitted: StageRow | None = None
    """What it did first, if that was no start-up: a job is submitted before it runs."""
    grouped: int = 0
    """Events of one task, where a stage stands for many; 0: it is one task."""
    span: int = 0
    """Microseconds that each of these takes."""
    over: bool = False

    @property
    def ready(self) -> bool:
        """Whether it has done something after its start-up."""
        return self.events > (len(self.flow.operations) if self.flow else 0)

    def note(self, events: int, duration: int, pause: int = 0) -> None:
        """Note a stage of so many events in so many microseconds, after a pause."""
        if not events:
            return
        gap = max(duration / events, 1.0)
        self.events += events
        self.closeness += events * log(gap)
        if pause:
            self.closeness += log(1.0 + pause / gap)

    @property
    def gap(self) -> int:
        """Microseconds between its events: the geometric mean over events, so that dense stages count as they show.

        Pauses between stages are in it.
        """
        return round(exp(self.closeness / self.events)) if self.events else 1

    @property
    def length(self) -> int:
        """How long it takes, as far as is known; microseconds."""
        return self.span if self.grouped else self.until - self.begun

    @property
    def size(self) -> int:
        """How many events it has, as far as is known."""
        return self.grouped or self.events


class TaskTraces:
    """The tasks of one workload."""

    __slots__ = ("_forgotten", "_limit", "_live", "_over", "_watched")

    def __init__(self) -> None:
        self._watched: list[tuple[frozenset[str], Callable[[], object]]] = []
        self._live: list[TaskTrace] = []
        self._over: dict[str, deque[TaskTrace]] = {}
        self._limit = REMEMBERED
        self._forgotten: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._live or self._over)

    def add(self, trace: TaskTrace) -> None:
        """Note a task that begins."""
        self._live.append(trace)
        if self._watched:
            told = [each for each in self._watched if trace.kind in each[0]]
            self._watched = [each for each in self._watched if trace.kind not in each[0]]
            for _, tell in told:
                tell()
        if len(self._live) > self._limit:
            self._sort_out(trace.begun)
            self._limit = 2 * len(self._live) + REMEMBERED

    def extend(self, trace: TaskTrace, until: int) -> None:
        """A task goes on, at least until then."""
        trace.until = max(trace.until, until)
        if trace.over:  # it had nothing to do for a while; among those that are over it is soon forgotten
            trace.over = False
            self._live.append(trace)

    def watch(self, kinds: Iterable[str], tell: Callable[[], object]) -> None:
        """Call `tell` once, as the next task of some kinds begins."""
        self._watched.append((frozenset(kinds), tell))

    def live(self, now: int) -> list[TaskTrace]:
        """The tasks that are doing something, the oldest first."""
        return [trace for trace in self._live if trace.until > now]

    def known(self, kinds: Iterable[str]) -> Iterator[TaskTrace]:
        """The latest tasks of some kinds, alive or over."""
        wanted = set(kinds)
        for kind in sorted(wanted & self._over.keys()):
            yield from self._over[kind]
        yield from (trace for trace in self._live if trace.kind in wanted)

    def events(self, kind: str) -> int:
        """Events of all its tasks of a kind so far."""
        return self._forgotten[kind] + sum(trace.events for trace in set(self.known([kind])))

    def _sort_out(self, now: int) -> None:
        for trace in self._live:
            if trace.until < now:
                trace.over = True
                over = self._over.setdefault(trace.kind, deque())
                over.append(trace)
                if len(over) > REMEMBERED and (oldest := over.popleft()).over:
                    self._forgotten[oldest.kind] += oldest.events
        self._live = [trace for trace in self._live if not trace.over]
