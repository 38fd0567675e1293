"""The tables of many evaluations as one set, and each detector in one row with intervals over worlds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.experiments.evaluation.rules import pooled_rules
from scopedrift.experiments.evaluation.statistics import (
    REPLICATES,
    cluster_bootstrap,
    percentile_interval,
    rank_table,
    ratio,
    resample,
    sample_label,
)
from scopedrift.experiments.evaluation.survival import weighted
from scopedrift.experiments.evaluation.tables import Tables, frame
from scopedrift.reports.columns import PER_CELL, PER_WORLD
from scopedrift.reports.metrics import METRICS, POOLED
from scopedrift.simulator.log.events import DAY, SECOND, Array

if TYPE_CHECKING:
    import pandas as pd

NAN: Final = float("nan")
RANKED_BY: Final = "f1"
"""The metric of `rank`: recall alone would reward spending more false alarms than the budget."""


def combine(parts: Iterable[Mapping[str, pd.DataFrame]], *, seed: int = 0) -> Tables:
    """The tables of a whole sweep, `summary` included; `seed` is that of the bootstrap."""
    import pandas as pd

    held = list(parts)
    joined: Tables = {}
    for name in PER_CELL:
        filled = [part[name] for part in held if len(part[name])]
        joined[name] = pd.concat(filled, ignore_index=True) if filled else frame(name, [])
        if name in PER_WORLD:
            joined[name] = joined[name].drop_duplicates(ignore_index=True)
    joined["summary"] = summarise(joined["cells"], joined["incidents"], seed=seed)
    joined["rule_summary"] = pooled_rules(joined["rules"], joined["cells"])
    return joined


def summarise(
    cells: pd.DataFrame, incidents: pd.DataFrame, *, replicates: int = REPLICATES, seed: int = 0
) -> pd.DataFrame:
    """One row per scenario and detector: every metric over its seeds, with a 95 % interval.

    Ratios are pooled over worlds (all detected incidents over all incidents, and so on), time to detect comes from the
    Kaplan-Meier curve of all incidents together, other metrics are means.  Intervals resample worlds
    (`interval` = "worlds").  With a single world they resample its incidents ("incidents"), and only metrics
    that depend on incidents have one.  A NaN upper bound of time to detect was not reached.  `seeds` counts
    finished cells, `failed` the others; `rank` is 1 + the number of detectors under test that are significantly better
    in f1 (Holm over all pairs), and `tied_with` names those that cannot be told from it; `sample` says if there are too
    few worlds, or incidents, to conclude from.
    """
    rows = []
    for (scenario, detector), mine in cells.groupby(["scenario", "detector"], sort=False):
        done = mine[mine["status"] == "ok"].reset_index(drop=True)
        theirs = incidents[(incidents["scenario"] == scenario) & (incidents["detector"] == detector)]
        rows.append(
            {
                "scenario": scenario,
                "detector": detector,
                **_intervals(done, theirs, replicates, seed),
                "seeds": len(done),
                "failed": len(mine) - len(done),
                "interval": "worlds" if len(done) > 1 else "incidents",
                "sample": _sample(done),
            }
        )
    return _ranked(frame("summary", rows), cells, seed)


def _ranked(summary: pd.DataFrame, cells: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add the rank of each detector under test in its scenario: 1 + how many are significantly better."""
    ranks: dict[tuple[str, str], tuple[float, str, float]] = {}
    for scenario, mine in cells[cells["reference"] == ""].groupby("scenario", sort=False):
        for row in rank_table(mine, RANKED_BY, seed=seed).to_dict("records"):
            ranks[str(scenario), row["detector"]] = float(row["rank"]), row["tied_with"], row["minimum_detectable"]
    found = [ranks.get(key, (NAN, "", NAN)) for key in zip(summary["scenario"], summary["detector"], strict=True)]
    rank, tied, minimum = zip(*found, strict=True) if found else ((), (), ())
    return summary.assign(rank=rank, tied_with=tied, minimum_detectable=minimum)


def _sample(done: pd.DataFrame) -> str:
    incidents = int(done["incidents"].sum())
    return sample_label(len(done) if len(done) > 1 else incidents, incidents)


def _intervals(done: pd.DataFrame, incidents: pd.DataFrame, replicates: int, seed: int) -> dict[str, float]:
    """Every pooled metric, with the ends of its interval."""
    single = len(done) == 1
    by_incident = resample(len(incidents), replicates, seed)
    weights = by_incident if single else _by_world(done, incidents, replicates, seed)
    of_incidents = _columns_of_incidents(done, incidents) if single and len(incidents) else {}
    found = _time_to_detect(done, incidents, weights)
    for metric in (METRICS[name] for name in POOLED if name not in found):
        interval = cluster_bootstrap(*metric.pooled(done), replicates=replicates, seed=seed)
        bounds = interval.low, interval.high
        if metric.formula and metric.columns <= of_incidents.keys():
            bounds = percentile_interval(ratio(*metric.sums(of_incidents.__getitem__), by_incident))
        found |= _three(metric.name, interval.estimate, bounds)
    return found


def _time_to_detect(done: pd.DataFrame, incidents: pd.DataFrame, weights: Array) -> dict[str, float]:
    """The median and restricted mean of all incidents together; rows of `weights` are replicates."""
    delay, follow_up = incidents["delay_s"].to_numpy(float), incidents["follow_up_s"].to_numpy(float)
    tau = float(done["test_days"].max()) * DAY / SECOND if len(done) else NAN
    median, mean = (float(each[0]) for each in weighted(delay, follow_up, np.ones((1, len(delay))), tau))
    medians, means = weighted(delay, follow_up, weights, tau)
    unreached = np.where(np.isnan(medians), np.inf, medians)  # not reached is longer than any, not undefined
    low, high = percentile_interval(unreached) if len(delay) else (NAN, NAN)
    return {
        **_three("time_to_detect_median_s", median, (_finite(low), _finite(high))),
        **_three("time_to_detect_restricted_mean_s", mean, percentile_interval(means)),
    }


def _columns_of_incidents(done: pd.DataFrame, incidents: pd.DataFrame) -> dict[str, Array]:
    """The incidents of one world as columns of formulas: they are resampled while its false alarms stay."""
    one = np.ones(len(incidents))
    return {
        "incidents": one,
        "detected": incidents["detected"].to_numpy(bool).astype(float),
        "detected_before_impact": incidents["before_impact"].to_numpy(bool).astype(float),
        "false_positives": float(done["false_positives"].iloc[0]) * (one / len(incidents)),
    }


def _by_world(done: pd.DataFrame, incidents: pd.DataFrame, replicates: int, seed: int) -> Array:
    """How often each incident is drawn when worlds are: as often as its world."""
    if len(done) < 2:
        return np.empty((0, len(incidents)))
    column = {world: i for i, world in enumerate(done["seed"])}
    return resample(len(done), replicates, seed)[:, [column[world] for world in incidents["seed"]]]


def _three(metric: str, estimate: float, bounds: tuple[float, float]) -> dict[str, float]:
    return {metric: estimate, f"{metric}_low": bounds[0], f"{metric}_high": bounds[1]}


def _finite(value: float) -> float:
    return value if np.isfinite(value) else NAN
