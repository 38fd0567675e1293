"""The week's rhythm: activity by hour of day and weekend, and waiting times that follow it."""

from __future__ import annotations

from bisect import bisect_right

from scopedrift.scenarios.catalogue import Week
from scopedrift.simulator.log.events import DAY, HOUR

WEEK = 7 * DAY
_MONDAY = 4 * DAY
"""1970-01-01 was a Thursday: the first Monday began four days later."""


class Rhythm:
    """A weekly pattern with mean 1; `wait` turns an exponential amount of work into a time that follows it."""

    def __init__(self, spec: Week) -> None:
        week = [spec.hours[h] * (spec.weekend if day >= 5 else 1.0) for day in range(7) for h in range(24)]
        scale = len(week) / sum(week)
        self.weights = [weight * scale for weight in week]
        self._done = [0.0]
        for weight in self.weights:
            self._done.append(self._done[-1] + weight)

    def at(self, time: int) -> float:
        """Activity at a time, relative to the week's mean."""
        return self.weights[(time - _MONDAY) % WEEK // HOUR]

    def wait(self, time: int, work: float) -> int:
        """Microseconds from `time` until `work` microseconds of mean activity have passed."""
        into = (time - _MONDAY) % WEEK
        hour = into // HOUR
        begun = self._done[hour] + self.weights[hour] * (into - hour * HOUR) / HOUR
        weeks, rest = divmod(begun + work / HOUR, self._done[-1])
        hour = min(bisect_right(self._done, rest) - 1, len(self.weights) - 1)
        end = (hour + (rest - self._done[hour]) / self.weights[hour]) * HOUR
        return max(int(weeks) * WEEK + round(end) - into, 1)
