"""`scopedrift gate SUITE --baseline FILE`: has a detector become worse, by more than luck?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from scopedrift.experiments.cli.output import print_json, print_paragraph, print_table, progress, remark
from scopedrift.experiments.folders import RUNS


def gate_suite(
    suite: Annotated[str, typer.Argument(help="A suite's name, or the path of a suite file.")],
    baseline: Annotated[Path, typer.Option(help="What the detectors achieved before (YAML).")],
    detector: Annotated[
        list[str] | None, typer.Option(help="Only these detectors instead of the suite's; may be repeated.")
    ] = None,
    update: Annotated[bool, typer.Option("--update", help="Write the baseline anew instead of judging.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=4_096, help="Processes on this machine.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder of the sweep; what is finished in it is kept.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML to this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Judge detectors against a baseline: exit code 0 pass, 1 regression, 2 bad input, 3 underpowered."""
    from scopedrift.scenarios.documents import read_text
    from scopedrift.scenarios.suite import load_suite

    plan = load_suite(suite)
    if detector:
        plan = plan.with_detectors(detector)
    from scopedrift.experiments.running.baseline import GateError, read_baseline
    from scopedrift.experiments.running.gate import gate, new_baseline
    from scopedrift.experiments.running.gate_output import junit as junit_xml
    from scopedrift.experiments.running.gate_output import summary
    from scopedrift.experiments.running.verdicts import EXIT_CODES
    from scopedrift.reports.files import write_text

    before = None if update else read_baseline(read_text(baseline, str(baseline)), str(baseline))
    place = out or RUNS / f"gate-{plan.suite.name}-v{plan.suite.version}"
    with progress(f"gating {plan.suite.name}") as show:
        if before is None:
            write_text(baseline, new_baseline(plan, place, jobs=jobs, progress=show).text())
            print(f"baseline: {baseline}")
            return
        try:
            found = gate(plan, before, place, jobs=jobs, progress=show)
        except GateError as error:
            remark(f"scopedrift: {error}")
            raise typer.Exit(3) from None
    text = summary(found, plan.suite.name)
    if junit is not None:
        write_text(junit, junit_xml(found, plan.suite.name))
    if step_summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(step_summary).open("a", encoding="utf-8") as file:
            file.write(text)
    if as_json:
        print_json({"suite": plan.suite.name, "verdict": found.word, "verdicts": [vars(v) for v in found.verdicts]})
    else:
        rows = [
            [v.scenario, v.detector, v.word, f"{v.caught}/{v.incidents}", f"-{v.lost} +{v.gained}",
             f"{v.false_positives_before} to {v.false_positives}", v.reason]
            for v in found.verdicts
        ]  # fmt: skip
        columns = ["scenario", "detector", "verdict", "caught", "lost, gained", "false alarms", "why"]
        print_table(f"gate {plan.suite.name}", columns, rows)
        print_paragraph(f"verdict: {found.word}")
    if code := EXIT_CODES[found.word]:
        raise typer.Exit(code)
