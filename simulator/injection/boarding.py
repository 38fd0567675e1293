"""How an incident comes to a ride: it waits for a task that is alive, or starts one as tasks of the kind start.

Who is inside a workload acts in its tasks while they live, and starts one where none does, or to run another image.  A
copied credential is of use only in the session that it was copied from.  Who obtains credentials itself starts tasks
of its own.

Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import simpy
from msgspec import structs

from scopedrift.scenarios.catalogue import Technique
from scopedrift.simulator.expansion.activities import Activity
from scopedrift.simulator.expansion.numbers import INCIDENT_STAGES
from scopedrift.simulator.expansion.rows import StageRow
from scopedrift.simulator.injection.foothold import WorldFoothold, fit
from scopedrift.simulator.injection.plan import IncidentPlan
from scopedrift.simulator.injection.rides import INCIDENT_TAGS, OWN_SESSIONS, PER_INCIDENT, Ride, model_of, task_number
from scopedrift.simulator.injection.tempo import between
from scopedrift.simulator.log.events import HOUR, MINUTE, SECOND
from scopedrift.simulator.randomness import key
from scopedrift.simulator.runtime.platform import Platform, Process
from scopedrift.simulator.runtime.tasks import start_up_length
from scopedrift.simulator.world.sessions import NEXT_START
from scopedrift.simulator.world.traces import TaskTrace
from scopedrift.simulator.world.workload import Workload

PATIENCE: Final = 48 * HOUR
"""How long a thief waits for a credential that still works for a while (assumed)."""
FRESH: Final = 0.5
"""It copies one that has at least this share of its life before it (assumed)."""
COVER: Final = 12 * HOUR
"""How long an adversary waits for a task of the victim to hide in (assumed)."""
LOOK: Final = (MINUTE / 4, 4 * MINUTE)
"""How often it looks whether there is one: between these (assumed)."""
TURNS: Final = 12
"""A task of an incident's own starts together with one of the victim's next so many (assumed)."""
REST: Final = 8 * HOUR
"""How long it waits for that one before it starts anyway, at first (assumed)."""
SOON: Final = (1 / 8, 1.0)
"""The same later on: such a share of a stage and its wait, at strength 0 and 1 (assumed)."""
BRIEF: Final = 2 * SECOND
"""A task that ends sooner is not joined (assumed)."""
APART: Final = (1.2, 1.6)
"""Calls follow so many times further apart than in the model: in tasks of its own and in those that mostly wait, and
in others', whose calls come between (assumed)."""
SPARE: Final = 0.5
"""A task that serves others takes half as many injected events as it has had events of its own (assumed)."""
WARM: Final = 5 * MINUTE
"""A session that it opened serves its next task, where tasks share sessions, if it was used so lately (assumed)."""


class Boarding:
    """One incident's way from ride to ride."""

    def __init__(self, platform: Platform, plan: IncidentPlan, rng: np.random.Generator) -> None:
        self._platform = platform
        self._world = platform.world
        self._plan = plan
        self._rng = rng
        self._key = key(platform.world.seed, "incident", plan.name)
        self._started = 0

    # --- whose credential to copy

    def worth_robbing(self, candidates: Sequence[Workload]) -> list[Workload]:
        """Those with a credential that never ends, or is in so much use now that the incident's would be a part.

        If there are none, those with one in use; else all.
        """
        lasting = [w for w in candidates if w.identity.made_at >= 0]
        used = {w.name: self._uses(w) for w in candidates if w.identity.made_at < 0}
        for least in (self._plan.events, 0.0):
            if found := lasting + [w for w in candidates if used.get(w.name, 0.0) > least]:
                return found
        return list(candidates)

    def _uses(self, workload: Workload) -> float:
        """The events that its busiest session may be expected to have between one credential and the next."""
        uses: dict[int, float] = {}
        for trace in workload.traces.live(self._platform.now):
            session, share = trace.holder.session, workload.identity.half_life / max(trace.until - trace.begun, 1)
            uses[session] = uses.get(session, 0.0) + trace.events * min(share, 1.0)
        return max(uses.values(), default=0.0)

    def rob(self, hold: WorldFoothold) -> Process:
        """Copy a credential of a task that is alive, once one has enough of its life before it."""
        least = FRESH * hold.identity.half_life

        def left(trace: TaskTrace) -> int:
            return hold.identity.issued(trace.holder.anchor, self._platform.now)[1] - self._platform.now

        def fresh() -> list[TaskTrace]:
            live = [t for t in hold.workload.traces.live(self._platform.now) if t.kind in hold.kinds]
            return [t for t in live if left(t) >= least]

        found = yield from self._moment(fresh, hold.workload, hold.kinds, self._platform.now + PATIENCE)
        if found:
            hold.bound_to(found[int(self._rng.random() * len(found))], self._platform.now)
        else:  # nothing to copy any more
            hold.expires = self._platform.now

    # --- where to act

    def wait_for_cover(self, hold: WorldFoothold, technique: Technique) -> Process:
        """With a chance of the strength: wait for a task of the victim that does such things anyway."""
        if not hold.inside or hold.image is not None or self._rng.random() >= self._plan.spec.strength:
            return
        fits = {kind: fit(self._world, kind, [technique]) for kind in hold.kinds}
        best = max(fits.values())

        def covers() -> list[TaskTrace]:
            return [trace for trace in self._live(hold) if fits[trace.kind] >= best]

        found = yield from self._moment(
            covers, hold.workload, [kind for kind in fits if fits[kind] >= best], self._platform.now + COVER
        )
        if found and (ride := self._join(hold, found[int(self._rng.random() * len(found))])).takes(self._platform.now):
            hold.ride = ride

    def board(self, hold: WorldFoothold, truth: int, by: int) -> Process:
        """Be in something that is alive; in nothing, if what is held has ended or it is too late."""
        hold.ride = None
        joins = (hold.inside and hold.image is None) or hold.expires >= 0
        starts = hold.expires < 0 and self._plan.spec.entry.foothold != "task"
        last = min(by, hold.expires) if hold.expires >= 0 else by
        while self._platform.now < last:
            found = self._live(hold) if joins else []
            if not found and not starts:
                found = yield from self._moment(lambda: self._live(hold), hold.workload, hold.kinds, last)
            if found:
                ride = self._join(hold, found[int(self._rng.random() * len(found))])
                if ride.takes(self._platform.now):
                    hold.ride = ride
                    return
            if starts:
                yield from self._others(hold, last)
                yield from self._start(hold, truth)
                return
            yield self._look()

    def _moment(
        self, found: Callable[[], list[TaskTrace]], workload: Workload, kinds: Sequence[str], last: int
    ) -> Generator[simpy.Event, object, list[TaskTrace]]:
        """What is found now; or else at a moment of the time in which something is.

        The beginning of that time would be where tasks are young.
        """
        if seen := found():
            return seen
        like = model_of(self._world, workload, kinds, self._rng)
        left = round(self._rng.random() * like.length) if like else 0
        while self._platform.now < last:
            before = self._platform.now
            yield self._look()
            if seen := found():
                left -= self._platform.now - before
                if left <= 0:
                    return seen
        return []

    def _others(self, hold: WorldFoothold, last: int) -> Process:
        """Wait until a task of the kind begins, as most do at busy times: one of the next few, or a later one.

        For tasks after the first, who is in a hurry does not wait for long.
        """
        turns, longest = 1 + int(TURNS * self._rng.random()), float(REST)
        if self._started:
            hurried, patient = SOON
            longest = hurried * (patient / hurried) ** self._plan.spec.strength * self._plan.stage_length
        last = min(last, self._platform.now + round(longest))
        half = (self._platform.now + last) // 2
        while self._platform.now < last:
            began = self._platform.env.event()
            hold.workload.traces.watch(hold.kinds, began.succeed)
            yield began | self._platform.wait(last - self._platform.now)
            turns -= 1
            if turns == 0 or self._platform.now >= half:
                return

    def _look(self) -> simpy.Event:
        return self._platform.wait(round(between(*LOOK, self._rng)))

    def _live(self, hold: WorldFoothold) -> list[TaskTrace]:
        """The tasks that it could be in now."""
        live = [trace for trace in hold.workload.traces.live(self._platform.now + BRIEF) if trace.ready]
        if hold.expires >= 0:
            return [trace for trace in live if trace.holder.session == hold.session]
        return [trace for trace in live if trace.kind in hold.kinds]

    def _join(self, hold: WorldFoothold, trace: TaskTrace) -> Ride:
        """In a task that is alive; beside it in its session, where it is short and one of many."""
        model = model_of(self._world, hold.workload, [trace.kind], self._rng)
        assert model is not None, "the task itself is known"
        until = min(trace.until, hold.expires) if hold.expires >= 0 else trace.until
        holder, actor = trace.holder, hold.acting(self._world, trace.holder.actor, self._key)
        room, apart = model.size - trace.events, APART[1]
        if trace.shares and not trace.grouped:  # it serves for as long as the workload does, and mostly waits
            room, apart = max(room, round(SPARE * trace.events)), APART[0]
        gap = _gap(model, apart)
        ride = Ride(actor, holder.job, holder.session, holder.anchor, holder.behalf, until, room, False, gap)
        if trace.grouped:
            until = min(until, self._platform.now + trace.span)
            return replace(ride, job=self._number(trace), until=until, room=trace.grouped, own=True)
        return ride

    def _number(self, model: TaskTrace) -> int:
        self._started += 1
        return task_number(self._key % INCIDENT_TAGS, self._started, model)

    def _start(self, hold: WorldFoothold, truth: int) -> Process:
        """Start a task as those of its kind start: the same first calls, a credential of its own."""
        world, workload, now = self._world, hold.workload, self._platform.now
        like = model_of(world, workload, hold.kinds, self._rng, started=True)
        model = like and (model_of(world, workload, [like.kind], self._rng) or like)
        assert like is not None and model is not None, "who has run has had a task"
        actor = hold.acting(world, workload.actors[like.kind], self._key)
        job, opened, length = self._number(like), hold.opened, max(model.length, BRIEF)
        session = workload.session(OWN_SESSIONS + self._key % INCIDENT_TAGS * PER_INCIDENT + self._started)
        ride = Ride(
            actor,
            job,
            session,
            anchor=now,
            behalf=like.holder.behalf,
            until=now + length,
            room=model.size,
            renews=not like.borrows,
            gap=_gap(model, APART[0]),
            own=True,
        )
        if like.borrows:
            ride = replace(ride, session=like.holder.session, anchor=like.holder.anchor)
        warm = like.shares and ride.renews and opened is not None and now < opened.until + WARM
        if warm and opened is not None:
            ride = replace(ride, session=opened.session, anchor=opened.anchor)
        elif like.flow is not None:
            if like.submitted is not None:
                yield from self._submit(hold, ride, like.submitted, truth)
                ride = replace(ride, anchor=self._platform.now, until=self._platform.now + length)
            events, pause = self._start_up(hold, ride, like.flow, truth)
            yield self._platform.wait(pause)
            ride = replace(ride, until=max(ride.until, self._platform.now + BRIEF), room=max(ride.room - events, 1))
        hold.ride = hold.opened = ride

    def _submit(self, hold: WorldFoothold, ride: Ride, like: StageRow, truth: int) -> Process:
        """Log what somebody does so that the task will run, under a credential of its own."""
        holder = structs.replace(ride.holder(self._world, ride.actor, truth), session=ride.session + NEXT_START)
        pause, rows = hold.sessions.keep(holder, self._platform.now, self._platform.now + like.duration)
        lasts = pause + like.duration
        row = structs.replace(like, holder=holder, stage=INCIDENT_STAGES.end - 2, start=self._platform.now + pause)
        for each in (*rows, structs.replace(row, outcome=self._platform.outcome())):
            self._platform.emit(each)
        yield self._platform.wait(lasts)

    def _start_up(self, hold: WorldFoothold, ride: Ride, flow: Activity, truth: int) -> tuple[int, int]:
        """Log a start-up flow; returns its events, and how long it takes until the task can act."""
        now, lasts = self._platform.now, start_up_length(self._rng.random())
        holder = ride.holder(self._world, ride.actor, truth)
        events = len(flow.operations)
        row = StageRow(holder, INCIDENT_STAGES.end - 1, flow.code, now, lasts, events, outcome=self._platform.outcome())
        self._platform.emit(row)
        if not ride.renews:
            return events, lasts
        hold.sessions.start(ride.session, now, now + lasts)
        pause, rows = hold.sessions.keep(holder, now, now)
        for each in rows:
            self._platform.emit(each)
        return events, max(lasts, pause)


def _gap(model: TaskTrace, apart: float) -> int:
    """Microseconds between the calls of a ride that is like a task."""
    return model.gap if model.grouped else round(apart * model.gap)
