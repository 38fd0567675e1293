"""Simulated against real, row by row, with what a straw man scores on the same row."""

from __future__ import annotations

from collections.abc import Mapping
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

    def asdict(self) -> dict[str, object]:
        """The row as plain data."""
        return {
            "name": self.statistic.name,
            "family": self.statistic.family,
            "about": self.statistic.about,
            "unit": self.statistic.unit,
            "form": self.statistic.form,
            "simulated": self.simulated(),
            "values": self.measured.count,
            "target": self.target.value,
            "clusters": self.target.clusters,
            "distance_kind": self.target.distance,
            "distance": self.distance,
            "tolerance": self.target.tolerance,
            "straw_man": self.straw,
            "verdict": self.verdict,
            "source": self.target.source,
            "note": self.target.note,
        }

    def simulated(self) -> Value:
        """The measured value, a distribution by its quantiles at the target's probabilities."""
        value = self.measured.value
        if self.statistic.form != "distribution" or value is None:
            return value
        return {p: float(np.quantile(value, p)) for p in self.target.value}


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


def passed(rows: list[Comparison]) -> bool:
    """Whether no row misses."""
    return all(each.verdict != MISSED for each in rows)
