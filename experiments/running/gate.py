"""`gate`: sweep a suite and hold its detectors against a stored baseline (`verdicts` says how they are judged)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.baseline import Baseline, BaselineError, Key, measured
from scopedrift.experiments.running.selection import asked_for
from scopedrift.experiments.running.sweep import sweep
from scopedrift.experiments.running.verdicts import Gate, judge

if TYPE_CHECKING:
    from scopedrift.scenarios.suite import Plan


def gate(plan: Plan, before: Baseline, folder: Path, *, jobs: int = 1, progress: Progress = silent) -> Gate:
    """Judge the detectors that a plan names; cells that `folder` holds already are not run again.

    Raises `BaselineError` if the baseline is of another suite, `SpecError` for a detector that cannot be made.
    """
    if (before.suite, before.version) != (plan.suite.name, plan.suite.version):
        raise BaselineError(
            f"the baseline belongs to the suite {before.suite!r} version {before.version}, not {plan.suite.name!r}"
            f" version {plan.suite.version}: write a new one with --update"
        )
    now, failed = _measured(plan, folder, jobs, progress)
    return judge(now, before, plan.suite.gate, failed)


def new_baseline(
    plan: Plan, folder: Path, *, allow_underpowered: bool = False, jobs: int = 1, progress: Progress = silent
) -> tuple[Baseline, Gate]:
    """What the detectors of a plan achieve now, and the gate's verdicts if nothing ever changed: what it can find.

    Raises `BaselineError` if a cell failed, or if the gate could not pass an unchanged detector (unless
    `allow_underpowered`); `SpecError` for a detector that cannot be made.
    """
    now, failed = _measured(plan, folder, jobs, progress)
    if failed:
        reasons = [f"{name} on {scenario}: {reason}" for (scenario, name), reason in failed.items()]
        raise BaselineError("\n".join(["baseline not written: every cell must have a result", *reasons]))
    able = judge(now, now, plan.suite.gate, {})
    if able.word != "pass" and not allow_underpowered:
        reasons = [f"{v.detector} on {v.scenario}: {v.reason}" for v in able.deciding() if v.word != "pass"]
        what = "baseline not written: an unchanged detector could not pass it (--allow-underpowered writes it anyway)"
        raise BaselineError("\n".join([what, *reasons]))
    return now, able


def _measured(plan: Plan, folder: Path, jobs: int, progress: Progress) -> tuple[Baseline, dict[Key, str]]:
    names = asked_for(plan.suite.detectors)
    tables = sweep(plan, folder, jobs=jobs, progress=progress).tables
    return measured(tables, plan.suite.name, plan.suite.version, names, plan.suite.seeds)
