"""Testing claims: the sweep of a claim, what it measured at each setting, and whether the claim held.

A claim compares two sides on the same worlds (see `scenarios.claim`).  Every measure is a ratio of sums over worlds,
with an interval over worlds, as everywhere (`evaluation.intervals`).  A claim *holds* only if the 95 % interval
of the paired difference lies on the claimed side of zero, *does not hold* if it lies on the other side, and is *not
shown* otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.evaluation.intervals import Interval, difference_interval, interval
from scopedrift.experiments.evaluation.tables import Tables
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.selection import asked_for
from scopedrift.experiments.running.sweep import sweep
from scopedrift.reports.columns import TABLES
from scopedrift.reports.metrics import METRICS, Scale
from scopedrift.scenarios.claim import OF_THE_WORLD, Claim
from scopedrift.simulator.log.events import Array

if TYPE_CHECKING:
    import pandas as pd

HOLDS: Final = "holds"
FAILS: Final = "does not hold"
OPEN: Final = "not shown"
NAN: Final = float("nan")


class ClaimError(Exception):
    """A claim that could not be judged, and why."""


@dataclass(frozen=True)
class MeasuredSetting:
    """What was measured at one setting with one detector."""

    setting: str
    detector: str
    """Empty where no detector takes part."""
    value: Interval


@dataclass(frozen=True)
class ExaminedClaim:
    """A claim, what was measured, and the difference that decides."""

    claim: Claim
    points: tuple[MeasuredSetting, ...]
    difference: Interval
    """Last setting minus first, or first detector minus second; paired by world."""
    verdict: str


def examine(claim: Claim, folder: Path, *, jobs: int = 1, progress: Progress = silent) -> ExaminedClaim:
    """Run what is not finished in `folder` yet and judge the claim.

    Raises `ScenarioError` or `SpecError` for a claim that cannot be run, `ClaimError` if a cell failed.
    """
    swept = sweep(claim.plan(), folder, jobs=jobs, progress=progress)
    return judge(claim, swept.tables)


def judge(claim: Claim, tables: Tables) -> ExaminedClaim:
    """The finding from the result tables of a claim's sweep.

    Raises `ClaimError` if a cell failed.
    """
    failed = tables["cells"][tables["cells"]["status"] != "ok"]
    if len(failed):
        worst = failed.iloc[0]
        where = f"{worst['detector']} failed on {worst['scenario']}, seed {worst['seed']}"
        raise ClaimError(f"{claim.name}: {where}: {worst['reason']}")
    names = asked_for(claim.detectors)
    sides = {(s, d): _sums(claim, tables, s, d) for s in claim.settings for d in names}
    points = tuple(
        MeasuredSetting(setting, "" if claim.measure in OF_THE_WORLD else name, interval(*sums, _scale(claim)))
        for (setting, name), sums in sides.items()
    )
    settings = list(claim.settings)
    if claim.expect == "above":
        one, other = sides[settings[-1], names[0]], sides[settings[-1], names[1]]
    else:
        one, other = sides[settings[-1], names[0]], sides[settings[0], names[0]]
    difference = paired(one, other)
    return ExaminedClaim(claim, points, difference, verdict(difference, claim.expect))


def paired(one: tuple[Array, Array], other: tuple[Array, Array]) -> Interval:
    """Difference of two pooled ratios over the same worlds, with its interval."""
    return Interval(*difference_interval(one, other), len(one[0]))


def _scale(claim: Claim) -> Scale:
    if claim.measure in OF_THE_WORLD:
        return "logit" if claim.measure == "impact_share" else "log"
    return METRICS[claim.measure].scale


def verdict(difference: Interval, expect: str) -> str:
    """Whether the interval shows the claimed direction, the opposite, or neither."""
    low, high = (-difference.high, -difference.low) if expect == "falls" else (difference.low, difference.high)
    return HOLDS if low > 0 else FAILS if high < 0 else OPEN


def table(findings: Iterable[ExaminedClaim]) -> pd.DataFrame:
    """All findings as the table `claims`: a row for each setting and detector."""
    import pandas as pd

    rows = [
        (
            *(f.claim.name, f.claim.title, f.claim.claim, " ".join(f.claim.signals), f.claim.world, f.claim.knob),
            *(point.setting, point.detector, f.claim.measure),
            *(point.value.estimate, point.value.low, point.value.high, point.value.units),
            *(f.claim.expect, f.difference.estimate, f.difference.low, f.difference.high, f.verdict),
        )
        for f in findings
        for point in f.points
    ]
    return pd.DataFrame(rows, columns=list(TABLES["claims"]))


def _sums(claim: Claim, tables: Tables, setting: str, detector: str) -> tuple[Array, Array]:
    """Numerator and denominator of the measure, a value for each seed in order."""
    label = claim.label(setting)
    cells = tables["cells"]
    mine = cells[(cells["scenario"] == label) & (cells["detector"] == detector)].sort_values("seed")
    if claim.measure not in OF_THE_WORLD:
        return METRICS[claim.measure].pooled(mine)
    each = _achieved(claim.measure, tables, label, detector)
    by_seed = each.groupby(level="seed")
    seeds = mine["seed"].to_list()
    return (
        by_seed.sum().reindex(seeds, fill_value=0).to_numpy(float),
        by_seed.size().reindex(seeds, fill_value=0).to_numpy(float),
    )


def _achieved(measure: str, tables: Tables, label: str, detector: str) -> pd.Series[float]:
    """What each incident achieved, by seed and incident."""
    chosen = tables["incidents"]
    chosen = chosen[(chosen["scenario"] == label) & (chosen["detector"] == detector)]
    if measure == "impact_share":
        return chosen.set_index(["seed", "incident"])["impact_at"].notna().astype(float)
    stages = tables["stages"][tables["stages"]["scenario"] == label]
    incidents = stages.assign(success=(stages["outcome"] == "success").astype(float)).groupby(["seed", "incident"])
    if measure == "stages_succeeded":
        return incidents["success"].sum()
    return (incidents["ended_at"].max() - incidents["started_at"].min()).dt.total_seconds() / 3_600
