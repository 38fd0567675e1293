"""One task of a workload: what a family's process uses to record stages under one task id and credential."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.expand import DENIED
from scopedrift.simulator.log.events import HOUR, MISSING, SECOND
from scopedrift.simulator.runtime.detours import SPAN, Detour
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.world.credentials import NEXT_START
from scopedrift.simulator.world.identities import allows
from scopedrift.simulator.world.organisation import Project, Workload
from scopedrift.simulator.world.policy import UNGUARDED

EXPLORE_DRAWS: Final = 5
SLACK: Final = 15 * SECOND
"""A session is kept for so long after the stages that use it: one that waits for it may end late (assumed)."""
SHORT: Final = 10 * SECOND
"""Stages shorter than this have no room for a detour."""
UNRECORDED: Final = -2
"""Task *j* without context is numbered -2 - j: its draws are its own, and its records carry no task."""


class Task:
    """A running task: task id, credential session, and the number of its next stage."""

    __slots__ = (
        "_anchor",
        "_behalf",
        "_held",
        "_platform",
        "_stage",
        "actor",
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
        self._behalf = behalf
        self.workload = workload
        self.actor = workload.actors[kind]
        self.number = job
        self.job = job if context else UNRECORDED - job
        self._held = held is not None
        own = workload.session(job + 1 if session is None else session), platform.now
        self.session, self.anchor = own if held is None else held

    @property
    def anchor(self) -> int:
        """When its credential session began."""
        return self._anchor

    @anchor.setter
    def anchor(self, begun: int) -> None:
        self._anchor = begun
        self.workload.recent = (self.actor, self.job, self.session, begun)

    def log(
        self,
        activity: Activity,
        duration: int,
        count: int,
        *,
        outcome: int | None = None,
        data: int = MISSING,
        span: int = 0,
        clump: int = 1,
    ) -> None:
        """Record a stage that begins now: `count` events within `duration` microseconds.

        `span` and `clump` pace a stage of many tasks: see `Recorder.emit`.
        """
        if self.workload.detour is not None and duration >= SHORT:
            self._wander(self.workload.detour, duration)
        how = self._platform.outcome() if outcome is None else outcome
        self.workload.latest = (count, duration)
        self._record(activity, self.actor, duration, count, how, data, span=span, clump=clump)

    def _wander(self, detour: Detour, duration: int) -> None:
        """Make the calls of a detour, one kind after the other, within `duration`."""
        self.workload.detour = None
        each = min(duration // len(detour.calls), SPAN)
        for number, operation in enumerate(detour.calls):
            self.attempt(operation, each, detour.times, detour.project, after=number * each)

    def attempt(
        self, operation: Operation, duration: int, count: int, project: Project | None = None, after: int = 0
    ) -> None:
        """Record calls that its declared purpose does not list: refused unless the identity is entitled to them.

        `project` is whose resources they go for (default: those that the task uses anyway); they begin `after`
        microseconds from now.
        """
        world, identity, actor = self._platform.world, self.workload.identity, self.actor
        where = self.workload.project
        if project is not None:
            pool = project.pools.get(operation.slot, project.datasets[0] if operation.slot == "dataset" else MISSING)
            if pool != MISSING:
                where, actor = project, world.actors.variant(actor, operation.slot, pool)
        allowed = operation.service in UNGUARDED or allows(
            identity.entitled(world), operation.service, operation.access, where.name
        )
        how = self._platform.outcome() if allowed else DENIED
        self._record(world.activities.single(operation), actor, duration, count, how, MISSING, after=after)

    def start_up(self, activity: Activity, u: float) -> int:
        """Record a start-up flow that begins now; returns how long it takes (microseconds; assumed 1 to 9 s).

        What starts again has a credential session of its own.  It is over when the session also has what is exchanged
        for its first token.
        """
        if not self._held:
            if self._stage:
                self.session += NEXT_START
            self.anchor = self._platform.now
        duration = round((1.0 + 8.0 * u * u) * SECOND)
        steps = len(activity.operations)
        self._record(activity, self.actor, duration, steps, self._platform.outcome(), MISSING, starts=True)
        if not self._held:
            sessions, now = self.workload.sessions, self._platform.now
            sessions.start(self.session, self.workload.cycles, now, now + duration)
            return max(duration, self._keep(now))
        return duration

    def renew(self, until: int) -> None:
        """Record what keeps its credentials alive from now to `until`, even if it does nothing else till then."""
        if self._stage:  # before that, its start-up flow obtains them
            self._keep(until)

    def _keep(self, until: int) -> int:
        """Keep its credentials alive; how long it takes to obtain those that are needed right now."""
        if self._held:
            return 0
        return self.workload.sessions.keep(
            self._platform, self.workload, until,
            actor=self.actor, job=self.job, session=self.session, anchor=self.anchor, behalf=self._behalf,
        )  # fmt: skip

    def _record(
        self,
        activity: Activity,
        actor: int,
        duration: int,
        count: int,
        outcome: int,
        data: int,
        *,
        after: int = 0,
        span: int = 0,
        clump: int = 1,
        starts: bool = False,
    ) -> None:
        start = self._platform.now + after
        if not starts:
            pause = self._keep(start + duration + span + SLACK)
            start, duration = start + pause, max(duration - pause, 1)  # it waits, and ends when it was meant to
        self._platform.emit(
            activity.code, actor, start, duration, count, self.job, self._stage,
            self.session, self.anchor, -1, outcome, 0, self._behalf, data, span, clump,
        )  # fmt: skip
        self._stage += 1

    def explore(self, activity: Activity, draws: Sequence[float], tasks: int | None = None, within: int = HOUR) -> None:
        """Now and then, also touch something new to the workload; `draws` are `EXPLORE_DRAWS` uniforms.

        `tasks` is how many tasks the workload has behind it (default: this task's number); it is over `within`
        microseconds.
        """
        novelty = self._platform.novelty
        if draws[0] >= novelty.chance(self.number if tasks is None else tasks):
            return
        world, identity, project = self._platform.world, self.workload.identity, self.workload.project
        refused = False
        if draws[1] < novelty.elsewhere:
            # mostly where permissions reach, else anywhere: and where they do not, it is refused
            within_reach = {g.project for g in identity.entitled(world) if (g.service, g.access) == ("s3", "read")}
            known = [p for p in world.projects if p.name in within_reach]
            choice = known if known and draws[4] >= novelty.refused else world.projects
            project = choice[int(draws[2] * len(choice))]
            refused = project.name not in within_reach
        items = world.pools.items(project.datasets[int(draws[3] * len(project.datasets))])
        few = world.pools.add(items[: 1 + int(draws[4] * min(len(items), 6))])
        duration = min((20 + round(300 * draws[4])) * SECOND, within)
        self.log(activity, duration, 1 + round(6 * draws[3]), outcome=DENIED if refused else None, data=few)
