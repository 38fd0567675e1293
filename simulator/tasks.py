"""One task of a workload: what a family's process uses to record stages under one task id and credential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scopedrift.simulator.activities import Activity
from scopedrift.simulator.events import HOUR, MISSING, SECOND
from scopedrift.simulator.expansion import DENIED
from scopedrift.simulator.platform import Platform
from scopedrift.simulator.world import Workload

RENEWALS: Final = 1_000
"""Stage numbers from here on are renewals, so that their number does not shift the other stages'."""
EXPLORE_DRAWS: Final = 5
UNRECORDED: Final = -2
"""Task *j* without context is numbered -2 - j: its draws are its own, and its records carry no task."""


class Task:
    """A running task: task id, credential session, and the number of its next stage."""

    __slots__ = (
        "_behalf",
        "_platform",
        "_renewed",
        "_stage",
        "actor",
        "anchor",
        "job",
        "number",
        "session",
        "workload",
    )

    def __init__(
        self,
        platform: Platform,
        workload: Workload,
        kind: str,
        job: int,
        session: int | None = None,
        *,
        held: tuple[int, int] | None = None,
        behalf: int = MISSING,
        context: bool = True,
    ) -> None:
        """Begin task number `job` of a kind.

        `session` shares a credential session of the workload (default: its own); `held` is one that somebody else
        obtained (its number and when it was issued).  `behalf` is the principal on whose behalf it acts.  Without
        `context` no record says which task it belongs to.
        """
        self._platform = platform
        self._stage = 0
        self._renewed = 0
        self._behalf = behalf
        self.workload = workload
        self.actor = workload.actors[kind]
        self.number = job
        self.job = job if context else UNRECORDED - job
        own = workload.session(job + 1 if session is None else session), platform.now
        self.session, self.anchor = own if held is None else held
        workload.recent = (self.actor, self.job, self.session, self.anchor)

    def log(
        self,
        activity: Activity,
        duration: int,
        count: int,
        *,
        outcome: int | None = None,
        data: int = MISSING,
    ) -> None:
        """Record a stage that begins now: `count` events within `duration` microseconds."""
        platform = self._platform
        how = platform.outcome() if outcome is None else outcome
        platform.emit(
            activity.code, self.actor, platform.now, duration, count, self.job, self._stage,
            self.session, self.anchor, -1, how, 0, self._behalf, data,
        )  # fmt: skip
        self._stage += 1

    def start_up(self, activity: Activity, u: float) -> int:
        """Record a start-up flow that begins now; returns how long it takes (microseconds; assumed 1 to 9 s)."""
        duration = round((1.0 + 8.0 * u * u) * SECOND)
        self.log(activity, duration, len(activity.operations))
        return duration

    def renew(self, until: int) -> None:
        """Record the credential's renewals at each half-life that lies between now and `until`."""
        identity = self.workload.identity
        half = identity.half_life
        activity = self._platform.renewal.get(identity.credential_kind)
        if not half or activity is None:
            return
        first = max((self._platform.now - self.anchor) // half + 1, self._renewed + 1)
        last = (until - self.anchor) // half
        if last < first:
            return
        count = last - first + 1
        self._platform.emit(
            activity.code, self.actor, self.anchor + first * half, count * half, count * len(activity.operations),
            self.job, RENEWALS + first, self.session, self.anchor, behalf=self._behalf,
        )  # fmt: skip
        self._renewed = last

    def explore(self, activity: Activity, draws: Sequence[float], tasks: int | None = None, within: int = HOUR) -> None:
        """Now and then, also touch something new to the workload; `draws` are `EXPLORE_DRAWS` uniforms.

        `tasks` is how many tasks the workload has behind it (default: this task's number); it is over `within`
        microseconds.
        """
        novelty = self._platform.novelty
        if draws[0] >= novelty.chance(self.number if tasks is None else tasks):
            return
        world = self._platform.world
        elsewhere = draws[1] < novelty.elsewhere
        project = world.projects[int(draws[2] * len(world.projects))] if elsewhere else self.workload.project
        items = world.pools.items(project.datasets[int(draws[3] * len(project.datasets))])
        few = world.pools.add(items[: 1 + int(draws[4] * min(len(items), 6))])
        refused = elsewhere and draws[4] < novelty.refused
        duration = min((20 + round(300 * draws[4])) * SECOND, within)
        self.log(activity, duration, 1 + round(6 * draws[3]), outcome=DENIED if refused else None, data=few)
