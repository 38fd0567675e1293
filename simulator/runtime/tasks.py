"""One task of a workload: what a family's process uses to record stages under one task id and credential."""

from __future__ import annotations

from copy import copy
from typing import Final, NamedTuple

from msgspec.structs import replace

from scopedrift.scenarios.catalogue import Operation
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.numbers import UNRECORDED_TASKS
from scopedrift.simulator.expansion.occurrences import UNORDERED
from scopedrift.simulator.expansion.rows import DENIED, Holder, StageRow
from scopedrift.simulator.log.events import HOUR, MISSING, SECOND
from scopedrift.simulator.runtime.detours import SPAN
from scopedrift.simulator.runtime.platform import Platform, Process
from scopedrift.simulator.runtime.turns import Turn
from scopedrift.simulator.world.entitlements import allows
from scopedrift.simulator.world.policy import UNGUARDED
from scopedrift.simulator.world.sessions import NEXT_START
from scopedrift.simulator.world.traces import TaskTrace
from scopedrift.simulator.world.workload import Detour, Project, Workload

SLACK: Final = 15 * SECOND
"""A session is kept for so long after the stages that use it: one that waits for it may end late (assumed)."""
AGAIN: Final = 20 * SECOND
"""What one of many tasks does again as it goes on, it begins within this time (assumed)."""
ASSUME: Final = "sts.assume-role"
"""The call by which a task assumes a role."""
SHORT: Final = 10 * SECOND
"""Stages shorter than this have no room for a detour."""


def start_up_length(u: float) -> int:
    """How long a start-up flow takes, for a uniform draw: 1 to 9 s, in microseconds (assumed)."""
    return round((1.0 + 8.0 * u * u) * SECOND)


class Exploration(NamedTuple):
    """The draws that decide whether a task also touches something new, and what."""

    chance: float
    elsewhere: float
    project: float
    dataset: float
    amount: float


class BorrowedSession(NamedTuple):
    """A credential session that somebody else obtained."""

    session: int
    anchor: int
    """When it was issued (microseconds since 1970 UTC)."""


class Task:
    """A running task: task id, credential session, and the number of its next stage."""

    __slots__ = ("_held", "_holder", "_platform", "_stage", "_trace", "_turn", "number", "workload")

    def __init__(
        self,
        platform: Platform,
        workload: Workload,
        kind: str,
        number: int,
        session: int | BorrowedSession | None = None,
        *,
        behalf: int = MISSING,
        context: bool = True,
    ) -> None:
        """Begin task `number` of a kind.

        `session` is the number of a credential session that it shares with other tasks of the workload, or one that
        somebody else obtained (default: one of its own).  `behalf` is the principal on whose behalf it acts.  Without
        `context` no record says which task it belongs to.
        """
        self._platform = platform
        self._stage = 0
        self._turn = platform.turns.of(workload, workload.actors[kind], number)
        self._held = isinstance(session, BorrowedSession)
        self.workload = workload
        self.number = number
        if isinstance(session, BorrowedSession):
            own, anchor = session
        else:
            own, anchor = workload.session(number + 1 if session is None else session), platform.now
        job = number if context else UNRECORDED_TASKS.end - 1 - number
        actor = platform.turns.began(workload.actors[kind], number, platform.now)
        self._holder = Holder(actor, job, own, anchor, behalf)
        now = platform.now
        self._trace = TaskTrace(kind, self._holder, session is not None, self._held, begun=now, until=now)
        workload.traces.add(self._trace)

    @property
    def anchor(self) -> int:
        """When its credential session began."""
        return self._holder.anchor

    @anchor.setter
    def anchor(self, begun: int) -> None:
        self._act_as(replace(self._holder, anchor=begun))

    def _act_as(self, holder: Holder) -> None:
        self._holder = self._trace.holder = holder

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

        `span` and `clump` pace a stage of many tasks: see `StageRow`.
        """
        if self.workload.detour is not None and duration >= SHORT:
            self._make_detour(self.workload.detour, duration)
        how = self._platform.outcome() if outcome is None else outcome
        self.workload.last_stage = (count, duration)
        now = self._platform.now
        row = StageRow(
            self._holder,
            stage=self._stage,
            activity=activity.code,
            start=now,
            duration=duration,
            events=count,
            outcome=how,
            data=data,
            span=span,
            clump=clump,
        )
        if 0 < activity.per_task < count:
            self._record(row, now)
            self._let_some_turn(row, activity)
        elif self._turn is None or self._stage < self._turn.stages:
            self._record(row, now)
        else:
            row = self._take_turn(row, activity, self._turn)
            self._record(row, row.start)

    def _take_turn(self, row: StageRow, activity: Activity, turn: Turn) -> StageRow:
        """Record the part of a stage that comes before a turn; returns the rest, as the task goes on."""
        self._turn = None
        if turn.kind == "resumed":
            self._platform.env.process(self._resume(row, activity, turn))
            return row
        first = turn.kind == "assumed" and turn.what >= UNORDERED  # where the order of calls has it
        if row.events > 1 and not activity.steps and not first:
            done = 1 + int(turn.where * (row.events - 1))
            length = max(row.duration * done // row.events, 1)
            self._record(replace(row, events=done, duration=length), row.start)
            row = replace(row, start=row.start + length, duration=row.duration - length, events=row.events - done)
        starts = turn.kind == "moved" and self._trace.flow is not None and not self._held
        holder, pause = self._platform.turns.changed(self.workload, self._holder, turn, row.start, starts=starts), 0
        if turn.kind == "assumed":
            assume = self._platform.world.activities.single(self._platform.world.operations.by_name[ASSUME])
            self._record(replace(row, stage=self._stage, activity=assume.code, duration=SECOND, events=1), row.start)
            pause = SECOND
        else:
            self._holder, self._held = holder, self._held and turn.kind != "reissued"
            if starts and self._trace.flow is not None:
                pause = self.start_up(self._trace.flow, turn.what, row.start)
                holder = self._holder
            self._platform.env.process(self._go_on(row.start + pause + SLACK))
        left = max(row.duration - pause, 1)
        return replace(row, holder=holder, stage=self._stage, start=row.start + pause, duration=left)

    def _go_on(self, at: int) -> Process:
        """Let others see how it goes on, once it does."""
        yield self._platform.wait(max(at - self._platform.now, 0))
        self._trace.holder = self._holder

    def _let_some_turn(self, row: StageRow, activity: Activity) -> None:
        """Repeat calls of a few of the tasks that a stage stands for, as they go on."""
        turns = self._platform.turns
        found = turns.among(self.workload, self._holder.actor, self.number, row.events // activity.per_task)
        if found is None:
            return
        turn, some = found
        if turn.kind == "resumed":
            self._platform.env.process(self._resume(row, activity, turn))
            return
        again = copy(self)
        again._holder = turns.changed(self.workload, self._holder, turn, row.start)
        start = row.start + row.span + round(turn.length * AGAIN)
        events = some * activity.per_task
        again._record(replace(row, holder=again._holder, stage=self._stage, start=start, events=events), row.start)
        self._stage = again._stage

    def _resume(self, row: StageRow, activity: Activity, turn: Turn) -> Process:
        """Sleep, and go on as before."""
        silence, lasts, events = self._platform.turns.resumption(turn)
        yield self._platform.wait(row.duration + row.span + silence)
        self.log(self._platform.world.activities.alone(activity), lasts, events, data=row.data)

    def _make_detour(self, detour: Detour, duration: int) -> None:
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
        world, identity, holder = self._platform.world, self.workload.identity, self._holder
        where = self.workload.project
        if project is not None:
            pool = project.pools.get(operation.slot, project.datasets[0] if operation.slot == "dataset" else MISSING)
            if pool != MISSING:
                where = project
                holder = replace(holder, actor=world.actors.variant(holder.actor, operation.slot, pool))
        elif operation.slot not in world.actors[holder.actor].pools:
            pool = world.pool([f"{operation.slot}/{where.name}"], where.name)
            holder = replace(holder, actor=world.actors.variant(holder.actor, operation.slot, pool))
        pool = world.actors[holder.actor].pools.get(operation.slot, MISSING)
        places = world.projects_of(pool) or {where.name}
        place = where.name if where.name in places else min(places)
        if len(places) > 1:
            pool = world.owned(pool, place)
            holder = replace(holder, actor=world.actors.variant(holder.actor, operation.slot, pool))
        allowed = operation.service in UNGUARDED or allows(
            world.entitlements.of(identity), operation.service, operation.access, place
        )
        how = self._platform.outcome() if allowed else DENIED
        now = self._platform.now
        row = StageRow(
            holder,
            stage=self._stage,
            activity=world.activities.single(operation).code,
            start=now + after,
            duration=duration,
            events=count,
            outcome=how,
        )
        self._record(row, now)

    def start_up(self, activity: Activity, u: float, at: int | None = None) -> int:
        """Record a start-up flow that begins now, or later, `at` a time; returns how long it takes (microseconds).

        What starts again has a credential session of its own.  It is over when the session also has what is exchanged
        for its first token.
        """
        now = self._platform.now if at is None else at
        if not self._held:
            holder = self._holder
            again = NEXT_START if self._stage else 0
            self._holder = replace(holder, session=holder.session + again, anchor=now)
            if at is None:
                self._trace.holder = self._holder
        duration = start_up_length(u)
        row = StageRow(
            self._holder,
            stage=self._stage,
            activity=activity.code,
            start=now,
            duration=duration,
            events=len(activity.operations),
            outcome=self._platform.outcome(),
        )
        self._platform.emit(row)
        self._stage += 1
        self._trace.flow = activity
        self._note(row)
        if self._held:
            return duration
        self.workload.sessions.start(self._holder.session, now, now + duration)
        return max(duration, self._keep(now, now))

    def renew(self, until: int) -> None:
        """Record what keeps its credentials alive from now to `until`, even if it does nothing else till then."""
        if self._stage:  # before that, its start-up flow obtains them
            self._keep(self._platform.now, until)
            self.workload.traces.extend(self._trace, until)

    def _keep(self, now: int, until: int) -> int:
        """Keep its credentials alive; how long it takes to obtain those that are needed right now."""
        if self._held:
            return 0
        pause, rows = self.workload.sessions.keep(self._holder, now, until)
        for row in rows:
            self._platform.emit(row)
            self._trace.note(row.events, row.duration)
        return pause

    def _record(self, row: StageRow, now: int) -> None:
        """Record a stage; it waits for the credentials that it needs, and ends when it was meant to."""
        pause = self._keep(now, row.start + row.duration + row.span + SLACK)
        if pause or row.duration < 1:
            row = replace(row, start=row.start + pause, duration=max(row.duration - pause, 1))
        self._platform.emit(row)
        if not self._stage:
            self._trace.submitted = row
        self._stage += 1
        self._note(row)

    def _note(self, row: StageRow) -> None:
        """Note what it is doing, and how much."""
        trace, each = self._trace, self._platform.world.activities.coded(row.activity).per_task
        pause, trace.acted = max(row.start - (trace.acted or row.start), 0), row.start + row.duration + row.span
        self.workload.traces.extend(trace, trace.acted)
        if row.span and each:
            trace.grouped, trace.span = each, row.span
            trace.note(row.events, row.span * row.events // each)
        else:
            trace.note(row.events, row.duration, pause)

    def explore(self, activity: Activity, draws: Exploration, tasks: int | None = None, within: int = HOUR) -> None:
        """Now and then, also touch something new to the workload.

        `tasks` is how many tasks the workload has behind it (default: this task's number); it is over `within`
        microseconds.
        """
        novelty = self._platform.novelty
        if draws.chance >= novelty.chance(self.number if tasks is None else tasks):
            return
        world, identity, project = self._platform.world, self.workload.identity, self.workload.project
        refused = False
        if draws.elsewhere < novelty.elsewhere:
            # mostly where permissions reach, else anywhere: and where they do not, it is refused
            within_reach = {
                g.project for g in world.entitlements.of(identity) if (g.service, g.access) == ("s3", "read")
            }
            known = [p for p in world.projects if p.name in within_reach]
            choice = known if known and draws.amount >= novelty.refused else world.projects
            project = choice[int(draws.project * len(choice))]
            refused = project.name not in within_reach
        items = world.pools.items(project.datasets[int(draws.dataset * len(project.datasets))])
        few = world.pools.add(items[: 1 + int(draws.amount * min(len(items), 6))])
        duration = min((20 + round(300 * draws.amount)) * SECOND, within)
        self.log(activity, duration, 1 + round(6 * draws.dataset), outcome=DENIED if refused else None, data=few)
