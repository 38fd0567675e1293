"""Rate and volume: an identity does more in this hour, or moves more bytes, than it does at this time of day.

Every event is compared with the number of events (and bytes) of its identity since the full hour, its own
included: so a score only looks back, and rises while a burst lasts.  What is usual comes from the baseline,
per identity and hour of day (with the hours beside it), as median and spread; after every day the level moves
a little towards what that day showed, at most by a clipped step, so that one burst does not teach.  An identity
without a baseline is measured by the fleet's.  Scores are numbers of spreads above the usual level, 0 if below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors._columns import column, grouped, segments, text
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.events import DAY, HOUR, Array, EventBatch

_HOURS = 24
_MEMORY_HOURS = 28 * 24
_BLOCK = 1000
_MEGABYTE = 1e6


@dataclass
class Rate(Detector):
    """Scores bursts of events or bytes against the identity's usual level at this hour of day."""

    learning: float = param(0.1, 0.0, 0.5, doc="share of a day's clipped deviation that moves the usual level")
    burstiness: float = param(1.0, 0.0, 4.0, doc="weight of the identity's own ordinary bursts in its spread")
    volume: float = param(1.0, 0.0, 4.0, doc="weight of bytes against events")

    name = "rate"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Learns level and spread per identity and hour of day."""
        self._today = -1
        self._size = 0  # identities there is room for
        self._met = 0  # identities seen so far
        self._count = _Usual(1.0)
        self._bytes = _Usual(_MEGABYTE)
        identity, size = column(history, "identity"), column(history, "bytes")
        if identity is None or not np.any(identity >= 0):
            return
        hours = history["arrived"] // HOUR
        begin = max(0, int(np.searchsorted(hours, int(hours[-1]) - _MEMORY_HOURS + 1)))
        last = int(identity.max(initial=-1)) + 1
        self._reserve(last)
        first_hour = int(hours[begin])
        width = int(hours[-1]) - first_hour + 1
        here = begin + np.flatnonzero(identity[begin:] >= 0)
        cell = identity[here].astype(np.int64) * width + (hours[here] - first_hour)
        self._count.learn(np.bincount(cell, minlength=last * width).reshape(last, width), first_hour, self.burstiness)
        if size is not None:
            moved = np.bincount(cell, np.maximum(size[here], 0), minlength=last * width).reshape(last, width)
            self._bytes.learn(moved, first_hour, self.burstiness)
        # what the last, unfinished day has shown so far counts on
        today = int(np.searchsorted(history["arrived"], int(hours[-1]) // _HOURS * DAY))
        self.score(history.slice(today, len(history)))

    def score(self, batch: EventBatch) -> Scores:
        """Spreads above the usual level; abstains on events without an identity."""
        identity = column(batch, "identity")
        if identity is None:
            return np.full(len(batch), np.nan)
        size = column(batch, "bytes")
        scores = np.empty(len(batch))
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._today:
                self._turn(day)
            part = slice(start, stop)
            hours = (batch["arrived"][part] - day * DAY) // HOUR
            self._day(identity[part], hours, None if size is None else size[part], scores[part])
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Compares this hour so far with the usual hour."""
        identity = int(batch["identity"][row])
        hour = int(batch["arrived"][row] // HOUR % _HOURS)
        at = hour * self._size + identity
        usual, spread = self._count.level[at], 1 / self._count.inverse[at]
        return (
            f"{text(batch, 'identity', row)} made {self._count.so_far[at]:.0f} events and moved "
            f"{self._bytes.so_far[at] / _MEGABYTE:.1f} MB in the hour from {hour:02d}:00; "
            f"usual are {usual:.0f} events (spread {spread:.0f}) and {self._bytes.level[at] / _MEGABYTE:.1f} MB"
        )

    def _turn(self, day: int) -> None:
        if self._today >= 0 and day > self._today:
            self._count.close(self.learning, self._met)
            self._bytes.close(self.learning, self._met)
        self._today = day

    def _reserve(self, identities: int) -> None:
        self._met = max(self._met, identities)
        if identities > self._size:
            size = max(identities, 2 * self._size, 64)
            self._count.reserve(size)
            self._bytes.reserve(size)
            self._size = size

    def _day(self, identity: Array, hours: Array, size: Array | None, scores: Array) -> None:
        """Scores events of one day, in order of arrival, and adds them to the day's counts."""
        self._reserve(max(1, int(identity.max(initial=-1)) + 1))
        order, starts, lengths = grouped((identity + 1) * _HOURS + hours)
        heads = order[starts]
        lost = identity[heads] < 0
        at = hours[heads] * self._size + np.maximum(identity[heads], 0)
        before = np.where(lost, 0, self._count.so_far[at]) - starts
        position = np.arange(1, len(order) + 1)
        running = position + np.repeat(before, lengths)
        z = (running - np.repeat(self._count.level[at], lengths)) * np.repeat(self._count.inverse[at], lengths)
        keep = ~lost
        ends = starts + lengths - 1
        self._count.so_far[at[keep]] = running[ends[keep]]
        if size is not None:
            moved = np.cumsum(np.maximum(size[order], 0))
            offset = np.where(lost, 0, self._bytes.so_far[at]) - np.concatenate(([0], moved))[starts]
            moved += np.repeat(offset, lengths)
            self._bytes.so_far[at[keep]] = moved[ends[keep]]
            inverse = self.volume * self._bytes.inverse[at]
            np.maximum(z, (moved - np.repeat(self._bytes.level[at], lengths)) * np.repeat(inverse, lengths), out=z)
        np.maximum(z, 0.0, out=z)
        if lost.any():
            z[np.repeat(lost, lengths)] = np.nan
        scores[order] = z


class _Usual:
    """Level and spread of one quantity per hour of day and identity (flat, hour after hour), and today's sums."""

    def __init__(self, unit: float) -> None:
        self.unit = unit
        self.size = 0
        self.so_far = np.zeros(0, np.int64)
        self.level = np.zeros(0)
        self.inverse = np.zeros(0)
        self.fleet_level, self.fleet_spread = 0.0, 10.0 * unit

    def reserve(self, size: int) -> None:
        """Makes room for `size` identities; new ones get the fleet's level and spread."""
        old = self.size
        for name, fill in (("so_far", 0), ("level", self.fleet_level), ("inverse", 1.0 / self.fleet_spread)):
            array = getattr(self, name)
            wider = np.full((_HOURS, size), fill, array.dtype)
            wider[:, :old] = array.reshape(_HOURS, old)
            setattr(self, name, wider.reshape(-1))
        self.size = size

    def learn(self, sums: Array, first_hour: int, burstiness: float) -> None:
        """Takes level and spread from hourly sums (identity x hour); hours not observed take the identity's own."""
        hour_of_day = (first_hour + np.arange(sums.shape[1])) % _HOURS
        level, spread = self.level.reshape(_HOURS, -1), 1.0 / self.inverse.reshape(_HOURS, -1)
        for begin in range(0, len(sums), _BLOCK):
            block = sums[begin : begin + _BLOCK]
            part = slice(begin, begin + len(block))
            middle = np.median(block, axis=1)
            bursts = np.maximum(np.quantile(block, 0.95, axis=1), 0.5 * block.max(axis=1)) - middle
            for hour in range(_HOURS):
                distance = np.abs((hour_of_day - hour + 12) % _HOURS - 12)
                near = block[:, distance <= 1] if np.any(distance <= 1) else block
                usual = np.median(near, axis=1)
                noise = 1.4826 * np.median(np.abs(near - usual[:, None]), axis=1)
                level[hour, part] = usual
                own = noise**2 + (burstiness * bursts) ** 2 + self.unit * usual + self.unit**2
                spread[hour, part] = np.sqrt(own)
        self.inverse = (1.0 / spread).reshape(-1)
        active = slice(0, len(sums))
        self.fleet_level = float(np.median(level[:, active]))
        self.fleet_spread = float(np.quantile(spread[:, active], 0.75))
        level[:, len(sums) :] = self.fleet_level
        self.inverse.reshape(_HOURS, -1)[:, len(sums) :] = 1.0 / self.fleet_spread

    def close(self, learning: float, identities: int) -> None:
        """The day is over: each level moves towards what it showed, by a share of at most two spreads."""
        today, level, inverse = (a.reshape(_HOURS, -1)[:, :identities] for a in (self.so_far, self.level, self.inverse))
        level += learning * np.clip(today - level, -2 / inverse, 2 / inverse)
        self.so_far[:] = 0
