"""Tuning: parameters and a threshold for an alert budget, and what they are worth on data that no trial saw."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running import tune as tuning
from scopedrift.experiments.running.tune import Tuned
from scopedrift.experiments.running.tune_log import TunedLog, tune_log
from scopedrift.logs import Log, read_log
from scopedrift.reports.files import write_text
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.own_logs.world import RealWorld
from scopedrift.worlds import ScenarioLike, World, at_budget, saved_world, scenario_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from scopedrift.experiments.tracking import Invocation

DEPLOY: Final = "detector.yaml"
"""The file that a deployment can be made from."""
OVERSPENT: Final = 1.25
"""Times the budget from which a result says what it spends."""
SHOWN: Final = ("f1", "recall", "precision", "false_positives_per_day")
"""Metrics of the held-out worlds that are shown."""


@dataclass(frozen=True, eq=False, repr=False)
class Tuning:
    """The best parameters found, the threshold, and what they and the defaults do on data that no trial saw.

    Attributes:
        found: The whole result: `Tuned` of a scenario, `TunedLog` of a log.
    """

    found: Tuned | TunedLog

    @property
    def detector(self) -> str:
        """Which detector."""
        return self.found.detector

    @property
    def parameters(self) -> Mapping[str, object]:
        """All its parameters: the best that were found, and those that were given."""
        return self.found.parameters

    @property
    def threshold(self) -> float:
        """The score above which an event is flagged (over several worlds: the median of theirs)."""
        return self.found.threshold if isinstance(self.found, TunedLog) else self.found.threshold.estimate

    @property
    def trials(self) -> pd.DataFrame:
        """One row for each set of parameters that was tried: how good it was (f1 within the budget), and its state."""
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
        """What it comes to, in words."""
        found = self.found
        texts = _words_of_log(found) if isinstance(found, TunedLog) else _words_of_scenario(found)
        missed = "; ".join(f"{kind} ({what})" for kind, what in (found.missed or {}).items())
        return [*texts, f"It will miss: {missed}"] if missed else texts

    @property
    def facts(self) -> dict[str, object]:
        """Everything that was found, as plain values."""
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
        """What a deployment can be made from: detector, parameters, threshold, budget, alerts a day to expect."""
        return self.found.text()

    def plot(self) -> Figure:
        """Draw every trial and the best so far.

        Raises:
            UsageError: There was nothing to search.
        """
        from scopedrift.reports.figures import tuning
        from scopedrift.reports.style import matplotlib_settings

        if not self.found.trials:
            raise UsageError("there was nothing to search: a log without incidents tells no parameters apart")
        with matplotlib_settings():
            return tuning.draw([trial.value for trial in self.found.trials], self.detector).figure

    def save(self, folder: str | Path) -> Path:
        """Write what a deployment can be made from, and the figure of the search, into a folder.

        Returns:
            The path of `detector.yaml`.
        """
        from scopedrift.reports.drawing import render
        from scopedrift.reports.figures import tuning
        from scopedrift.reports.style import matplotlib_settings

        if isinstance(self.found, Tuned):
            with matplotlib_settings():
                render(tuning.draw([trial.value for trial in self.found.trials], self.detector), Path(folder))
        return write_text(Path(folder) / DEPLOY, self.yaml)

    def track(self, to: str | Path | Invocation = RUNS) -> None:
        """Keep the search in MLflow: the parameters, and how good each trial was.

        Args:
            to: The folder of the MLflow store, unless `MLFLOW_TRACKING_URI` names another one; or an open run.

        Raises:
            TrackingError: The store cannot be opened or written.
        """
        from scopedrift.experiments.tracking import Invocation, open_tracker

        name = f"tune {self.detector}"
        parent = nullcontext(to) if isinstance(to, Invocation) else open_tracker(Path(to)).invocation(name, {}, {})
        with parent as run, tempfile.TemporaryDirectory() as folder:
            run.log_params(self.parameters)
            run.log_steps({"tuning/f1_within_budget": [trial.value for trial in self.found.trials]})
            self.save(folder)
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
    progress: Progress = silent,
) -> Tuning:
    """Search a detector's parameters for an alert budget, and judge the best on data that no trial saw.

    Of a scenario, parameters are tried on some worlds and judged on others. Of a log, the threshold is set on one part
    and judged on a later one; parameters are searched only if there are incidents in it (`inject`).

    Args:
        detector: A name, `module:Class` or `file.py:Class`; parameters in parentheses stay as they are.
        on: A scenario, by name, path, mapping or object; or a log, a world of `inject`, or the path of either.
        out: A folder that keeps the search, so that one that was stopped goes on. By default nothing is kept.
        alert_budget: False alarms that are accepted: a text such as `"3/week"`, or a number a day.
        trials: Sets of parameters to try.
        worlds: Of a scenario: how many worlds to try on (as many others judge), or both numbers.
        progress: Called with the share that is done (0 to 1) and what is being done, such as `print`.

    Raises:
        TuneError: The detector has nothing to search, or no trial gave a result.
        SpecError: There is no such detector, or it was given wrong parameters.
        UsageError: Optuna is missing (`pip install 'scopedrift[tune]'`), or the budget makes no sense.

    Examples:
        >>> import scopedrift as sd
        >>> found = sd.tune("rate", "tiny", alert_budget="2/day", trials=2, worlds=(1, 2))
        >>> list(found.table["parameters"]), "half_life" in found.parameters
        (['tuned', 'default'], True)
    """
    chosen = at_budget(_log_or_scenario(on), alert_budget)
    searches = isinstance(chosen, Scenario) or bool(chosen.source.truth.incidents)
    if searches and find_spec("optuna") is None:
        raise UsageError("tuning needs Optuna: pip install 'scopedrift[tune]'")
    with tempfile.TemporaryDirectory() if out is None else nullcontext(str(out)) as place:
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        if isinstance(chosen, World):
            if not isinstance(chosen.source, RealWorld):
                raise UsageError("one simulated world is too little to tune on: name its scenario")
            return Tuning(tune_log(detector, chosen.source, folder, trials=trials, progress=progress))
        tried, judges = (worlds, max(worlds, 2)) if isinstance(worlds, int) else worlds
        split = {"tuning": range(tried), "held_out": range(tried, tried + judges)}
        return Tuning(tuning.tune(detector, chosen, folder, trials=trials, progress=progress, **split))


def _log_or_scenario(on: ScenarioLike | Log | World) -> Scenario | World:
    """What was given, a log as a world; a path is that of a log unless it ends in `.yaml`."""
    if isinstance(on, str | Path) and is_log(on):
        return saved_world(on) or read_log(on).split()
    if isinstance(on, Log):
        return on.split()
    return on if isinstance(on, World) else scenario_of(on)


def is_log(name: str | Path) -> bool:
    """Whether that is the path of a log: of anything there but a scenario file."""
    path = Path(name)
    return path.is_dir() or (path.is_file() and path.suffix not in (".yaml", ".yml"))


def _words_of_scenario(found: Tuned) -> list[str]:
    gain, allowed = found.difference, found.scenario.evaluation.alert_budget
    tuned = found.held_out["summary"].set_index("detector")["false_positives_per_day"].to_dict()["tuned"]
    spent = float(tuned) / allowed if allowed else 0.0
    over = f" It spends {spent:.2g} times the budget of false alarms." if spent > OVERSPENT else ""
    sure = "better" if gain.low > 0 else "worse: keep the default" if gain.high < 0 else "no proof of a gain"
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
        texts.append("That is more than the budget: what came later is not like what the threshold was set on.")
    if found.short:
        texts.append(
            f"{_days(found.calibration_days)} are too short for a budget of {found.budget_per_day:g} a day, which"
            " allows no alert in them: the threshold is the highest score that they had."
        )
    if found.missed is None:
        texts.append(
            "Nothing says what it finds or misses: the log has no incidents. `scopedrift inject` puts some in; tuning"
            " on what it writes also searches parameters."
        )
        return texts
    texts.append(f"It caught {held.detected} of {held.incidents} incidents that the search did not see.")
    if found.default is not None:
        better = held.f1 - found.default.f1
        texts.append(
            f"f1 {held.f1:.3f} against {found.default.f1:.3f} of the default parameters there:"
            f" {'better' if better > 0 else 'worse, keep the defaults' if better < 0 else 'no gain'}."
            " One log gives no interval."
        )
    return texts


def _days(days: float) -> str:
    if days >= 1:
        return f"{days:.3g} days"
    return f"{24 * days:.2g} hours" if days >= 1 / 12 else f"{1440 * days:.2g} minutes"
