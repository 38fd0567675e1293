"""Searching a detector's parameters for an alert budget, with Optuna.

Parameters are proposed on *tuning* worlds and judged on *held-out* worlds that no trial ever saw, beside the defaults
and paired with them.  The objective is f1 over incidents and false alarms at the threshold that each calibration
window sets for the budget, pooled over the tuning worlds, and less where more false alarms were spent than the budget
allows (`search.worth`); a trial that is behind after a world is pruned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from scopedrift.detectors.deployed import VERSION, Deployed
from scopedrift.detectors.isolation.placement import as_asked, place
from scopedrift.experiments.evaluation import metrics
from scopedrift.experiments.evaluation.evaluate import Evaluation, evaluate
from scopedrift.experiments.evaluation.intervals import Interval, interval
from scopedrift.experiments.evaluation.statistics import Difference, paired_difference
from scopedrift.experiments.evaluation.summary import combine
from scopedrift.experiments.evaluation.tables import Tables, tables
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.running.search import Objective, Parameters, Searched, Trial, TuneError, search, worth
from scopedrift.experiments.running.worlds import make_world
from scopedrift.scenarios.durations import format_duration, format_rate

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from scopedrift.experiments.evaluation.windows import LabelledWorld
    from scopedrift.scenarios.schema import Scenario

__all__ = ["Trial", "TuneError", "Tuned", "tune"]


@dataclass(frozen=True)
class Tuned:
    """The best parameters found, and what they and the defaults do on worlds that no trial saw."""

    detector: str
    scenario: Scenario
    parameters: Parameters
    trials: tuple[Trial, ...]
    held_out: Tables
    """Of `tuned` and `default`, as detectors (see `experiments.tables`)."""
    difference: Difference
    """f1 of tuned minus default on the held-out worlds."""
    threshold: Interval
    """Set by the held-out worlds' calibration windows: median, and their range."""
    alerts_per_day: Interval
    identities: int
    missed: Mapping[str, str] = field(default_factory=dict)

    @property
    def deployed(self) -> Deployed:
        """What a deployment can be made from."""
        terms, gain = self.scenario.evaluation, self.difference
        return Deployed.model_validate(
            {
                "version": VERSION,
                "detector": self.detector,
                "parameters": dict(self.parameters),
                "threshold": self.threshold.estimate,
                "threshold_range": {"low": self.threshold.low, "high": self.threshold.high},
                "cooldown": format_duration(terms.cooldown),
                "alert_budget": format_rate(terms.alert_budget),
                "learning_period": format_duration(self.scenario.windows.baseline),
                "expected_alerts_per_day": estimate(self.alerts_per_day),
                "identities": self.identities,
                "will_miss": dict(self.missed) or None,
                "better_than_default": {
                    "f1_difference": round(gain.estimate, 4),
                    "low": round(gain.low, 4),
                    "high": round(gain.high, 4),
                    "worlds": gain.worlds,
                },
            }
        )

    @property
    def about(self) -> str:
        """What the file to deploy says of itself."""
        return f"Tuned on simulated worlds of {self.scenario.name}; judged on others."


def estimate(interval: Interval) -> dict[str, float] | None:
    """An interval as the file to deploy has it, or nothing if there is no estimate."""
    values = {name: float(f"{getattr(interval, name):.6g}") for name in ("estimate", "low", "high")}
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    return known if "estimate" in known else None


def tune(
    spec: str,
    scenario: Scenario,
    folder: Path,
    *,
    trials: int,
    tuning: Sequence[int],
    held_out: Sequence[int],
    progress: Progress = silent,
) -> Tuned:
    """Search the parameters of the detector that `spec` asks for; parameters given in `spec` stay as they are.

    `tuning` and `held_out` are seeds of worlds, and must not overlap.  The study is kept in `folder`.
    Raises `TuneError` if there is nothing to search, `SpecError` if there is no such detector.
    """
    if set(tuning) & set(held_out):
        raise ValueError("tuning and held-out worlds must not overlap")

    def objective(target: str) -> Objective:
        share = 0.15 / len(tuning)
        worlds = [make_world(scenario, seed, part_of(progress, i * share, share)) for i, seed in enumerate(tuning)]
        return lambda trial, parameters: _worth_of(trial, target, parameters, worlds)

    found = search(
        spec,
        folder,
        on=f"{scenario.name} ({scenario.digest()[:12]}, worlds {list(tuning)})",
        trials=trials,
        objective=objective,
        progress=part_of(progress, 0.15, 0.65),
    )
    return _judged(found, scenario, held_out, part_of(progress, 0.8, 0.2))


def _worth_of(trial: optuna.Trial, target: str, parameters: Parameters, worlds: Sequence[LabelledWorld]) -> float:
    """`worth` pooled over the worlds so far, reported after each, so that a hopeless trial costs one world."""
    import optuna

    detector = place(target, parameters)
    detected = false = incidents = allowed = value = 0.0
    for step, world in enumerate(worlds):
        evaluation = evaluate(detector, world, name=target)
        found = evaluation.metrics
        assert evaluation.windows is not None
        allowed += evaluation.budget_per_day * evaluation.windows.test.days
        detected, false = detected + found["detected"], false + found["false_positives"]
        incidents += found["incidents"]
        value = worth(metrics.f1(detected, false, incidents), false, allowed)
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


def _judged(found: Searched, scenario: Scenario, seeds: Sequence[int], progress: Progress) -> Tuned:
    """Tuned and default parameters on the held-out worlds, one world in memory at a time."""
    parts, tuned = [], []
    for i, seed in enumerate(seeds):
        progress(i / len(seeds), f"judging on held-out world {seed}")
        world = make_world(scenario, seed)
        for name, parameters in (("tuned", found.best), ("default", found.fixed)):
            evaluation = evaluate(place(found.target, parameters), world, name=name)
            parts.append(tables(evaluation, world))
            if name == "tuned":
                tuned.append(evaluation)
    held = combine(parts)
    cells = held["cells"]
    mine = cells[cells["detector"] == "tuned"]
    return Tuned(
        detector=as_asked(found.target),
        scenario=scenario,
        parameters=place(found.target, found.best).parameters(),
        trials=found.trials,
        held_out=held,
        difference=paired_difference(cells, "tuned", "default", "f1"),
        threshold=_thresholds(tuned),
        alerts_per_day=interval(mine["alerts"].to_numpy(float), mine["test_days"].to_numpy(float), "log"),
        identities=round(float(mine["identities"].mean())),
        missed=_missed(held["incidents"]),
    )


def _thresholds(evaluations: Sequence[Evaluation]) -> Interval:
    found = np.array([each.threshold for each in evaluations])
    return Interval(float(np.median(found)), float(found.min()), float(found.max()), len(found))


def _missed(incidents: pd.DataFrame) -> dict[str, str]:
    """What the tuned detector missed, as `missed` says it."""
    mine = incidents[incidents["detector"] == "tuned"]
    return missed({str(kind): rows.tolist() for kind, rows in mine.groupby("template")["detected"]})


def missed(detected: Mapping[str, Sequence[bool]]) -> dict[str, str]:
    """Kinds of incident that were not always detected, those that were least first: caught out of how many."""
    shares = {kind: sum(each) / len(each) for kind, each in detected.items()}
    poor = sorted((share, kind) for kind, share in shares.items() if share < 1)
    return {kind: f"caught {sum(detected[kind])} of {len(detected[kind])}" for _, kind in poor}
