"""`scopedrift tune DETECTOR LOG`: a threshold for an alert budget on a real log, ready to deploy."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from scopedrift.experiments.cli.output import print_json, print_paragraph, progress, remark
from scopedrift.experiments.cli.own_logs import open_log
from scopedrift.experiments.errors import UsageError

if TYPE_CHECKING:
    from scopedrift.experiments.running.tune_log import TunedLog
    from scopedrift.simulator.own_logs.world import RealWorld


def is_log(name: str) -> bool:
    """Whether that is the path of a log: of anything there but a scenario file."""
    path = Path(name)
    return path.is_dir() or (path.is_file() and path.suffix not in (".yaml", ".yml"))


def tune_on_log(
    detector: str,
    path: Path,
    budget: str,
    place: Path,
    trials: int,
    learn: float,
    calibrate: float,
    format: str | None,
    mapping: Path | None,
    *,
    as_json: bool,
) -> None:
    """Tune, write what to deploy into the folder `place`, and say what it comes to."""
    from scopedrift.experiments.running.search import TuneError
    from scopedrift.experiments.running.tune_log import tune_log
    from scopedrift.reports.files import write_text
    from scopedrift.scenarios.durations import parse_rate

    if learn + calibrate > 0.99:
        raise UsageError(f"--learn {learn:g} and --calibrate {calibrate:g} leave no events to judge on")
    try:
        per_day = parse_rate(budget)
    except ValueError as error:
        raise UsageError(f"--budget: {error}") from None
    world = _world(path, learn, calibrate, format, mapping).at_budget(per_day)
    if world.truth.incidents and find_spec("optuna") is None:
        raise UsageError("tuning needs Optuna: pip install 'scopedrift[tune]'")
    place.mkdir(parents=True, exist_ok=True)
    with progress(f"tuning {detector}") as show:
        try:
            found = tune_log(detector, world, place, trials=trials, progress=show)
        except TuneError as error:
            raise UsageError(str(error)) from None
    deploy = write_text(place / "detector.yaml", found.text())
    if as_json:
        print_json({**_plain(found), "path": str(deploy)})
    else:
        _print(found)
        print(f"\nto deploy: {deploy}")


def _world(path: Path, learn: float, calibrate: float, format: str | None, mapping: Path | None) -> RealWorld:
    from scopedrift.reports.text import slug
    from scopedrift.simulator.log.event_log import EventLog
    from scopedrift.simulator.log.storage import MANIFEST
    from scopedrift.simulator.own_logs.world import KEY, RealWorld, load_world

    if (path / MANIFEST).is_file() and KEY in EventLog.load(path).manifest:
        return load_world(path)
    log = open_log(path, format, mapping, False, None)
    name = slug(path.absolute().name.split(".")[0]) or "log"
    return RealWorld.of(name, log, learn, calibrate)


def _plain(found: TunedLog) -> dict[str, object]:
    told = {
        name: value for name, value in vars(found).items() if name not in ("held_out", "default", "trials", "missed")
    }
    sides = {"held_out": found.held_out, "default": found.default}
    return {
        **told,
        "alerts_per_day": vars(found.alerts_per_day),
        "will_miss": found.missed,
        **{name: {**vars(side), "f1": side.f1} if side else None for name, side in sides.items()},
        "trials": [vars(trial) for trial in found.trials],
    }


def _print(found: TunedLog) -> None:
    rate, held = found.alerts_per_day, found.held_out
    print_paragraph(
        f"{found.detector}: threshold {found.threshold:.4g}, set on {_days(found.calibration_days)} for a budget of"
        f" {found.budget_per_day:g} a day. On the {_days(held.days)} after that, it raised {held.false_alarms:,}"
        f" alert{'' if held.false_alarms == 1 else 's'}"
        f"{' on the log itself' if held.incidents else ''}: expect {rate.estimate:.3g} a day (95 % interval"
        f" {rate.low:.3g} to {rate.high:.3g}) from {found.identities:,} identities that act then."
    )
    if rate.low > found.budget_per_day:
        print_paragraph("That is more than the budget: what came later is not like what the threshold was set on.")
    if found.short:
        remark(
            f"{_days(found.calibration_days)} are too short for a budget of {found.budget_per_day:g} a day, which"
            " allows no alert in them: the threshold is the highest score that they had"
        )
    if found.missed is None:
        print_paragraph(
            "Nothing says what it finds or misses: the log has no incidents. `scopedrift inject` puts some in; tuning"
            " on what it writes also searches parameters."
        )
        return
    print_paragraph(f"It caught {held.detected} of {held.incidents} incidents that the search did not see.")
    if found.default is not None:
        better = held.f1 - found.default.f1
        print_paragraph(
            f"f1 {held.f1:.3f} against {found.default.f1:.3f} of the default parameters there:"
            f" {'better' if better > 0 else 'worse, keep the defaults' if better < 0 else 'no gain'}."
            " One log gives no interval."
        )
    if found.missed:
        print_paragraph("It will miss: " + "; ".join(f"{kind} ({what})" for kind, what in found.missed.items()))


def _days(days: float) -> str:
    if days >= 1:
        return f"{days:.3g} days"
    return f"{24 * days:.2g} hours" if days >= 1 / 12 else f"{1440 * days:.2g} minutes"
