"""`scopedrift check DETECTOR`: does a detector keep the contract?"""

from __future__ import annotations

from typing import Annotated

import typer

from scopedrift.experiments.cli.output import print_json, print_table, progress, remark


def check(
    detector: Annotated[str, typer.Argument(help="Detector: name, module:Class or file.py[:Class].")],
    timeout: Annotated[float, typer.Option(help="Time limit for each check, in seconds.", min=1)] = 180.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Check a detector against the detector contract; exit code 1 if it breaks it."""
    from scopedrift.detectors import conformance

    with progress(f"checking {detector}"):
        findings = list(conformance.check_apart(detector, max_seconds=timeout))
    broken = [finding for finding in findings if not finding.ok]
    if as_json:
        print_json({"detector": detector, "ok": not broken, "checks": [vars(finding) for finding in findings]})
    else:
        rows = [[finding.check.replace("_", " "), "passed" if finding.ok else "FAILED"] for finding in findings]
        print_table(f"{detector}: the detector contract", ["check", "result"], rows)
    for finding in broken:
        remark(str(finding))
    if broken:
        raise typer.Exit(1)
