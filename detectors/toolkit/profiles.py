"""Hourly profiles: how much of each kind of activity a task has shown since the full hour.

The features (`FEATURES`) count possible steps of an attack (`steps`), changes, denied calls, operations and
projects that this kind of task had not shown before today, and all events; the last is the bytes moved.

>>> from scopedrift.detectors.conformance.sample import sample_log
>>> from scopedrift.detectors.toolkit.columns import threads
>>> from scopedrift.detectors.toolkit.hashing import mix
>>> from scopedrift.detectors.toolkit.profiles import FEATURES, Profiles
>>> batch = sample_log(200).batch(0, 200)
>>> profiles = Profiles()
>>> amounts = profiles.amounts(batch, kind=mix(batch["task_kind"]))
>>> sums = profiles.follow(threads(batch), batch["arrived"], amounts)
>>> amounts.shape == sums.shape == (len(FEATURES), 200), int(sums[FEATURES.index("events")].max()) > 1
(True, True)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.detectors.toolkit.columns import column, segments
from scopedrift.detectors.toolkit.hashing import HashTable, mix
from scopedrift.detectors.toolkit.memo import Facts, Memo
from scopedrift.detectors.toolkit.steps import FACTS, STEPS, step_of
from scopedrift.simulator.log.events import DAY, HOUR, Array, EventBatch

FEATURES: Final = (*STEPS, "change", "denied", "new operations", "new places", "events", "bytes")
_CHANGE, _DENIED, _OPERATION, _PLACE, _EVENTS, _BYTES = range(len(STEPS), len(FEATURES))
_LIMIT = 2_000_000


def _traits(facts: Facts) -> float:
    """Step, change and denial in one number: a column of `_AMOUNTS`."""
    step, change, denied = step_of(facts[:3]), facts[2] in ("write", "create", "delete"), facts[3] == "denied"
    return 4.0 * (step + 1.0) + 2.0 * change + denied


def _amounts() -> Array:
    amounts = np.zeros((len(FEATURES), 4 * (len(STEPS) + 1)), np.int64)
    traits = np.arange(amounts.shape[1])
    amounts[_CHANGE], amounts[_DENIED], amounts[_EVENTS] = traits // 2 % 2, traits % 2, 1
    amounts[traits[4:] // 4 - 1, traits[4:]] = 1
    return amounts


_AMOUNTS: Final = _amounts()
"""What an event adds to each feature other than novelty and bytes."""


class Profiles:
    """Running sums of each window (a task, or an identity without one) since the full hour of arrival."""

    def __init__(self) -> None:
        self._traits = Memo((*FACTS, "outcome"), _traits)
        self._familiar = HashTable()  # operations and places of each kind of task, as of the last full day
        self._found: list[Array] = []  # those found today
        self._day = -1
        self._windows = np.zeros(0, np.int64)  # those of this hour, sorted
        self._sums = np.zeros((len(FEATURES), 0), np.int64)
        self._hour = -1

    def amounts(self, batch: EventBatch, kind: Array) -> Array:
        """The amount that each event adds to each feature: int64 of shape `(len(FEATURES), len(batch))`.

        `kind` is the fingerprint of the kind of each event's task.
        """
        amounts = _AMOUNTS.take(self._traits.values(batch).astype(np.int64), axis=1)
        for feature, new in zip((_OPERATION, _PLACE), self._unfamiliar(batch, kind), strict=True):
            amounts[feature] = new
        size = column(batch, "bytes")
        if size is not None:
            amounts[_BYTES] = np.clip(size, 0, 1 << 44)
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
        """The sums of each event's window since the full hour, the event included: the shape of `amounts`.

        `window` holds fingerprints; `arrived` ascends, in microseconds.
        """
        found = np.empty_like(amounts)
        for start, stop, hour in segments(arrived, HOUR):
            if hour != self._hour:
                self._hour = hour
                self._windows, self._sums = self._windows[:0], self._sums[:, :0]
            order = np.argsort(window[start:stop], kind="stable")
            ordered = window[start:stop].take(order)
            starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
            last = np.append(starts[1:], len(order)) - 1
            total = amounts[:, start:stop].take(order, axis=1)
            after = total.cumsum(axis=1).take(last, axis=1)
            after[:, 1:] -= after[:, :-1].copy()
            before = self._carried(ordered[starts], after)
            after += before
            total[:, starts] += before  # so that one running sum over all windows is right in each
            total[:, starts[1:]] -= after[:, :-1]
            np.cumsum(total, axis=1, out=total)
            back = np.empty_like(order)
            back[order] = np.arange(len(order))
            total.take(back, axis=1, out=found[:, start:stop], mode="clip")
        return found

    def _carried(self, windows: Array, amounts: Array) -> Array:
        """What this hour had shown of these windows (sorted) before; `amounts` are added to it."""
        if not len(self._windows):
            self._windows, self._sums = windows, amounts.copy()
            return np.zeros_like(amounts)
        at = np.searchsorted(self._windows, windows)
        known = np.append(self._windows, 0)[at] == windows
        known &= at < len(self._windows)
        before = np.zeros_like(amounts)
        before[:, known] = self._sums[:, at[known]]
        self._sums[:, at[known]] += amounts[:, known]
        new = ~known
        self._windows = np.insert(self._windows, at[new], windows[new])
        self._sums = np.insert(self._sums, at[new], amounts[:, new], axis=1)
        return before
