"""The credential sessions of a workload: when each has to obtain what it needs again.

A session begins with a start-up flow or with its first use.  From then on, each cycle of the workload (`Cycle`) falls
due once a period, for as long as somebody acts in the session.  Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scopedrift.simulator.expansion.numbers import RENEWALS
from scopedrift.simulator.expansion.rows import RENEWED, Holder, StageRow
from scopedrift.simulator.log.events import SECOND
from scopedrift.simulator.randomness import mix
from scopedrift.simulator.world.credentials import Cycle

LEAD: Final = 2 * SECOND
"""A successor is obtained this long before it is used (assumed)."""
SOON: Final = 2
"""What is obtained when it is first needed is needed early: a uniform draw to this power, of one period (assumed)."""
PER_CYCLE: Final = 1_000_000
"""Stage numbers of the renewals of one cycle."""
NEXT_START: Final = 1 << 36
"""Between the sessions of one task that starts again."""


class Sessions:
    """Until when each session of one workload has what it needs.

    A session whose periods are all over is forgotten: should it act again, it obtains everything again either way.
    """

    __slots__ = ("_cycles", "_due", "_lazy", "_limit", "_ready")

    def __init__(self, cycles: tuple[Cycle, ...], limit: int = 64) -> None:
        """Sessions that repeat `cycles`; beyond `limit` of them, those that are over are forgotten."""
        self._cycles = cycles
        self._lazy = any(cycle.lazy for cycle in cycles)
        self._due: dict[int, list[int]] = {}
        self._ready: dict[int, int] = {}
        self._limit = limit

    def start(self, session: int, now: int, ready: int) -> None:
        """Note that a start-up flow obtains what it obtains from now on; it is over at the time `ready`."""
        self._ready[session] = ready
        self._note(session, [first + c.period if c.at_start else first for first, c in self._firsts(session, now)], now)

    def keep(self, holder: Holder, now: int, until: int) -> tuple[int, Sequence[StageRow]]:
        """What keeps the holder's session alive from `now` to `until`, to be recorded.

        The number is how long it takes to obtain what is needed right now: when the session begins, or has slept.
        """
        session, anchor = holder.session, holder.anchor
        ready, due = self._ready.get(session, now), self._due.get(session)
        pause = ready - now if ready > now else 0
        if not self._cycles or (due is not None and until < min(due)):
            return pause, ()
        if due is None:
            due = [first for first, _ in self._firsts(session, anchor)]
            self._note(session, due, now)
        rows = []
        for lane, (first, cycle) in enumerate(self._firsts(session, anchor)):
            number = (max(due[lane], now) - first) // cycle.period
            while first + number * cycle.period <= until:
                start = first + number * cycle.period - LEAD
                if start < now:
                    start = now + pause
                    pause += LEAD
                rows.append(_renewal(holder, cycle, lane, number, start))
                number += 1
            due[lane] = first + number * cycle.period
        if pause:  # whatever else of the session begins meanwhile waits for it too
            self._ready[session] = now + pause
        return pause, rows

    def _firsts(self, session: int, anchor: int) -> list[tuple[int, Cycle]]:
        """When a session needs each of its cycles first."""
        if not self._lazy:
            return [(anchor, cycle) for cycle in self._cycles]
        waits = (mix(session, lane) / 2.0**64 if cycle.lazy else 0.0 for lane, cycle in enumerate(self._cycles))
        return [(anchor + round(u**SOON * cycle.period), cycle) for u, cycle in zip(waits, self._cycles, strict=True)]

    def _note(self, session: int, due: list[int], now: int) -> None:
        if due:
            self._due[session] = due
        if len(self._due) + len(self._ready) > self._limit:
            self._due = {each: when for each, when in self._due.items() if max(when) >= now}
            self._ready = {each: when for each, when in self._ready.items() if when >= now}
            self._limit = 2 * (len(self._due) + len(self._ready)) + 64


def _renewal(holder: Holder, cycle: Cycle, lane: int, number: int, start: int) -> StageRow:
    return StageRow(
        holder,
        stage=RENEWALS.at(PER_CYCLE * lane + number),
        activity=cycle.activity.code,
        start=start,
        duration=LEAD,
        events=len(cycle.activity.operations),
        epoch=number if cycle.renews else RENEWED,
    )
