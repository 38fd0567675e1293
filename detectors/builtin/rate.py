"""Rate and volume: an identity does more of one thing in this hour, or moves more bytes, than it usually does.

A thing is an operation in a project (`toolkit.activities`): counted one by one, a hundred calls show that would drown
in all that a busy identity does.  Every event is compared with the number of such events (and bytes) since the full
hour, its own included: so a score only looks back, and rises while a burst lasts.  Counts have heavy tails, so the
distance from the usual level is taken on the logarithm and its tail falls exponentially there (a power of the
count).  The score is the surprise in bits: that the identity does this in an hour at all, and then so much of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.activities import MEGABYTE, ActivityBaselines, Running
from scopedrift.detectors.toolkit.columns import chunks, column, segments, texts
from scopedrift.simulator.log.events import HOUR, EventBatch

_LEAST_TOLD = 0.05
"""Megabytes below which sizes are not worth a word."""


@dataclass
class Rate(Detector):
    """Scores bursts of events or bytes against what the identity usually does of the same, hour by hour."""

    half_life: float = param(14.0, 1.0, 90.0, log=True, doc="days in which what was usual fades to half")
    shrink: float = param(3.0, 0.5, 32.0, log=True, doc="hours that the fleet's level of an operation weighs")
    floor: float = param(0.7, 0.1, 3.0, log=True, doc="least spread of an hour's count, as a power of two")
    rarity: float = param(1.0, 0.0, 2.0, doc="weight of how seldom the identity does this at all")
    volume: float = param(0.5, 0.0, 2.0, doc="weight of bytes against events")

    name = "rate"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history and ends in the state that scoring it would have reached."""
        self._activities = ActivityBaselines(24.0 * self.half_life, self.shrink, self.floor)
        for part in chunks(history):
            self.score(part)

    def score(self, batch: EventBatch) -> Scores:
        """Bits of surprise; abstains on events without an identity."""
        self._judged: list[tuple[int, Running]] = []
        scores = np.full(len(batch), np.nan)
        identity = column(batch, "identity")
        if identity is None:
            return scores
        for start, stop, hour in segments(batch["arrived"], HOUR):
            if hour != self._activities.hour:
                self._activities.turn(hour)
                self._activities.forget()
            running = self._activities.follow(batch, start, stop)
            self._judged.append((start, running))
            bits = self._activities.above(running, self.volume)
            bits += (np.float32(self.rarity) * self._activities.rarity(running.rows)).repeat(running.lengths)
            scores[start:stop][running.order] = bits.astype(np.float64)
        if len(identity) and int(identity.min()) < 0:
            scores[identity < 0] = np.nan
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Compares this hour so far with the usual hour."""
        who, operation, project = texts(batch, ("identity", "operation", "project"), np.array([row]))[0]
        start, running = next(((n, r) for n, r in self._judged if n <= row < n + len(r.order)), (0, None))
        if who is None or running is None:
            return "not judged"
        known, count, moved = running.at(row - start)
        (level,), (rarity,) = self._activities.level(np.array([known])), self._activities.rarity(np.array([known]))
        sizes = moved / MEGABYTE, 2.0 ** self._activities.bytes.level[known] - 1.0
        told = max(sizes) >= _LEAST_TOLD
        did, usual = (f" and moved {sizes[0]:.1f} MB", f" and {sizes[1]:.1f} MB are") if told else ("", " is")
        hour = int(batch["arrived"][row] // HOUR % 24)
        return (
            f"{who} did {operation or 'an unnamed operation'} in {project or 'some project'} {_times(count)}{did} "
            f"in the hour from {hour:02d}:00; where it does so at all (in one of {2.0**rarity:.0f} hours), "
            f"{_times(2.0**level)}{usual} usual"
        )


def _times(count: float) -> str:
    return "once" if round(count) == 1 else f"{count:.0f} times"
