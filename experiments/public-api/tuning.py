"""Tuning: parameters and a threshold for an alert budget, judged on data that no trial saw."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.detectors.isolation.placement import Isolation, asked_with
from scopedrift.detectors.spec import seen_from
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS, new_files, refuse_foreign_files
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running import tune as tuning
from scopedrift.experiments.running.tune import Tuned
from scopedrift.experiments.running.tune_log import TunedLog, tune_log
from scopedrift.logs import Log, read_log
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.own_logs.world import RealWorld
from scopedrift.simulator.records.reading.stores import is_address
from scopedrift.worlds import ScenarioLike, World, at_budget, saved_world, scenario_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from scopedrift.experiments.tracking import Invocation

DEPLOY: Final = "detector.yaml"
"""The file to deploy."""
OVERSPENT: Final = 1.25
"""The words warn if false alarms exceed the budget by this factor."""
SHOWN: Final = ("f1", "recall", "precision", "false_positives_per_day")
"""Metrics of the held-out worlds to show."""


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """The best parameters, the threshold, and a comparison with the defaults on data that no trial saw.

    Attributes:
        found: The whole result: `Tuned` for a scenario, `TunedLog` for a log.
    """

    found: Tuned | TunedLog

    @property
    def detector(self) -> str:
        """The name of the detector."""
        return self.found.detector

    @property
    def parameters(self) -> Mapping[str, object]:
        """All parameters: the best found and the fixed ones."""
        return self.found.parameters

    @property
    def threshold(self) -> float:
        """Events above this score are flagged (over several worlds: the median of their thresholds)."""
        return self.found.threshold if isinstance(self.found, TunedLog) else self.found.threshold.estimate

    @property
    def trials(self) -> pd.DataFrame:
        """One row for each trial: its value (F1 within the budget), state and parameters."""
        import pandas as pd

        rows = [{"value": each.value, "state": each.state, **each.parameters} for each in self.found.trials]
        return pd.DataFrame(rows, index=pd.RangeIndex(len(rows), name="trial"))

    @property
    def table(self) -> pd.DataFrame:
        """The tuned and the default parameters on data that no trial saw."""
        import pandas as pd

        if isinstance(self.found, Tuned):
            summary = self.found.held_out["summary"].set_index("detector").loc[["tuned", "default"]]
            return summary[list(SHOWN)].rename_axis("parameters").reset_index()
        sides = {"tuned": self.found.held_out, "default": self.found.default}
        return pd.DataFrame([{"parameters": name, **vars(side), "f1": side.f1} for name, side in sides.items() if side])

    @property
    def words(self) -> list[str]:
        """The result in words."""
        found = self.found
        texts = _words_of_log(found) if isinstance(found, TunedLog) else _words_of_scenario(found)
        missed = "; ".join(f"{kind} ({what})" for kind, what in (found.missed or {}).items())
        return [*texts, f"It will miss incidents like these: {missed}."] if missed else texts

    @property
    def facts(self) -> dict[str, object]:
        """The whole result as plain values."""
        found = self.found
        trials = [vars(trial) for trial in found.trials]
        if isinstance(found, Tuned):
            sides = self.table.set_index("parameters")
            return {
                "detector": found.detector,
                "parameters": found.parameters,
                "threshold": vars(found.threshold),
                "expected_alerts_per_day": vars(found.alerts_per_day),
                "will_miss": found.missed,
                "difference": vars(found.difference),
                "held_out": {str(side): sides.loc[side].to_dict() for side in sides.index},
                "trials": trials,
            }
        sides_of_log = {"held_out": found.held_out, "default": found.default}
        kept = {name: value for name, value in vars(found).items() if name not in (*sides_of_log, "trials", "missed")}
        return {
            **kept,
            "alerts_per_day": vars(found.alerts_per_day),
            "will_miss": found.missed,
            **{name: {**vars(side), "f1": side.f1} if side else None for name, side in sides_of_log.items()},
            "trials": trials,
        }

    @property
    def yaml(self) -> str:
        """The file to deploy: detector, parameters, threshold, cooldown, budget, expected alerts a day."""
        return self._text(None)

    def _text(self, folder: Path | None) -> str:
        return seen_from(folder, self.found.deployed).text(self.found.about)

    def plot(self) -> Figure:
        """Draw every trial and the best so far.

        Raises:
            UsageError: There was nothing to search.
        """
        from scopedrift.reports.figures import tuning
        from scopedrift.reports.style import matplotlib_settings

        if not self.found.trials:
            raise UsageError("there are no trials to draw: without incidents in the log, tuning searches no parameters")
        with matplotlib_settings():
            return tuning.draw([trial.value for trial in self.found.trials], self.detector).figure

    def save(self, folder: str | Path) -> Path:
        """Write the file to deploy and the figure of the search into a folder.

        Returns:
            The path of `detector.yaml`.

        Raises:
            UsageError: The folder holds a file of that name which scopedrift did not write.
        """
        with new_files(Path(folder), "tuning") as place:
            (place / DEPLOY).write_text(self._text(Path(folder)), encoding="utf-8")
            self._draw(place)
        return Path(folder) / DEPLOY

    def _draw(self, folder: Path) -> None:
        from scopedrift.reports.drawing import picture
        from scopedrift.reports.figures import tuning

        if isinstance(self.found, Tuned):
            values = [trial.value for trial in self.found.trials]
            picture("tuning", lambda: tuning.draw(values, self.detector), folder)

    def track(self, to: str | Path | Invocation = RUNS) -> None:
        """Record the search in MLflow: the parameters and the value of each trial.

        Args:
            to: The folder of the MLflow store, unless `MLFLOW_TRACKING_URI` names another store; or an open run.

        Raises:
            TrackingError: The store cannot be opened or written.
        """
        from scopedrift.experiments.tracking import Invocation, open_tracker

        name = f"tune {self.detector}"
        parent = nullcontext(to) if isinstance(to, Invocation) else open_tracker(Path(to)).invocation(name, {}, {})
        with parent as run, tempfile.TemporaryDirectory() as folder:
            run.log_params(self.parameters)
            run.log_steps({"tuning/f1_within_budget": [trial.value for trial in self.found.trials]})
            (Path(folder) / DEPLOY).write_text(self.yaml, encoding="utf-8")
            self._draw(Path(folder))
            run.log_files(sorted(Path(folder).iterdir()))

    def __repr__(self) -> str:
        return "\n\n".join([*self.words, self.table.to_string(index=False)])

    def _repr_html_(self) -> str:
        return fragment(self.words, {"": self.table})


def tune(
    detector: str,
    on: ScenarioLike | Log | World,
    out: str | Path | None = None,
    *,
    alert_budget: str | float = "1/day",
    trials: int = 40,
    worlds: int | tuple[int, int] = 4,
    isolation: Isolation = "on",
    progress: Progress = silent,
) -> Tuning:
    """Tune a detector's parameters for an alert budget, and judge the best on data that no trial saw.

    On a scenario, some worlds choose the parameters and others judge them. On a log, one part sets the threshold and a
    later part judges it; parameters are searched only if the log holds incidents (`inject`).

    Args:
        detector: A name, `module:Class` or `file.py:Class`; parameters in parentheses stay fixed.
        on: A scenario, by name, path, mapping or object; or a log, a world from `inject`, or the path of either.
        out: A folder that keeps the search, so that a stopped one can resume. By default nothing is kept.
        alert_budget: Accepted false alarms: a text such as `"3/week"`, or a number a day.
        trials: Number of parameter sets to try.
        worlds: For a scenario: the number of worlds to tune on (as many others judge), or both numbers.
        isolation: Whether a detector that is not built in runs in a process of its own; see `evaluate`.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        TuneError: The detector has nothing to search, or no trial gave a result.
        SpecError: A detector does not exist or its parameters are wrong.
        UsageError: Optuna is missing (`pip install 'scopedrift[tune]'`), the budget is invalid, or `out` holds a
            `detector.yaml` that scopedrift did not write.

    Examples:
        >>> import scopedrift as sd
        >>> found = sd.tune("rate", "tiny", alert_budget="2/day", trials=2, worlds=(1, 2))
        >>> list(found.table["parameters"]), "half_life" in found.parameters
        (['tuned', 'default'], True)
    """
    chosen, detector = at_budget(_log_or_scenario(on), alert_budget), asked_with(detector, isolation)
    searches = isinstance(chosen, Scenario) or bool(chosen.source.truth.incidents)
    if searches and find_spec("optuna") is None:
        raise UsageError("tuning needs Optuna: pip install 'scopedrift[tune]'")
    with tempfile.TemporaryDirectory() if out is None else nullcontext(str(out)) as place:
        folder = Path(place)
        refuse_foreign_files(folder, (DEPLOY,))
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(chosen, World):
            if not isinstance(chosen.source, RealWorld):
                raise UsageError("one simulated world is too little to tune on: give its scenario")
            return Tuning(tune_log(detector, chosen.source, folder, trials=trials, progress=progress))
        tried, judges = (worlds, max(worlds, 2)) if isinstance(worlds, int) else worlds
        split = {"tuning": range(tried), "held_out": range(tried, tried + judges)}
        return Tuning(tuning.tune(detector, chosen, folder, trials=trials, progress=progress, **split))


def _log_or_scenario(on: ScenarioLike | Log | World) -> Scenario | World:
    """The scenario or world that was given, a log as a world; a path is a log's unless it ends in `.yaml`."""
    if isinstance(on, str | Path) and is_log(on):
        return saved_world(on) or read_log(on).split()
    if isinstance(on, Log):
        return on.split()
    return on if isinstance(on, World) else scenario_of(on)


def is_log(name: str | Path) -> bool:
    """Whether that is the place of a log: an address, or any existing path except a scenario file."""
    path = Path(name)
    return is_address(name) or path.is_dir() or (path.is_file() and path.suffix not in (".yaml", ".yml"))


def _words_of_scenario(found: Tuned) -> list[str]:
    gain, allowed = found.difference, found.scenario.evaluation.alert_budget
    tuned = found.held_out["summary"].set_index("detector")["false_positives_per_day"].to_dict()["tuned"]
    spent = float(tuned) / allowed if allowed else 0.0
    over = f" False alarms are {spent:.2g} times the budget." if spent > OVERSPENT else ""
    sure = "better" if gain.low > 0 else "worse: keep the default" if gain.high < 0 else "no significant gain"
    return [
        f"f1 {gain.estimate:+.3f} ({gain.low:+.3f} to {gain.high:+.3f}) against the default: {sure}.{over}"
        f" Expected alerts: {found.alerts_per_day.estimate:.2g} a day for {found.identities} identities."
    ]


def _words_of_log(found: TunedLog) -> list[str]:
    rate, held = found.alerts_per_day, found.held_out
    texts = [
        f"{found.detector}: threshold {found.threshold:.4g}, set on {_days(found.calibration_days)} for a budget of"
        f" {found.budget_per_day:g} a day. On the {_days(held.days)} after that, it raised {held.false_alarms:,}"
        f" alert{'' if held.false_alarms == 1 else 's'}"
        f"{' on the log itself' if held.incidents else ''}: expect {rate.estimate:.3g} a day (95 % interval"
        f" {rate.low:.3g} to {rate.high:.3g}) from {found.identities:,} identities that act then."
    ]
    if rate.low > found.budget_per_day:
        texts.append("That is over the budget: the log changed after the calibration part.")
    if found.short:
        texts.append(
            f"A calibration part of {_days(found.calibration_days)} is too short for a budget of"
            f" {found.budget_per_day:g} a day, which allows no alert in it: the threshold is its highest score."
        )
    if found.missed is None:
        texts.append(
            "The log has no incidents, so this says nothing about what the detector finds or misses. `scopedrift"
            " inject` adds incidents; tuning on its output also searches parameters."
        )
        return texts
    texts.append(f"It caught {held.detected} of {held.incidents} held-out incidents.")
    if found.default is not None:
        better = held.f1 - found.default.f1
        texts.append(
            f"f1 {held.f1:.3f} against {found.default.f1:.3f} with the default parameters:"
            f" {'better' if better > 0 else 'worse, keep the defaults' if better < 0 else 'no gain'}."
            " One log gives no interval."
        )
    return texts


def _days(days: float) -> str:
    if days >= 1:
        return f"{days:.3g} days"
    return f"{24 * days:.2g} hours" if days >= 1 / 12 else f"{1440 * days:.2g} minutes"
