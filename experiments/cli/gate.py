"""`scopedrift gate SUITE --baseline FILE`: has a detector become worse by more than chance?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import scopedrift as sd
from scopedrift.experiments.cli.isolation import InProcess, RequireIsolation, isolation
from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress, remark, say
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import RUNS, write_file

if TYPE_CHECKING:
    from scopedrift.experiments.running.verdicts import Gate


def gate(
    suite: Annotated[str, typer.Argument(help="Suite name or file.")],
    baseline: Annotated[Path, typer.Option(help="Baseline file (YAML): earlier results of the detectors.")],
    detector: Annotated[
        list[str] | None, typer.Option(help="As for `run`: detector to judge instead of the suite's. Repeatable.")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Write a new baseline instead of judging.")] = False,
    allow_underpowered: Annotated[
        bool,
        typer.Option("--allow-underpowered", help="Write the baseline even if an unchanged detector cannot pass it."),
    ] = False,
    jobs: Annotated[int, typer.Option(min=1, max=4_096, help="Number of local processes.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Sweep folder. Finished cells in it are not run again.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    in_process: InProcess = False,
    require_isolation: RequireIsolation = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Judge detectors against a baseline.

    Exit code 0: pass. 1: regression. 2: bad input. 3: inconclusive or underpowered.
    """
    from scopedrift.experiments.running import gate_output
    from scopedrift.experiments.running.verdicts import Gate
    from scopedrift.scenarios.suite import load_suite

    how, plan = isolation(in_process, require_isolation), load_suite(suite)
    name, place = plan.suite.name, out or RUNS / f"gate-{plan.suite.name}-v{plan.suite.version}"
    if not update and not baseline.is_file():
        raise UsageError(f"{baseline}: no such baseline; --update writes one")
    if junit is not None:  # what an earlier gate left there must not look like the verdict of this one
        write_file(junit, gate_output.junit(Gate((), "the gate did not finish"), name), mark=gate_output.MARK)
    renew: bool | Literal["underpowered"] = "underpowered" if update and allow_underpowered else update
    with progress(f"gating {name}") as show:
        found = sd.gate(
            plan, baseline, detectors=detector, update=renew, out=place, jobs=jobs, isolation=how, progress=show
        )
    if junit is not None:
        write_file(junit, found.junit, mark=gate_output.MARK)
    if update:
        _print_ability(found.gate, baseline, plan.suite.gate.effect)
        return
    if step_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(step_summary).open("a", encoding="utf-8") as file:
                file.write(found.markdown)
        except OSError as error:  # it costs no verdict
            remark(f"{step_summary}: {error.strerror}")
    if as_json:
        print_json(gate_output.as_json(found.gate, name))
    else:
        if len(found.table):
            columns = ["scenario", "detector", "verdict", "caught", "loss", "p", "power", "false alarms", "why"]
            print_table(f"gate {name}", columns, found.table[columns].to_numpy().tolist())
        print_paragraph(found.words)
    if found.gate.exit_code:
        raise typer.Exit(found.gate.exit_code)


def _print_ability(able: Gate, baseline: Path, effect: float) -> None:
    """Print the power of the new baseline: the chance to find the loss that matters, on the same worlds."""
    rows = [[v.scenario, v.detector, f"{v.caught}/{v.incidents}", f"{v.power:.0%}", v.word] for v in able.verdicts]
    columns = ["scenario", "detector", "caught", f"chance to find a loss of {effect:.0%}", "verdict if nothing changes"]
    print_table(f"baseline {baseline}", columns, rows)
    say(f"baseline: {baseline}")
