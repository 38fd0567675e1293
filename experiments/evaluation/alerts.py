"""From scores to alerts: what a person on call would be shown.

An event is *flagged* when its score is strictly above the threshold; `NaN` (the detector abstains) never is.  Flagged
events are grouped per identity, all events without an identity being one group of their own: the first one that no
open alert covers opens an alert that covers [t, t + cooldown].  This greedy cover is the smallest number of alerts
that covers every flagged event, so the number of alerts never rises with the threshold, which is what lets a search
by halves find the threshold for an alert budget exactly.

Units: microseconds; positions count from the start of the window that was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from scopedrift.simulator.log.events import Array

ROUNDING: Final = 1e-6
"""What a budget times days may be short of a whole number."""
_NEAR: Final = 4_096
"""Highest scores among which a threshold is looked for first, before `_WIDER` times as many."""
_WIDER: Final = 16
_ROUNDS: Final = 2_000
"""Alerts one after the other in one run of events, after which `_cover` follows pointers instead."""


@dataclass(frozen=True)
class Alerts:
    """Alerts in the order in which they opened; one entry of each array per alert."""

    opening: Array
    """Position of the event that opened it."""
    identity: Array
    """Identity code; -1 for events without an identity."""
    opened_at: Array
    closed_at: Array
    """Arrival of the last flagged event in it."""
    events: Array
    """How many flagged events it holds."""
    score: Array
    """The highest of their scores."""
    flagged: Array
    """Positions of all flagged events, ascending."""
    alert_of: Array
    """For each flagged event: the index of its alert."""
    threshold: float
    cooldown_us: int

    def __len__(self) -> int:
        return len(self.opening)


@dataclass(frozen=True)
class Grouped:
    """The events of a window that have a score, sorted by identity and then by arrival.

    Sorted once, then asked for many thresholds.  `keys` holds identity and arrival in one ascending number: two keys
    are at most a cooldown apart only if they belong to the same identity.
    """

    position: Array
    keys: Array
    scores: Array
    cooldown_us: int

    @classmethod
    def of(cls, arrived: Array, identity: Array, scores: Array, cooldown_us: int) -> Grouped:
        """Group the scored events of a window; `arrived` ascends."""
        return Sorted.of(arrived, identity, cooldown_us).scored(scores)

    @cached_property
    def ranked(self) -> Array:
        """The scores, ascending."""
        return np.sort(self.scores)

    def count(self, threshold: float) -> int:
        """The number of alerts at `threshold`."""
        return int(np.count_nonzero(_cover(self.keys[self.scores > threshold], self.cooldown_us)))

    def openings(self, threshold: float) -> Array:
        """Positions of the events that open an alert at `threshold`, by identity."""
        return self.above(threshold).opening()

    def opening(self) -> Array:
        """Positions of the events that open an alert if all are flagged, by identity."""
        return np.asarray(self.position[_cover(self.keys, self.cooldown_us)])

    def above(self, threshold: float) -> Grouped:
        """Only the events that `threshold` flags: enough for every higher threshold."""
        flagged = self.scores > threshold
        return Grouped(self.position[flagged], self.keys[flagged], self.scores[flagged], self.cooldown_us)


@dataclass(frozen=True)
class Sorted:
    """All events of a window as `Grouped` has them, scored or not: the same for every detector."""

    position: Array
    keys: Array
    cooldown_us: int

    @classmethod
    def of(cls, arrived: Array, identity: Array, cooldown_us: int) -> Sorted:
        """Sort the events of a window; `arrived` ascends."""
        position = _by_identity(identity)
        return cls(position, *_keys(arrived, identity, position, cooldown_us))

    def scored(self, scores: Array) -> Grouped:
        """Those that have a score."""
        mine = scores[self.position]
        silent = np.isnan(mine)
        if not silent.any():
            return Grouped(self.position, self.keys, mine, self.cooldown_us)
        kept = ~silent
        return Grouped(self.position[kept], self.keys[kept], mine[kept], self.cooldown_us)


@dataclass
class AlertTracker:
    """Opens alerts batch by batch: the same ones as `alerts` opens in the whole window."""

    cooldown_us: int
    _until: Array = field(default_factory=lambda: np.full(1024, np.iinfo(np.int64).min))
    """When the last alert of each identity code (+ 1) closes."""

    def opened(self, arrived: Array, identity: Array, flagged: Array) -> list[int]:
        """Rows of the batch that open an alert, ascending."""
        rows = np.flatnonzero(flagged)
        group = identity[rows].astype(np.int64) + 1
        if len(rows) and (most := int(group.max())) >= len(self._until):
            more = np.full(most + 1, np.iinfo(np.int64).min)
            self._until = np.concatenate([self._until, more])
        found: list[int] = []
        while True:
            uncovered = arrived[rows] > self._until[group]
            rows, group = rows[uncovered], group[uncovered]
            if not len(rows):
                return sorted(found)
            who, first = np.unique(group, return_index=True)
            self._until[who] = arrived[rows[first]] + self.cooldown_us
            found.extend(rows[first].tolist())


def alerts(arrived: Array, identity: Array, scores: Array, threshold: float, cooldown_us: int) -> Alerts:
    """The alerts of a window at one threshold; `arrived` ascends, `identity` holds codes (-1: missing)."""
    flagged = np.flatnonzero(scores > threshold)
    order = _by_identity(identity[flagged])
    position = flagged[order]
    keys, span = _keys(arrived, identity, position, cooldown_us)
    first = np.flatnonzero(_cover(keys, span))
    size = np.diff(np.append(first, len(position)))
    rank = np.argsort(position[first], kind="stable")
    index = np.empty(len(first), np.int64)
    index[rank] = np.arange(len(first))
    alert_of = np.empty(len(flagged), np.int64)
    alert_of[order] = np.repeat(index, size)
    highest = np.maximum.reduceat(scores[position], first) if len(first) else np.empty(0, scores.dtype)
    opening = position[first]
    return Alerts(
        opening=opening[rank],
        identity=identity[opening][rank],
        opened_at=arrived[opening][rank],
        closed_at=arrived[position[first + size - 1]][rank],
        events=size[rank],
        score=highest[rank],
        flagged=flagged,
        alert_of=alert_of,
        threshold=threshold,
        cooldown_us=cooldown_us,
    )


def threshold_for_budget(calibration: Grouped, allowed: float) -> float:
    """The threshold that promises `allowed` alerts in a fresh window as long as this one.

    It leaves as many alerts as are allowed, k, and lies just below the score of the k-th.  Of fresh data like this, k
    alerts are expected above the k-th score.  At the (k+1)-th score, as strict flagging suggests, k + 1 would be: the
    gap between both belongs to the next alert.  If not even one alert is allowed, it is the highest score, above which
    one is expected.
    """
    lowest = lowest_within(calibration, allowed)
    higher = int(np.searchsorted(calibration.ranked, lowest, side="right"))
    return float(np.nextafter(calibration.ranked[higher], -np.inf)) if higher < len(calibration.ranked) else lowest


def lowest_within(window: Grouped, allowed: float) -> float:
    """The lowest score of a window at which that window itself has at most `allowed` alerts; the highest if none has.

    Only scores that occurred are candidates, and flagging is strict: events tied at the threshold all stay below it,
    so a tie can never overspend, and a detector that gives every event the same score flags nothing.  Without any
    score (no event, or only abstentions) there is nothing to set a threshold on: +inf, and nothing is ever flagged.
    """
    candidates = window.ranked
    if not len(candidates):
        return float("inf")
    low, high = 0, len(candidates) - 1  # nothing is above the highest score
    reach = _NEAR
    while low < high:  # few alerts need few events: the search by halves begins near the top
        middle = max(len(candidates) - reach, (low + high) // 2)
        reach *= _WIDER
        flagged = window.above(candidates[middle])
        if np.count_nonzero(_cover(flagged.keys, flagged.cooldown_us)) <= allowed + ROUNDING:
            high = int(np.searchsorted(candidates, candidates[middle], side="left"))
        else:
            low = middle + 1
            window = flagged
    return float(candidates[high])


def _by_identity(codes: Array) -> Array:
    """The stable order that sorts by identity code; 16-bit codes sort by radix, five times as fast."""
    small = len(codes) > 0 and int(codes.min()) >= -1 and int(codes.max()) < 2**16 - 1
    return np.argsort((codes + 1).astype(np.uint16) if small else codes, kind="stable")


def _keys(arrived: Array, identity: Array, position: Array, cooldown_us: int) -> tuple[Array, int]:
    """Ascending keys of events sorted by identity and arrival, and the cooldown to use with them."""
    if not len(position):
        return np.empty(0, np.int64), cooldown_us
    since = arrived[position]
    since -= arrived[0]
    span = int(arrived[-1] - arrived[0])
    cooldown_us = min(cooldown_us, span)
    code = identity[position]
    group = np.empty(len(position), np.int64)
    group[0] = 0
    np.cumsum(code[1:] != code[:-1], out=group[1:])
    stride = span + cooldown_us + 1
    if (int(group[-1]) + 1) * stride >= 2**63:
        raise ValueError(
            f"{int(group[-1]) + 1} identities over {span / 86_400e6:.0f} days are too many to group into alerts"
        )
    group *= stride
    group += since
    return group, cooldown_us


def _cover(keys: Array, cooldown_us: int) -> Array:
    """Which of these flagged events open an alert, as a mask.

    An event more than a cooldown after the one before it always opens one, so the stretches between such gaps are
    independent and advance together, one alert each a round.
    """
    opens = np.ones(len(keys), bool)
    np.greater(np.diff(keys), cooldown_us, out=opens[1:])
    current = np.flatnonzero(opens)
    for _ in range(_ROUNDS):
        current = np.searchsorted(keys, keys[current] + cooldown_us, side="right")
        current = current[current < len(keys)]
        current = current[~opens[current]]
        if not len(current):
            return opens
        opens[current] = True
    return _follow(keys, cooldown_us, opens, current)


def _follow(keys: Array, cooldown_us: int, opens: Array, current: Array) -> Array:
    """Finish a cover whose stretches are few and very long: one step per alert, in Python."""
    following = np.searchsorted(keys, keys + cooldown_us, side="right").data
    marks = opens.view(np.uint8).data
    for at in current.tolist():
        step = following[at]
        while step < len(marks) and not marks[step]:
            marks[step] = 1
            step = following[step]
    return opens
