"""Baselines of activities: what an identity does (an operation) and where (a project), hour by hour.

An identity as a whole is too coarse: a hundred calls drown in the thousands that a shared account makes in an hour.
Each of its activities has a level of its own: the mean of the logarithm (to base 2) of its count in hours that have
any, shrunk towards the fleet's level of that operation, and a little towards the level at this time of day; a spread
likewise; and how many hours have any at all.  Memory fades with a half-life.  Levels settle when the hour of arrival
changes, so that no score depends on how the stream was cut.  A step is clipped, so that one burst does not teach.

>>> from scopedrift.detectors.conformance.sample import sample_log
>>> from scopedrift.detectors.toolkit.activities import ActivityBaselines
>>> from scopedrift.detectors.toolkit.columns import segments
>>> from scopedrift.simulator.log.events import HOUR
>>> batch = sample_log(600).batch(0, 600)
>>> baselines = ActivityBaselines(half_life=24.0 * 14, shrink=3.0, floor=0.7)
>>> for start, stop, hour in segments(batch["arrived"], HOUR):
...     baselines.turn(hour)
...     running = baselines.follow(batch, start, stop)
>>> bits = baselines.above(running, volume=0.5)  # for each event of the last hour, in the order of `running.order`
>>> bits.shape == (stop - start,), bool((bits >= 0).all())
(True, True)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.toolkit.columns import column, sorted_by
from scopedrift.detectors.toolkit.hashing import HashTable, greater_half, grown, mix
from scopedrift.simulator.log.events import Array, EventBatch

MEGABYTE = 1e6
MOST_BYTES = 1 << 44
"""Bytes that one call counts for at most: no absurd size may overflow a sum."""
LIMIT = 1_000_000
"""Activities that are remembered; `forget` drops the half that was shown least lately."""
_DENSE = 23  # bits of the codes of an activity up to which they are looked up in an array
_PARTS = 8  # of a day, each with a level of its own
_SHIFT = 0.1  # share of an hour's surplus that moves the level of its part of the day (assumed)
_CLIP = 3.0  # spreads that one hour may count for, when it is learned from (assumed)
_KEPT = 2000.0  # hours of the fleet that its level is a mean of
_UNSEEN = 24.0  # hours that the past is longer than it was: nothing is very rare on the first day (assumed)
_BITS = 2**0.5 / np.log(2.0)  # a spread, if the tail of the logarithm is exponential (Laplace): of the count a power
_SPREAD = 1.0  # variance of the logarithm where nothing is known yet (assumed)


@dataclass(frozen=True)
class Running:
    """Events of one hour, sorted by activity; `count` and `moved` include what the hour showed before them."""

    order: Array
    rows: Array
    """The row of each group's activity."""
    lengths: Array
    """The number of events of each group."""
    count: Array
    """Events of the activity since the full hour, this one included (in sorted order)."""
    moved: Array | None
    """Bytes likewise, if the log has them."""

    def at(self, position: int) -> tuple[int, int, int]:
        """Row, events and bytes of the event at this position of what was counted."""
        at = int(np.flatnonzero(self.order == position)[0])
        row = int(self.rows[np.searchsorted(np.cumsum(self.lengths), at, side="right")])
        return row, int(self.count[at]), 0 if self.moved is None else int(self.moved[at])


class ActivityBaselines:
    """What is known of each activity, and its counts in the hour so far; arrays have one entry per activity (a row).

    Call `turn` when the hour of arrival changes, then `follow` with the events of that hour, then `above`.
    """

    def __init__(self, half_life: float, shrink: float, floor: float) -> None:
        """Half-life in hours; `shrink`: active hours that the fleet's level weighs; `floor`: least spread, in bits."""
        self._half_life, self._shrink, self._floor = half_life, shrink, floor**2
        self._table = HashTable()
        self._bits = [1, 1, 1]  # width of the codes of identity, operation and project
        self._known = np.empty(0, np.int32)  # the row of each combination of codes, -1 where there is none
        self.hour = self._first = -1
        self.stamp = np.zeros(0, np.int64)
        """The last hour that showed the activity."""
        self.events, self.bytes = Quantity(1.0), Quantity(1.0 / MEGABYTE)
        self._kind = np.zeros(0, np.int64)  # code of the operation + 1
        self._hours = np.zeros(0)  # active hours, fading
        self._shift = np.zeros((0, _PARTS), np.float32)  # how far the level of each part of a day is above it
        self._fleet_hours = np.zeros(0)

    def __len__(self) -> int:
        return len(self._table)

    def shown(self) -> Array:
        """The rows that this hour has shown."""
        return np.flatnonzero(self.stamp[: len(self)] == self.hour)

    def turn(self, hour: int) -> None:
        """A new hour begins; what the last one showed is learned."""
        shown = self.shown()
        if self.hour >= 0 and len(shown):
            self._learn(shown)
        if hour // 24 > self.hour // 24:
            self._hours *= 0.5 ** ((hour // 24 - self.hour // 24) * 24 / self._half_life)
        self._first = hour if self._first < 0 else self._first
        self.hour = hour

    def above(self, running: Running, volume: float) -> Array:
        """How far each event's count (or bytes, times `volume`) is above the usual, in bits of surprise, at least 0.

        Float32, in the order of `running.order`.
        """
        rows, lengths = running.rows, running.lengths
        above = self.events.above(running.count, self.level(rows), rows, lengths)
        if running.moved is not None and volume:
            moved = self.bytes.above(running.moved, self.bytes.level[rows], rows, lengths)
            moved *= np.float32(volume)
            np.maximum(above, moved, out=above)
        return np.asarray(np.maximum(above, np.float32(0.0), out=above))

    def so_far(self, rows: Array, volume: float) -> Array:
        """The same for what the hour has shown of these rows so far, one value per row."""
        moved = self.bytes.so_far[rows] if volume else None
        return self.above(Running(rows, rows, np.ones(len(rows), np.int64), self.events.so_far[rows], moved), volume)

    def level(self, rows: Array) -> Array:
        """The usual logarithm of the events of an active hour at this time of day."""
        return np.asarray(self.events.level[rows] + self._shift[rows, self._part])

    def rarity(self, rows: Array) -> Array:
        """How rare the hours are in which the identity does this at all, in bits, over the (fading) past."""
        past = self._half_life / np.log(2.0) * (1.0 - 0.5 ** ((self.hour - self._first) / self._half_life))
        share = (np.minimum(self._hours[rows], past) + 1.0) / (past + _UNSEEN)
        return np.asarray(-np.log2(share.astype(np.float32)))

    def follow(self, batch: EventBatch, start: int, stop: int) -> Running:
        """Counts these events, which lie in the current hour."""
        who, what, where = (_codes(batch, name, start, stop) for name in ("identity", "operation", "project"))
        row = self._rows(who, what, where)
        order = sorted_by(row)
        row = row.take(order)
        edges = np.empty(len(row) + 1, bool)
        edges[0] = edges[-1] = True
        np.not_equal(row[1:], row[:-1], out=edges[1:-1])
        (starts,) = edges.nonzero()
        lengths, starts = starts[1:] - starts[:-1], starts[:-1]
        rows = row[starts]
        self._open(rows, what.take(order.take(starts)))
        count = np.arange(1, len(row) + 1, dtype=np.int32)
        count += (self.events.so_far[rows] - starts).astype(np.int32).repeat(lengths)
        self.events.so_far[rows] += lengths
        size, moved = column(batch, "bytes"), None
        if size is not None:
            moved = size[start:stop].take(order)
            np.maximum(moved, 0, out=moved)
            np.minimum(moved, MOST_BYTES, out=moved).cumsum(out=moved)
            ends = starts + lengths - 1
            before = self.bytes.so_far[rows]
            before[1:] -= moved[ends[:-1]]
            moved += before.repeat(lengths)
            self.bytes.so_far[rows] = moved[ends]
        return Running(order, rows, lengths, count, moved)

    def forget(self) -> Array | None:
        """Beyond `LIMIT` rows, drops the half that was shown least lately; gives a mask of those that stay.

        `None` if all stay.
        """
        size = len(self)
        if size <= LIMIT:
            return None
        kept = greater_half(self.stamp[:size])
        self._table.keep(kept)
        self._known = self._known[:0]
        for owner, name in self._state():
            setattr(owner, name, getattr(owner, name)[:size][kept])
        return kept

    def _rows(self, who: Array, what: Array, where: Array) -> Array:
        """The row of each event's activity: looked up by its codes where these are few, by their fingerprint else."""
        codes = (who, what, where)
        bits = [max(b, int(c.max(initial=0)).bit_length() + 1) for b, c in zip(self._bits, codes, strict=True)]
        if bits != self._bits or not len(self._known):
            self._bits = bits
            self._known = np.full(1 << sum(bits) if sum(bits) <= _DENSE else 1, -1, np.int32)
        if sum(bits) > _DENSE:
            return self._table.add(mix(*codes))
        key = who + 1
        for code, width in zip(codes[1:], bits[1:], strict=True):
            key <<= width
            key += code
            key += 1
        row = self._known.take(key)
        (new,) = (row < 0).nonzero()
        if len(new):
            row[new] = self._known[key[new]] = self._table.add(mix(*(code[new] for code in codes)))
        return row

    def _state(self) -> list[tuple[object, str]]:
        own = ("stamp", "_kind", "_hours", "_shift")
        each = ("so_far", "level", "spread", "mean", "variance")
        return [(self, n) for n in own] + [(quantity, n) for quantity in (self.events, self.bytes) for n in each]

    @property
    def _part(self) -> int:
        return self.hour % 24 * _PARTS // 24

    def _open(self, rows: Array, operation: Array) -> None:
        """Those of the rows that this hour has not shown yet begin at nothing; new ones take the fleet's level."""
        if len(self) > len(self.stamp):
            for owner, name in self._state():
                setattr(owner, name, grown(getattr(owner, name), len(self), -1 if name == "stamp" else 0))
        last = self.stamp[rows]
        restarted = rows[last != self.hour]
        self.stamp[restarted] = self.hour
        self.events.so_far[restarted] = self.bytes.so_far[restarted] = 0
        (new,) = (last < 0).nonzero()
        if len(new):
            rows, kind = rows[new], operation[new] + 1
            self._kind[rows] = kind
            self._fleet_hours = grown(self._fleet_hours, int(kind.max()) + 1)
            for quantity in (self.events, self.bytes):
                quantity.settle(rows, kind, np.zeros(len(rows)), self._floor)

    def _learn(self, rows: Array) -> None:
        """The hour is over: what these rows showed becomes part of what is usual."""
        hours, kind = self._hours[rows] + 1.0, self._kind[rows]
        self._hours[rows] = hours
        counts = np.bincount(kind, minlength=len(self._fleet_hours))
        self._fleet_hours = np.minimum(self._fleet_hours + counts, _KEPT)
        fleet_rate = np.minimum(counts / np.maximum(self._fleet_hours, 1.0), 1.0)
        for quantity in (self.events, self.bytes):
            surplus = quantity.learn(rows, kind, 1.0 / hours, counts, fleet_rate)
            quantity.settle(rows, kind, hours / (hours + self._shrink), self._floor)
            if quantity is self.events:
                shift = self._shift[rows, self._part]
                self._shift[rows, self._part] = shift + _SHIFT * (surplus - shift)


class Quantity:
    """Events or bytes: sums of the hour so far, and level and spread of their logarithm, one entry an activity."""

    def __init__(self, unit: float) -> None:
        self._unit = unit
        self.so_far = np.zeros(0, np.int64)
        self.level, self.spread = np.zeros(0, np.float32), np.zeros(0, np.float32)
        self.mean, self.variance = np.zeros(0), np.zeros(0)
        self._fleet_mean, self._fleet_variance = np.zeros(0), np.zeros(0)

    def logarithm(self, amounts: Array) -> Array:
        """To base 2, of events or of one megabyte more."""
        scaled = amounts.astype(np.float32)
        if self._unit != 1.0:
            scaled *= np.float32(self._unit)
            scaled += np.float32(1.0)
        return np.asarray(np.log2(scaled, out=scaled))

    def above(self, amounts: Array, level: Array, rows: Array, lengths: Array) -> Array:
        """How far amounts (`lengths` of each row) are above the level of their row, in bits; negative below."""
        scale = np.float32(_BITS) / self.spread[rows]
        above = self.logarithm(amounts)
        above *= scale.repeat(lengths)
        above -= (scale * level).repeat(lengths)
        return above

    def learn(self, rows: Array, kind: Array, rate: Array, counts: Array, fleet_rate: Array) -> Array:
        """Learns from the hour, as far as it is believed; gives how far its logarithms are above the level."""
        level, reach = self.level[rows], _CLIP * self.spread[rows]
        surplus = np.clip(self.logarithm(self.so_far[rows]) - level, -reach, reach)
        amounts = level + surplus.astype(np.float64)
        mean = self.mean[rows]
        step = amounts - mean
        self.mean[rows] = mean + rate * step
        variance = self.variance[rows]
        self.variance[rows] = variance + rate * ((1.0 - rate) * step**2 - variance)
        self._learn_fleet(kind, amounts, counts, fleet_rate)
        return np.asarray(surplus)

    def settle(self, rows: Array, kind: Array, own: Array, floor: float) -> None:
        """Takes level and spread from what was learned; `own` weighs a row's own past against the fleet's."""
        size = int(kind.max()) + 1
        self._fleet_mean = grown(self._fleet_mean, size)
        self._fleet_variance = grown(self._fleet_variance, size, _SPREAD)
        fleet = 1.0 - own
        self.level[rows] = own * self.mean[rows] + fleet * self._fleet_mean[kind]
        self.spread[rows] = np.sqrt(own * self.variance[rows] + fleet * self._fleet_variance[kind] + floor)

    def _learn_fleet(self, kind: Array, amounts: Array, counts: Array, rate: Array) -> None:
        size, each = len(counts), np.maximum(counts, 1)
        mean = np.bincount(kind, amounts, size) / each
        square = np.bincount(kind, amounts**2, size) / each
        self._fleet_mean = grown(self._fleet_mean, size)
        self._fleet_variance = grown(self._fleet_variance, size, _SPREAD)
        step = mean - self._fleet_mean[:size]
        within = np.maximum(square - mean**2, 0.0) + (1.0 - rate) * step**2
        self._fleet_mean[:size] += rate * step
        self._fleet_variance[:size] += rate * (within - self._fleet_variance[:size])


def _codes(batch: EventBatch, name: str, start: int, stop: int) -> Array:
    codes = column(batch, name)
    return np.full(stop - start, -1, np.int32) if codes is None else codes[start:stop]
