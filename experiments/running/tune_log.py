"""Tuning on a real log: a threshold that keeps to an alert budget, and what it comes to on a later part of the log.

The detector learns on the first part, its threshold is set on the next, and what is left says how many alerts a day to
expect.  Without incidents in the log nothing tells which parameters find more, so they stay as they are, and what will
be missed is unknown.  In a log that incidents were injected into, the last part is cut in two by time: parameters are
searched on the incidents and false alarms of its first half, and judged on its second.

Units: times in microseconds, rates per day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.detectors.deployed import VERSION, Deployed
from scopedrift.detectors.isolation.placement import as_asked, divided, place
from scopedrift.experiments.evaluation import metrics
from scopedrift.experiments.evaluation.evaluate import Evaluation, evaluate
from scopedrift.experiments.evaluation.guard import DetectorError
from scopedrift.experiments.evaluation.intervals import Interval, interval
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.search import Objective, Parameters, Trial, TuneError, search, worth
from scopedrift.experiments.running.tune import estimate, missed
from scopedrift.scenarios.durations import format_duration, format_rate
from scopedrift.simulator.log.events import DAY, MINUTE, SECOND, Array
from scopedrift.simulator.own_logs.world import RealWorld

if TYPE_CHECKING:
    import optuna

LEAST_DAYS: Final = 8
"""Days of a held-out part from which on they are resampled, too."""
UNKNOWN: Final = "unknown: the log has no incidents (`scopedrift inject` adds some)"


@dataclass(frozen=True)
class Outcome:
    """What a detector does in a span of the log at its threshold."""

    detected: int
    incidents: int
    false_alarms: int
    """Alerts on what was in the log by itself."""
    days: float

    @property
    def f1(self) -> float:
        """Over incidents and false alarms."""
        return metrics.f1(self.detected, self.false_alarms, self.incidents)


@dataclass(frozen=True)
class TunedLog:
    """A threshold and parameters for a log, and what they come to on its held-out part."""

    detector: str
    log: str
    parameters: Parameters
    threshold: float
    budget_per_day: float
    cooldown_us: int
    learning_us: int
    calibration_days: float
    alerts_per_day: Interval
    """On the held-out part, without alerts on injected incidents."""
    held_out: Outcome
    default: Outcome | None
    """Of the parameters as they were; None if none were searched."""
    identities: int
    missed: Mapping[str, str] | None
    """Kinds of incident that were not always caught; None if the log has no incidents."""
    trials: tuple[Trial, ...] = field(default=())

    @property
    def short(self) -> bool:
        """Whether the budget does not even allow one alert while the threshold is set."""
        return self.budget_per_day * self.calibration_days < 1

    @property
    def deployed(self) -> Deployed:
        """What a deployment can be made from."""
        held, default = self.held_out, self.default
        judged = {"incidents": held.incidents, "caught": held.detected} if default else {}
        return Deployed.model_validate(
            {
                "version": VERSION,
                "detector": self.detector,
                "parameters": dict(self.parameters),
                "threshold": self.threshold,
                "cooldown": format_duration(self.cooldown_us),
                "alert_budget": format_rate(self.budget_per_day),
                "learning_period": _about(self.learning_us),
                "expected_alerts_per_day": estimate(self.alerts_per_day),
                "identities": self.identities,
                "will_miss": UNKNOWN if self.missed is None else dict(self.missed) or None,
                "held_out": {"days": float(f"{held.days:.4g}"), "alerts": held.false_alarms, **judged},
                "f1": {"tuned": round(held.f1, 4), "default": round(default.f1, 4)} if default else None,
            }
        )

    @property
    def about(self) -> str:
        """What the file to deploy says of itself."""
        return f"Tuned on the log {self.log}: threshold from one part, expected alerts from a later one."


def tune_log(
    spec: str,
    world: RealWorld,
    folder: Path,
    *,
    trials: int,
    progress: Progress = silent,
) -> TunedLog:
    """Tune the detector that `spec` asks for on a log, for the world's alert budget.

    Raises `TuneError` if it cannot run, `SpecError` if there is no such detector.
    """
    if not world.truth.incidents:
        target, fixed = divided(spec)
        progress(0.1, f"{target} at its threshold")
        return _result(target, world, fixed, world.scenario.calibration_end_us, progress)
    middle = _middle(world)

    def objective(target: str) -> Objective:
        def value(trial: optuna.Trial, parameters: Parameters) -> float:
            found = outcome(evaluate(place(target, parameters), world, name=target), world, until=middle)
            return worth(found.f1, found.false_alarms, world.scenario.evaluation.alert_budget * found.days)

        return value

    found = search(
        spec,
        folder,
        on=f"{world.scenario.name} ({world.log.digest[:12]}, {world.scenario.evaluation.alert_budget:g} a day)",
        trials=trials,
        objective=objective,
        progress=lambda done, what: progress(0.8 * done, what),
    )
    default = evaluate(place(found.target, found.fixed), world, name=found.target)
    tuned = _result(found.target, world, found.best, middle, progress)
    return TunedLog(**{**vars(tuned), "default": outcome(default, world, since=middle), "trials": found.trials})


def outcome(evaluation: Evaluation, world: RealWorld, *, since: int = 0, until: int | None = None) -> Outcome:
    """What happened in the test window from `since` to `until`: to alerts opened then, and incidents begun then."""
    assert evaluation.alerts is not None and evaluation.matching is not None and evaluation.windows is not None
    test = evaluation.windows.test
    since, until = max(since, test.began_us), test.ended_us if until is None else until
    inside = (evaluation.alerts.opened_at >= since) & (evaluation.alerts.opened_at < until)
    mine = [d for d in evaluation.matching.detections if since <= d.incident.first_observable_at < until]
    false = int(np.count_nonzero(inside & evaluation.matching.false_alarm))
    detected = sum(d.detected for d in mine)
    return Outcome(detected, len(mine), false, (until - since) / DAY)


def alert_rate(opened_at: Array, since: int, until: int) -> Interval:
    """Alerts a day in a span, with a 95 % interval: Poisson's, or that of resampled days if there are enough and wider.

    Alerts come in bursts, which Poisson's interval does not know; resampling knows nothing of what did not happen yet.
    """
    from scipy.stats import chi2

    days, count = (until - since) / DAY, len(opened_at)
    low = float(chi2.ppf(0.025, 2 * count)) / 2 / days if count else 0.0
    high = float(chi2.ppf(0.975, 2 * count + 2)) / 2 / days
    if (parts := int(days)) >= LEAST_DAYS:
        per_part = np.histogram(opened_at, parts, (since, until))[0]
        drawn = interval(per_part, np.full(parts, days / parts), "log")
        low, high = min(low, drawn.low), max(high, drawn.high)
    return Interval(count / days, low, high, count)


def _result(target: str, world: RealWorld, parameters: Parameters, since: int, progress: Progress) -> TunedLog:
    detector = place(target, parameters)
    try:
        done = evaluate(detector, world, name=target)
    except DetectorError as error:
        raise TuneError(str(error)) from error
    progress(1.0, "judged")
    assert done.alerts is not None and done.windows is not None and done.matching is not None
    opened, end = done.alerts.opened_at[done.matching.false_alarm], done.windows.test.ended_us
    return TunedLog(
        detector=as_asked(target),
        log=world.scenario.name,
        parameters=detector.parameters(),
        threshold=done.threshold,
        budget_per_day=done.budget_per_day,
        cooldown_us=done.cooldown_us,
        learning_us=world.scenario.baseline_end_us - world.scenario.start_us,
        calibration_days=done.windows.calibration.days,
        alerts_per_day=alert_rate(opened[opened >= since], since, end),
        held_out=outcome(done, world, since=since),
        default=None,
        identities=int(done.metrics["identities"]),
        missed=_missed(done, since) if world.truth.incidents else None,
    )


def _middle(world: RealWorld) -> int:
    """The moment that divides the test part's incidents into two halves.

    Raises `TuneError` if there are too few.
    """
    begins = sorted(i.first_observable_at for i in world.truth.incidents if i.first_observable_at >= 0)
    middle = begins[len(begins) // 2] if begins else 0
    if not begins or begins[0] >= middle:
        raise TuneError(f"{len(begins)} incidents are too few to split between tuning and judging: inject more")
    return middle


def _missed(evaluation: Evaluation, since: int) -> dict[str, str]:
    """What was missed of the held-out part's incidents, as `missed` says it."""
    assert evaluation.matching is not None
    found: dict[str, list[bool]] = {}
    for each in evaluation.matching.detections:
        if each.incident.first_observable_at >= since:
            found.setdefault(each.incident.template, []).append(each.detected)
    return missed(found)


def _about(us: int) -> str:
    """A length of time in full minutes, or in seconds if it is short."""
    unit = MINUTE if us >= 10 * MINUTE else SECOND
    return format_duration(max(round(us / unit), 1) * unit)
