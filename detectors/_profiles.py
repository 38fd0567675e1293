"""Hourly profiles: how much of each kind of thing a task has done since the full hour.

Features are counts of what could be a step of an attack (`_steps`), of changes, of denied calls, of operations and
projects that this kind of task had not shown before today, and of all events, and the bytes moved.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.detectors._columns import column, segments, sorted_by
from scopedrift.detectors._hashing import Table, grown, mix
from scopedrift.detectors._memo import Memo
from scopedrift.detectors._steps import STEPS, steps
from scopedrift.simulator.events import DAY, HOUR, Array, EventBatch

FEATURES: Final = (*STEPS, "change", "denied", "new operations", "new places", "events", "bytes")
_CHANGE, _DENIED, _OPERATION, _PLACE, _EVENTS, _BYTES = range(len(STEPS), len(FEATURES))
_LIMIT = 2_000_000


class Profiles:
    """Running sums of each window (a task, or an identity without one) since the full hour of arrival."""

    def __init__(self) -> None:
        self._steps = steps()
        self._change = Memo(("access",), lambda facts: float(facts[0] in ("write", "create", "delete")))
        self._familiar = Table()  # operations and places of each kind of task, as of the last full day
        self._found: list[Array] = []  # those found today
        self._day = -1
        self._denied = Memo(("outcome",), lambda facts: float(facts[0] == "denied"))
        self._table = Table()  # the windows of this hour
        self._sums = np.zeros((0, len(FEATURES)), np.int64)
        self._hour = -1

    def amounts(self, batch: EventBatch, kind: Array) -> Array:
        """What each event adds to each feature; `kind` is the fingerprint of the kind of its task."""
        amounts = np.zeros((len(batch), len(FEATURES)), np.int64)
        step = self._steps.values(batch).astype(np.int64)
        named = np.flatnonzero(step >= 0)
        amounts[named, step[named]] = 1
        amounts[:, _CHANGE] = self._change.values(batch)
        amounts[:, _OPERATION], amounts[:, _PLACE] = self._unfamiliar(batch, kind)
        amounts[:, _DENIED] = self._denied.values(batch)
        amounts[:, _EVENTS] = 1
        size = column(batch, "bytes")
        if size is not None:
            amounts[:, _BYTES] = np.clip(size, 0, 1 << 44)
        return amounts

    def _unfamiliar(self, batch: EventBatch, kind: Array) -> tuple[Array, Array]:
        """Whether its kind of task had done the operation, and been in the project, of each event by the last day."""
        found = np.zeros((2, len(batch)), bool)
        columns = (column(batch, "operation"), column(batch, "project"))
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._day:
                self._settle(day)
            part = slice(start, stop)
            for number, codes in enumerate(columns):
                if codes is None:
                    continue
                key = mix(number, kind[part], codes[part])
                new = self._familiar.find(key) < 0
                self._found.append(np.unique(key[new]))
                found[number, part] = new
        return found[0], found[1]

    def _settle(self, day: int) -> None:
        self._day = day
        if len(self._familiar) > _LIMIT:
            self._familiar.clear()
        if self._found:
            self._familiar.add(np.concatenate(self._found))
        self._found = []

    def follow(self, window: Array, arrived: Array, amounts: Array) -> Array:
        """For each event: the sums of its window (a fingerprint) since the full hour, its own included."""
        found = np.empty_like(amounts)
        for start, stop, hour in segments(arrived, HOUR):
            if hour != self._hour:
                self._hour = hour
                self._table.clear()
                self._sums = self._sums[:0]
            part = slice(start, stop)
            row = self._table.add(window[part])
            self._sums = grown(self._sums, len(self._table))
            order = sorted_by(row)
            sorted_row = row[order]
            starts = np.flatnonzero(np.diff(sorted_row, prepend=-1))
            lengths = np.diff(starts, append=len(order))
            rows = sorted_row[starts]
            total = np.cumsum(amounts[part][order], axis=0)
            before = self._sums[rows]
            before[1:] -= total[starts[1:] - 1]
            total += np.repeat(before, lengths, axis=0)
            self._sums[rows] = total[starts + lengths - 1]
            found[start + order] = total
        return found
