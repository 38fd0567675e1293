"""The result tables of one evaluation: plain pandas frames whose columns `reports.columns` declares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.detectors.registry import reference
from scopedrift.experiments.evaluation.evaluate import Evaluation
from scopedrift.experiments.evaluation.matching import Detection, StageHits
from scopedrift.experiments.evaluation.rules import rule_rows
from scopedrift.experiments.evaluation.windows import LabelledWorld
from scopedrift.reports.columns import PER_CELL, TABLES
from scopedrift.reports.metrics import METRICS
from scopedrift.simulator.log.events import SECOND, Array

if TYPE_CHECKING:
    import pandas as pd

Tables = dict[str, "pd.DataFrame"]
"""Result tables by name."""
Row = dict[str, object]
Rows = Sequence[Mapping[str, object]] | Mapping[str, Sequence[object] | Array]
"""Rows, or columns by name."""
NAN: Final = float("nan")


def tables(evaluation: Evaluation, world: LabelledWorld) -> Tables:
    """All tables of one evaluation of a detector on `world`."""
    key = {"scenario": evaluation.scenario, "seed": evaluation.seed}
    cell = {**key, "detector": evaluation.detector}
    found = evaluation.matching.detections if evaluation.matching else ()
    rows: dict[str, Rows] = {
        "cells": [{**cell, **_cell(evaluation)}],
        "incidents": [{**cell, **_incident(each)} for each in found],
        "stages": [{**key, **row} for row in _stages(world)],
        "stage_hits": [{**cell, **_stage_hits(each, hits)} for each in found for hits in each.stages],
        "alerts": _alerts(evaluation, world, cell),
        "curves": [{**cell, **vars(point)} for point in evaluation.curve],
        "budgets": [{**cell, "budget_per_day": budget, **vars(p)} for budget, p in evaluation.at_budgets.items()],
        "changes": [{**key, **row} for row in _changes(world)],
        "rules": [{**cell, **row} for row in rule_rows(evaluation, world)],
        "worlds": [{**key, **_world(world)}],
    }
    return {name: frame(name, rows[name]) for name in PER_CELL}


def cell_tables(evaluation: Evaluation, world: LabelledWorld) -> tuple[Tables, bool]:
    """The tables of one evaluation, and whether the detector spoiled the world, in which case they hold its failure."""
    if not evaluation.spoiled:
        return tables(evaluation, world), False
    failed = failed_cell(evaluation.scenario, evaluation.seed, evaluation.detector, evaluation.reason)
    return {**failed, "cells": failed["cells"].assign(run_as=evaluation.run_as)}, True


def failed_cell(scenario: str, seed: int, detector: str, reason: str) -> Tables:
    """The tables of a cell that could not even be evaluated."""
    row = {"scenario": scenario, "seed": seed, "detector": detector, "status": "failed", "reason": reason}
    row |= {"reference": reference(detector), "knowledge": "", "run_as": ""}
    return {name: frame(name, [row] if name == "cells" else []) for name in PER_CELL}


def frame(name: str, rows: Rows) -> pd.DataFrame:
    """The table of that name; times, given in microseconds (-1: never), become UTC timestamps."""
    import pandas as pd

    columns = TABLES[name]
    table = pd.DataFrame(rows).reindex(columns=list(columns))
    for column in (column for column, kind in columns.items() if kind == "time"):
        times = pd.to_numeric(table[column])
        table[column] = pd.to_datetime(times.where(times >= 0), unit="us", utc=True)
    return table


def restored(name: str, columns: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """A table from plain lists: times in microseconds, missing values as `None`."""
    import pandas as pd

    table = frame(name, columns)
    for column, values in columns.items():
        if TABLES[name][column] != "time" and all(value is None or type(value) in (int, float) for value in values):
            table[column] = pd.to_numeric(pd.Series(np.array(values, dtype=object)))
    return table


def _cell(evaluation: Evaluation) -> Row:
    metrics = evaluation.metrics
    return {
        "reference": reference(evaluation.detector),
        "status": evaluation.status,
        "reason": evaluation.reason,
        "knowledge": ",".join(evaluation.knowledge),
        "run_as": evaluation.run_as,
        **({name: metrics[name] for name in METRICS} if metrics else {}),
    }


def _incident(found: Detection) -> Row:
    own = {name: getattr(found.incident, name) for name in TABLES["incidents"] if hasattr(found.incident, name)}
    return {
        **own,
        "incident": found.incident.id,
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


def _stages(world: LabelledWorld) -> list[Row]:
    return [
        {"incident": incident.id, "stage": position, **vars(stage)}
        for incident in world.truth.incidents
        for position, stage in enumerate(incident.stages)
    ]


def _stage_hits(found: Detection, hits: StageHits) -> Row:
    known = 0 <= hits.stage < len(found.incident.stages)
    stage = found.incident.stages[hits.stage] if known else None
    return {
        "incident": found.incident.id,
        "name": stage.name if stage else "",
        "technique": stage.technique if stage else "",
        "detected": hits.flagged > 0,
        **vars(hits),
    }


def _alerts(evaluation: Evaluation, world: LabelledWorld, cell: Row) -> Rows:
    raised, matching = evaluation.alerts, evaluation.matching
    if raised is None or matching is None:
        return []
    names, incidents, changes = world.log.vocabulary["identity"], world.truth.incidents, world.truth.changes
    return {
        **{name: [value] * len(raised) for name, value in cell.items()},
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


def _world(world: LabelledWorld) -> Row:
    real = world.log.manifest.get("source") == "inject"
    return {"digest": world.log.digest, "events": len(world.log), "background": "real" if real else "simulated"}


def _changes(world: LabelledWorld) -> list[Row]:
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
