"""Searching a detector's parameters with Optuna: the defaults first, then where the results are better.

The study is an SQLite file in a folder: a search that was stopped goes on, unless the detector's code has changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.description import ParameterInfo
from scopedrift.detectors.isolation.placement import divided, searchable
from scopedrift.detectors.spec import SpecError
from scopedrift.experiments.evaluation.guard import DetectorError
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.code import code_of, sources

if TYPE_CHECKING:
    import optuna

STUDY: Final = "study.sqlite"
PATIENCE: Final = 25
"""Trials without a better one after which the search ends."""

Parameters = Mapping[str, object]
Objective = Callable[["optuna.Trial", Parameters], float]
"""Given an Optuna trial (to report to) and parameters: how good they are, higher being better."""


class TuneError(Exception):
    """A detector that has nothing to tune, or cannot be run."""


@dataclass(frozen=True)
class Trial:
    """One set of parameters that was tried."""

    number: int
    parameters: Parameters
    value: float
    """`worth` on what the search may see; NaN if it was pruned or failed."""
    state: str


@dataclass(frozen=True)
class Searched:
    """The best parameters, and all that were tried."""

    target: str
    fixed: Parameters
    """Parameters that were given, and so not searched."""
    best: Parameters
    trials: tuple[Trial, ...]


def worth(f1: float, spent: float, allowed: float) -> float:
    """What a search makes the most of: f1, less in proportion to the false alarms spent beyond those allowed.

    f1 alone would pay for more recall with many times the budget wherever thresholds do not carry over well.
    """
    return f1 * min(1.0, allowed / spent) if spent > 0 else f1


def search(
    spec: str,
    folder: Path,
    *,
    on: str,
    trials: int,
    objective: Callable[[str], Objective],
    progress: Progress = silent,
) -> Searched:
    """Search the parameters of the detector that `spec` asks for; parameters given in `spec` stay as they are.

    `on` names what it is searched on: another name is another search.  `objective` is made for the detector's name,
    once it is known to have something to search.  Raises `TuneError` if there is nothing to search or nothing ran,
    `SpecError` if there is no such detector.
    """
    import optuna

    target, fixed = divided(spec)
    searched = [p for p in searchable(target) if _searchable(p, fixed)]
    if not searched:
        raise TuneError(f"{spec} has no parameter with a range to search")
    code = hashlib.sha256(f"{sources()} {code_of(spec)}".encode()).hexdigest()
    value_of = objective(target)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=f"{spec} ({code[:12]}) on {on}",
        storage=f"sqlite:///{(folder / STUDY).resolve()}",
        load_if_exists=True,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=0, multivariate=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=8, n_warmup_steps=1),
    )
    if not study.trials:
        study.enqueue_trial({p.name: p.default for p in searched})
    left = max(trials - len([t for t in study.trials if t.state.is_finished()]), 0)
    began = len(study.trials)

    def judged(trial: optuna.Trial) -> float:
        given = {p.name: _proposed(trial, p) for p in searched}
        progress(min((trial.number - began) / max(left, 1), 1.0), f"trial {trial.number + 1}{_best(study)}")
        return value_of(trial, {**fixed, **given})

    def patient(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        finished = study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])
        if finished and trial.number - study.best_trial.number >= PATIENCE:
            study.stop()

    if left:
        study.optimize(judged, n_trials=left, callbacks=[patient], catch=(DetectorError, SpecError))
    finished = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    if not finished:
        raise TuneError(
            f"no trial of {spec} gave a result: try `scopedrift check`, or run it on {on.partition(' (')[0]}"
        )
    values = {t.number: t.value for t in finished if t.value is not None}
    tried = tuple(
        Trial(t.number, t.params, values.get(t.number, float("nan")), t.state.name.lower()) for t in study.trials
    )
    return Searched(target, fixed, {**fixed, **study.best_params}, tried)


def _searchable(parameter: ParameterInfo, fixed: Parameters) -> bool:
    return parameter.name not in fixed and (parameter.range is not None or isinstance(parameter.default, bool))


def _proposed(trial: optuna.Trial, parameter: ParameterInfo) -> object:
    if parameter.range is None:
        return trial.suggest_categorical(parameter.name, [False, True])
    low, high, log = parameter.range.low, parameter.range.high, parameter.range.log
    if isinstance(parameter.default, int):
        return trial.suggest_int(parameter.name, round(low), round(high), log=log)
    return trial.suggest_float(parameter.name, low, high, log=log)


def _best(study: optuna.Study) -> str:
    """The best value so far, in words; nothing before a trial has ended."""
    try:
        return f": best {study.best_value:.3f}"
    except ValueError:  # no trial has ended yet
        return ""
