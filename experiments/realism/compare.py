"""Simulated against real, row by row, with what a straw man scores on the same row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.experiments.realism import distances
from scopedrift.experiments.realism.catalogue import statistics
from scopedrift.experiments.realism.statistic import Measured, Statistic, Value, measure
from scopedrift.experiments.realism.tables import LogTables
from scopedrift.experiments.realism.targets import Target
from scopedrift.simulator.log.event_log import EventLog

MET, MISSED, EMPTY = "met", "missed", "says nothing"
"""Verdicts.  A row says nothing if its straw man also passes; it is shown but not counted."""
HOLDS: Final = 11 / 12
"""Share of the worlds in which a row has to be within its tolerance."""
NARROW: Final = 1.15
"""A straw man within so many times the tolerance nearly passes; the row is marked (assumed)."""
SHOWN: Final = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)


@dataclass(frozen=True)
class Comparison:
    """One statistic, simulated and real."""

    statistic: Statistic
    target: Target
    measured: Measured
    distance: float
    """NaN: too few values, which counts as a miss."""
    straw: float

    @property
    def verdict(self) -> str:
        """Whether the simulated value is within the tolerance, if that says anything."""
        if self.straw <= self.target.tolerance:
            return EMPTY
        return MET if self.distance <= self.target.tolerance else MISSED

    def simulated(self) -> Value:
        """The measured value, a distribution by its quantiles at the target's probabilities."""
        value = self.measured.value
        if self.statistic.form != "distribution" or value is None:
            return value
        return {p: float(np.quantile(value, p)) for p in self.target.value}


@dataclass(frozen=True)
class Agreement:
    """One statistic over one or more logs, held against its target."""

    logs: tuple[Comparison, ...]

    @property
    def statistic(self) -> Statistic:
        """What is compared."""
        return self.logs[0].statistic

    @property
    def target(self) -> Target:
        """What it should be."""
        return self.logs[0].target

    @property
    def within(self) -> float:
        """The share of the logs in which it is within its tolerance."""
        return sum(each.distance <= self.target.tolerance for each in self.logs) / len(self.logs)

    @property
    def distance(self) -> float:
        """The mean distance from the target; NaN if a log has too few values."""
        return float(np.mean([each.distance for each in self.logs]))

    @property
    def spread(self) -> float:
        """The standard deviation of the distance over the logs; NaN for one."""
        return float(np.std([each.distance for each in self.logs], ddof=1)) if len(self.logs) > 1 else float("nan")

    @property
    def straw(self) -> float:
        """The mean distance of the straw man from the target, over the logs with enough values."""
        known = [each.straw for each in self.logs if each.measured.value is not None]
        return float(np.mean(known or [self.logs[0].straw]))

    @property
    def verdict(self) -> str:
        """Whether it is within its tolerance in enough of the logs, if that says anything."""
        if self.straw <= self.target.tolerance:
            return EMPTY
        return MET if self.within >= HOLDS - 1e-9 else MISSED

    @property
    def narrow(self) -> bool:
        """Whether its straw man nearly passes, too."""
        return self.target.tolerance < self.straw <= NARROW * self.target.tolerance

    def simulated(self) -> Value:
        """The mean of what was measured; of a distribution, quantile by quantile, and of shares, share by share."""
        values = [each.simulated() for each in self.logs]
        found = [value for value in values if value is not None]
        if not found or not isinstance(found[0], Mapping):
            return float(np.mean(found)) if found else None
        keys = dict.fromkeys(key for value in found for key in value)
        return {key: float(np.mean([value.get(key, 0.0) for value in found])) for key in keys}

    def asdict(self) -> dict[str, object]:
        """The row as plain data."""
        return {
            "name": self.statistic.name,
            "family": self.statistic.family,
            "about": self.statistic.about,
            "unit": self.statistic.unit,
            "form": self.statistic.form,
            "simulated": self.simulated(),
            "by_log": [each.simulated() for each in self.logs],
            "values": sum(each.measured.count for each in self.logs),
            "target": self.target.value,
            "clusters": self.target.clusters,
            "distance_kind": self.target.distance,
            "distance": self.distance,
            "spread": self.spread,
            "within": self.within,
            "tolerance": self.target.tolerance,
            "straw_man": self.straw,
            "straw_man_nearly_passes": self.narrow,
            "verdict": self.verdict,
            "source": self.target.source,
            "note": self.target.note,
        }


def agreements(logs: Iterable[EventLog], targets: Mapping[str, Target]) -> list[Agreement]:
    """Compare one log after the other with the targets; a log is let go once it has been looked at."""
    compared = [compare(log, targets) for log in logs]
    return [Agreement(rows) for rows in zip(*compared, strict=True)]


def compare(log: EventLog, targets: Mapping[str, Target]) -> list[Comparison]:
    """Compare a log with its targets."""
    tables = LogTables(log)
    known = statistics()
    return [
        row(known[name], target, measure(known[name], known[name].extract(tables))) for name, target in targets.items()
    ]


def row(statistic: Statistic, target: Target, measured: Measured) -> Comparison:
    """Compare one measured statistic with its target."""
    nothing = float("nan")
    if statistic.form == "distribution":
        mean = distances.mean_of(target.value)
        straw = distances.of_distribution(target.distance, target.value, lambda p: distances.exponential(mean, p))
        if measured.value is None:
            return Comparison(statistic, target, measured, nothing, straw)
        values = np.asarray(measured.value)
        found = distances.of_distribution(target.distance, target.value, lambda p: distances.quantiles(values, p))
        return Comparison(statistic, target, measured, found, straw)
    if measured.value is None:
        return Comparison(statistic, target, measured, nothing, float("inf"))

    def away(value: Value) -> float:
        if statistic.form == "shares":
            return distances.of_shares(target.value, value)
        return distances.of_number(target.distance, target.value, value)

    return Comparison(statistic, target, measured, away(measured.value), away(measured.straw))


def passed(rows: Sequence[Agreement]) -> bool:
    """Whether no row misses."""
    return all(each.verdict != MISSED for each in rows)
