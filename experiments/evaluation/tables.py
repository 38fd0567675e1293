"""The result tables: one set per evaluation, joined over a sweep, and summed up with intervals.

Tables are plain pandas frames with the columns listed here; `reports` draws them and knows nothing else of us.
Times are UTC timestamps (missing: NaT), durations float seconds, rates per day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from scopedrift.detectors.registry import REFERENCES
from scopedrift.experiments.evaluation.evaluate import Evaluation
from scopedrift.experiments.evaluation.rules import pooled_rules, rule_rows
from scopedrift.experiments.evaluation.statistics import (
    REPLICATES,
    cluster_bootstrap,
    percentile_interval,
    pooled,
    rank_table,
    ratio,
    resample,
)
from scopedrift.experiments.evaluation.survival import weighted
from scopedrift.experiments.evaluation.windows import World
from scopedrift.simulator.log.events import DAY, SECOND, Array

if TYPE_CHECKING:
    import pandas as pd

NAN: Final = float("nan")


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


METRICS: Final = _names(
    """precision recall f1 incidents detected false_positives false_positives_per_day
    false_positives_per_identity_day time_to_detect_median_s time_to_detect_restricted_mean_s
    detected_before_impact alerts raw_alerts duplicates abstained average_precision budget_per_day
    realised_per_day calibration_alerts_per_day events identities test_days score_seconds incidents_unobserved
    incidents_in_warm_up false_positives_cold_start average_precision_incidents partial_area partial_area_10
    false_positive_rate precision_at_prevalence_1e-06 precision_at_prevalence_1e-05
    precision_at_prevalence_1e-04 precision_at_prevalence_1e-03 precision_at_prevalence_1e-02
    time_to_detect_median_events time_to_detect_median_of_allowed detected_by_1h detected_by_1d detected_by_7d
    false_positives_announced false_positives_unannounced"""
)
"""Numbers of a cell that `summary` repeats with intervals, except for per-cell medians that cannot be averaged."""
_MEDIANS: Final = ("time_to_detect_median_events", "time_to_detect_median_of_allowed")
_SURVIVAL: Final = ("time_to_detect_median_s", "time_to_detect_restricted_mean_s")

CELLS: Final = (
    *("scenario", "seed", "detector", "status", "reason", "knowledge", "threshold"),
    *METRICS,
    *("time_to_detect_median_low_s", "time_to_detect_median_high_s", "fit_seconds", "measure_seconds"),
)
SUMMARIES: Final = tuple(metric for metric in METRICS if metric not in _MEDIANS)
SUMMARY: Final = (
    *("scenario", "detector"),
    *(f"{metric}{end}" for metric in SUMMARIES for end in ("", "_low", "_high")),
    *("seeds", "failed", "interval", "sample", "rank", "tied_with", "minimum_detectable"),
)
RANKED_BY: Final = "f1"
"""The metric of `rank`: recall alone would reward spending more false alarms than the budget."""
INCIDENTS: Final = _names(
    """scenario seed detector incident label template family strength identity intent_at first_observable_at
    impact_at ended_at end_reason in_entitlement in_scope detected detected_at delay_s follow_up_s
    stages_passed before_impact delay_events events flagged alerts score"""
)
STAGES: Final = _names(
    """scenario seed incident stage name technique started_at ended_at outcome in_entitlement in_scope"""
)
STAGE_HITS: Final = _names("scenario seed detector incident stage name technique events flagged detected flagged_at")
ALERTS: Final = _names(
    """scenario seed detector identity opened_at closed_at events score incident false_alarm cause announced operation
    resource reason cold_start"""
)
CURVES: Final = _names("scenario seed detector threshold false_positives_per_day recall precision")
BUDGETS: Final = _names("scenario seed detector budget_per_day threshold false_positives_per_day recall precision")
CHANGES: Final = _names("scenario seed change kind announced start end identities")
RULES: Final = _names(
    """scenario seed detector rule level status reason events alerts true_alarms false_alarms false_alarms_per_day
    noise_rank incidents caught only"""
)
WORLDS: Final = _names("scenario seed digest events background")
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "cells": CELLS,
    "incidents": INCIDENTS,
    "stages": STAGES,
    "stage_hits": STAGE_HITS,
    "alerts": ALERTS,
    "curves": CURVES,
    "budgets": BUDGETS,
    "changes": CHANGES,
    "rules": RULES,
    "worlds": WORLDS,
}
"""The tables of an evaluation and their columns, in order; `summary` (columns `SUMMARY`) is made from all of them, and
`rule_summary` from `rules` (`rules.pooled_rules`)."""
_TIMES: Final = frozenset(
    _names(
        """intent_at first_observable_at impact_at ended_at detected_at started_at flagged_at opened_at closed_at
    start end"""
    )
)
_OF_WORLD: Final = ("stages", "changes", "worlds")
"""Tables about the world alone: the same for every detector."""

Tables = dict[str, "pd.DataFrame"]


def tables(evaluation: Evaluation, world: World) -> Tables:
    """All tables of one evaluation of a detector on `world`."""
    key = {"scenario": evaluation.scenario, "seed": evaluation.seed}
    cell = {**key, "detector": evaluation.detector}
    return {
        "cells": _frame([_cell(evaluation)], CELLS),
        "incidents": _frame([{**cell, **row} for row in _incidents(evaluation)], INCIDENTS),
        "stages": _frame([{**key, **row} for row in _stages(world)], STAGES),
        "stage_hits": _frame([{**cell, **row} for row in _stage_hits(evaluation)], STAGE_HITS),
        "alerts": _alerts(evaluation, world),
        "curves": _frame([{**cell, **vars(point)} for point in evaluation.curve], CURVES),
        "budgets": _frame(
            [{**cell, "budget_per_day": budget, **vars(p)} for budget, p in evaluation.at_budgets.items()], BUDGETS
        ),
        "changes": _frame([{**key, **row} for row in _changes(world)], CHANGES),
        "rules": _frame([{**cell, **row} for row in rule_rows(evaluation, world)], RULES),
        "worlds": _frame([{**key, **_world(world)}], WORLDS),
    }


def failed_cell(scenario: str, seed: int, detector: str, reason: str) -> Tables:
    """The tables of a cell that could not even be evaluated."""
    row = {"scenario": scenario, "seed": seed, "detector": detector, "status": "failed", "reason": reason}
    return {name: _frame([{**row, "knowledge": ""}] if name == "cells" else [], COLUMNS[name]) for name in COLUMNS}


def restored(name: str, columns: Mapping[str, list[Any]]) -> pd.DataFrame:
    """A table from plain lists: times in microseconds, missing values as `None`."""
    import pandas as pd

    table = _frame(dict(columns), COLUMNS[name])
    for column, values in columns.items():
        if column not in _TIMES and all(value is None or type(value) in (int, float) for value in values):
            table[column] = pd.to_numeric(pd.Series(values, dtype=object))
    return table


def combine(parts: Iterable[Mapping[str, pd.DataFrame]], *, seed: int = 0) -> Tables:
    """The tables of a whole sweep, `summary` included; `seed` is that of the bootstrap."""
    import pandas as pd

    collected: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    for part in parts:
        for name, held in collected.items():
            held.append(part[name])
    joined: Tables = {}
    for name, held in collected.items():
        filled = [table for table in held if len(table)]
        joined[name] = pd.concat(filled, ignore_index=True) if filled else _frame([], COLUMNS[name])
        if name in _OF_WORLD:
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
    return _ranked(_frame(rows, SUMMARY), cells, seed)


def _ranked(summary: pd.DataFrame, cells: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Add the rank of each detector under test in its scenario: 1 + how many are significantly better."""
    ranks: dict[tuple[str, str], tuple[float, str, float]] = {}
    for scenario, mine in cells[~cells["detector"].isin(REFERENCES)].groupby("scenario", sort=False):
        for row in rank_table(mine, RANKED_BY, seed=seed).to_dict("records"):
            ranks[str(scenario), row["detector"]] = float(row["rank"]), row["tied_with"], row["minimum_detectable"]
    found = [ranks.get(key, (NAN, "", NAN)) for key in zip(summary["scenario"], summary["detector"], strict=True)]
    rank, tied, minimum = zip(*found, strict=True) if found else ((), (), ())
    return summary.assign(rank=rank, tied_with=tied, minimum_detectable=minimum)


def _sample(done: pd.DataFrame) -> str:
    from scopedrift.experiments.evaluation.statistics import sample_label

    incidents = int(done["incidents"].sum())
    return sample_label(len(done) if len(done) > 1 else incidents, incidents)


def _intervals(done: pd.DataFrame, incidents: pd.DataFrame, replicates: int, seed: int) -> dict[str, float]:
    found: dict[str, float] = {}
    single = len(done) == 1
    delay, follow_up = incidents["delay_s"].to_numpy(float), incidents["follow_up_s"].to_numpy(float)
    by_incident = resample(len(incidents), replicates, seed)
    for metric in SUMMARIES:
        if metric in _SURVIVAL:
            continue
        top, bottom = pooled(done, metric)
        interval = cluster_bootstrap(top, bottom, replicates=replicates, seed=seed)
        bounds = interval.low, interval.high
        if single and metric in _PER_INCIDENT and len(incidents):
            bounds = percentile_interval(_one_world(metric, done, incidents, by_incident))
        found |= _three(metric, interval.estimate, bounds)
    tau = float(done["test_days"].max()) * DAY / SECOND if len(done) else NAN
    weights = by_incident if single else _by_world(done, incidents, replicates, seed)
    estimate = weighted(delay, follow_up, np.ones((1, len(delay))), tau)
    drawn = weighted(delay, follow_up, weights, tau)
    median = np.where(np.isnan(drawn[0]), np.inf, drawn[0])  # not reached is longer than any, not undefined
    low, high = percentile_interval(median) if len(delay) else (NAN, NAN)
    found |= _three(_SURVIVAL[0], float(estimate[0][0]), (_finite(low), _finite(high)))
    return found | _three(_SURVIVAL[1], float(estimate[1][0]), percentile_interval(drawn[1]))


_PER_INCIDENT: Final = ("recall", "precision", "f1", "detected_before_impact")


def _one_world(metric: str, done: pd.DataFrame, incidents: pd.DataFrame, weights: Array) -> Array:
    """Replicates of a metric when the incidents of one world are resampled and its false alarms stay."""
    one = np.ones(len(incidents))
    share = one / len(incidents)
    hit = incidents["detected"].to_numpy(bool).astype(float)
    false = float(done["false_positives"].iloc[0])
    if metric == "precision":
        return ratio(hit, hit + false * share, weights)
    if metric == "f1":
        return ratio(2 * hit, hit + one + false * share, weights)
    return ratio(incidents["before_impact"].to_numpy(bool).astype(float) if metric != "recall" else hit, one, weights)


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


def _cell(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "scenario": evaluation.scenario,
        "seed": evaluation.seed,
        "detector": evaluation.detector,
        "status": evaluation.status,
        "reason": evaluation.reason,
        "knowledge": ",".join(evaluation.knowledge),
        "fit_seconds": evaluation.timings.get("fit", NAN),
        "measure_seconds": evaluation.timings.get("measure", NAN),
        **evaluation.metrics,
    }


def _incidents(evaluation: Evaluation) -> list[dict[str, Any]]:
    if evaluation.matching is None:
        return []
    return [
        {
            "incident": found.incident.id,
            **{
                name: getattr(found.incident, name)
                for name in INCIDENTS[INCIDENTS.index("label") : INCIDENTS.index("detected")]
            },
            "detected": found.detected,
            "detected_at": found.detected_at,
            "delay_s": found.delay_us / SECOND if found.detected else NAN,
            "follow_up_s": found.follow_up_us / SECOND,
            "stages_passed": found.stages_passed,
            "before_impact": found.before_impact,
            "delay_events": found.delay_events if found.detected else NAN,
            "events": found.events,
            "flagged": found.flagged,
            "alerts": found.alerts,
            "score": found.score,
        }
        for found in evaluation.matching.detections
    ]


def _stages(world: World) -> list[dict[str, Any]]:
    return [
        {"incident": incident.id, "stage": position, **vars(stage)}
        for incident in world.truth.incidents
        for position, stage in enumerate(incident.stages)
    ]


def _stage_hits(evaluation: Evaluation) -> list[dict[str, Any]]:
    rows = []
    for found in evaluation.matching.detections if evaluation.matching else ():
        for hits in found.stages:
            known = 0 <= hits.stage < len(found.incident.stages)
            stage = found.incident.stages[hits.stage] if known else None
            rows.append(
                {
                    "incident": found.incident.id,
                    "name": stage.name if stage else "",
                    "technique": stage.technique if stage else "",
                    "detected": hits.flagged > 0,
                    **vars(hits),
                }
            )
    return rows


def _alerts(evaluation: Evaluation, world: World) -> pd.DataFrame:
    raised, matching = evaluation.alerts, evaluation.matching
    if raised is None or matching is None:
        return _frame([], ALERTS)
    names, incidents, changes = world.log.vocabulary["identity"], world.truth.incidents, world.truth.changes
    columns: dict[str, Any] = {
        "identity": [names[code] if code >= 0 else "" for code in raised.identity.tolist()],
        "opened_at": raised.opened_at,
        "closed_at": raised.closed_at,
        "events": raised.events,
        "score": raised.score,
        "incident": [incidents[index].id if index >= 0 else "" for index in matching.incident.tolist()],
        "false_alarm": matching.false_alarm,
        "cause": matching.cause,
        "announced": [
            str(changes[index].announced).lower() if index >= 0 else "" for index in matching.change.tolist()
        ],
        **{
            name: [getattr(opening, name) for opening in evaluation.openings]
            for name in ("operation", "resource", "reason", "cold_start")
        },
    }
    key = {"scenario": evaluation.scenario, "seed": evaluation.seed, "detector": evaluation.detector}
    return _frame({**{name: [value] * len(raised) for name, value in key.items()}, **columns}, ALERTS)


def _world(world: World) -> dict[str, Any]:
    real = world.log.manifest.get("source") == "inject"
    return {"digest": world.log.digest, "events": len(world.log), "background": "real" if real else "simulated"}


def _changes(world: World) -> list[dict[str, Any]]:
    return [
        {
            "change": change.id,
            "kind": change.kind,
            "announced": change.announced,
            "start": change.start,
            "end": change.end,
            "identities": len(change.identities),
        }
        for change in world.truth.changes
    ]


def _frame(rows: Any, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table with exactly these columns; times, given in microseconds (-1: never), become UTC timestamps."""
    import pandas as pd

    table = pd.DataFrame(rows).reindex(columns=list(columns))
    for name in _TIMES.intersection(columns):
        times = pd.to_numeric(table[name])
        table[name] = pd.to_datetime(times.where(times >= 0), unit="us", utc=True)
    return table
