"""The tables of many evaluations as one set, and each detector in one row with intervals over worlds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.experiments.evaluation.intervals import log_interval, ratio_interval
from scopedrift.experiments.evaluation.rules import pooled_rules
from scopedrift.experiments.evaluation.statistics import rank_table, sample_label
from scopedrift.experiments.evaluation.survival import clustered, weighted
from scopedrift.experiments.evaluation.tables import Tables, frame
from scopedrift.reports.columns import PER_CELL, PER_WORLD
from scopedrift.reports.metrics import METRICS, POOLED
from scopedrift.reports.order import HEADLINE
from scopedrift.simulator.log.events import DAY, SECOND, Array

if TYPE_CHECKING:
    import pandas as pd

NAN: Final = float("nan")
OVERSPENT: Final = 1.5
"""How often a detector may spend its budget before its row says so."""


def combine(parts: Iterable[Mapping[str, pd.DataFrame]]) -> Tables:
    """The tables of a whole sweep, `summary` included."""
    import pandas as pd

    held = list(parts)
    joined: Tables = {}
    for name in PER_CELL:
        filled = [part[name] for part in held if len(part[name])]
        joined[name] = pd.concat(filled, ignore_index=True) if filled else frame(name, [])
        if name in PER_WORLD:
            joined[name] = joined[name].drop_duplicates(ignore_index=True)
    joined["summary"] = summarise(joined["cells"], joined["incidents"])
    joined["rule_summary"] = pooled_rules(joined["rules"], joined["cells"])
    return joined


def summarise(cells: pd.DataFrame, incidents: pd.DataFrame) -> pd.DataFrame:
    """One row per scenario and detector: every metric over its seeds, with a 95 % interval.

    Ratios are pooled over worlds (all detected incidents over all incidents, and so on), time to detect comes from the
    Kaplan-Meier curve of all incidents together, other metrics are means.  Intervals are over worlds
    (`interval` = "worlds").  With a single world they are over its incidents ("incidents"), and only metrics
    that depend on incidents have one.  A NaN upper bound of time to detect was not reached.  `seeds` counts
    finished cells, `failed` the others; `rank` is the place in the order of detectors under test (`reports.order`), and
    `tied_with` names those that cannot be told from it; `sample` says if there are too few worlds, or incidents, to
    conclude from; `remarks` says what speaks against the threshold.
    """
    rows = []
    for (scenario, detector), mine in cells.groupby(["scenario", "detector"], sort=False):
        done = mine[mine["status"] == "ok"].reset_index(drop=True)
        theirs = incidents[(incidents["scenario"] == scenario) & (incidents["detector"] == detector)]
        rows.append(
            {
                "scenario": scenario,
                "detector": detector,
                **_intervals(done, theirs),
                "seeds": len(done),
                "failed": len(mine) - len(done),
                "interval": "worlds" if len(done) > 1 else "incidents",
                "sample": _sample(done),
                "remarks": "" if (mine["reference"] != "").any() else "; ".join(_remarks(done)),
            }
        )
    return _ranked(frame("summary", rows), cells)


def _ranked(summary: pd.DataFrame, cells: pd.DataFrame) -> pd.DataFrame:
    """Add the rank of each detector under test in its scenario."""
    ranks: dict[tuple[str, str], tuple[float, str, float]] = {}
    for scenario, mine in cells[cells["reference"] == ""].groupby("scenario", sort=False):
        for row in rank_table(mine).to_dict("records"):
            ranks[str(scenario), row["detector"]] = float(row["rank"]), row["tied_with"], row["minimum_detectable"]
    found = [ranks.get(key, (NAN, "", NAN)) for key in zip(summary["scenario"], summary["detector"], strict=True)]
    rank, tied, minimum = zip(*found, strict=True) if found else ((), (), ())
    return summary.assign(rank=rank, tied_with=tied, minimum_detectable=minimum)


def _sample(done: pd.DataFrame) -> str:
    incidents = int(done["incidents"].sum())
    return sample_label(len(done) if len(done) > 1 else incidents, incidents)


def _remarks(done: pd.DataFrame) -> list[str]:
    """What speaks against how a detector spent its budget."""
    alarms, allowed = done["false_positives"].sum(), (done["budget_per_day"] * done["test_days"]).sum()
    expected = (done["budget_per_day"] * done["calibration_days"] >= 1) & (done["run_as"] != "outside")
    silent = (done["calibration_alerts_per_day"] == 0) & expected
    whose = "the" if (done["run_as"] == "outside").any() else "its"
    where = "" if silent.all() else f" in {silent.sum()} of {len(done)} worlds"
    return [
        *([f"no alert while calibrating{where}"] if silent.any() else []),
        *([f"spends {alarms / allowed:.2g} times {whose} budget"] if alarms > OVERSPENT * allowed > 0 else []),
    ]


def _intervals(done: pd.DataFrame, incidents: pd.DataFrame) -> dict[str, float]:
    """Every pooled metric, with the ends of its interval."""
    alone = _columns_of_incidents(done) if len(done) == 1 and done["incidents"].iloc[0] else {}
    found = _time_to_detect(done, incidents)
    for metric in (METRICS[name] for name in POOLED if name not in found):
        estimate, *bounds = ratio_interval(*metric.pooled(done), metric.scale)
        if metric.formula and metric.columns <= alone.keys():
            _, *bounds = ratio_interval(*metric.sums(alone.__getitem__), metric.scale)
        if len(done) and done[metric.name].isna().all():
            estimate, bounds = NAN, [NAN, NAN]  # a ratio of sums would take what is nowhere known for nothing
        found |= _three(metric.name, estimate, (bounds[0], bounds[1]))
    return found


def _time_to_detect(done: pd.DataFrame, incidents: pd.DataFrame) -> dict[str, float]:
    """The median and restricted mean of all incidents together."""
    delay, follow_up = incidents["delay_s"].to_numpy(float), incidents["follow_up_s"].to_numpy(float)
    tau = float(done["test_days"].max()) * DAY / SECOND if len(done) else NAN
    median, mean = (float(each[0]) for each in weighted(delay, follow_up, np.ones((1, len(delay))), tau))
    unit = np.arange(len(delay)) if len(done) == 1 else incidents["seed"].to_numpy()
    bounds, error, units = clustered(delay, follow_up, unit, tau)
    return {
        **_three("time_to_detect_median_s", median, bounds),
        **_three("time_to_detect_restricted_mean_s", mean, log_interval(mean, error, units)),
    }


def _columns_of_incidents(done: pd.DataFrame) -> dict[str, Array]:
    """The incidents of one world as columns of formulas, each a unit; its false alarms are shared out evenly."""
    cell = done.iloc[0]
    count = int(cell["incidents"])
    each = np.ones(count)
    columns = {"incidents": each, "false_positives": float(cell["false_positives"]) * each / count}
    for name in (each for each in ("detected_before_impact", HEADLINE) if np.isfinite(cell[each])):
        columns[name] = (np.arange(count) < round(float(cell[name]) * count)).astype(float)
    return columns | {"detected": (np.arange(count) < cell["detected"]).astype(float)}


def _three(metric: str, estimate: float, bounds: tuple[float, float]) -> dict[str, float]:
    return {metric: estimate, f"{metric}_low": bounds[0], f"{metric}_high": bounds[1]}
