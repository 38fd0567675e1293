"""`scopedrift check DETECTOR`: does a detector keep the contract?"""

from __future__ import annotations

from typing import Annotated

import typer

import scopedrift as sd
from scopedrift.experiments.cli.output import print_json, print_table, progress, remark


def check(
    detector: Annotated[
        str, typer.Argument(help="Detector: name, module:Class, file.py[:Class] or detector.yaml of `tune`.")
    ],
    timeout: Annotated[float, typer.Option(help="Time limit for each check, in seconds.", min=1)] = 180.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Check a detector against the detector contract; exit code 1 if it fails."""
    with progress(f"checking {detector}"):
        found = sd.check(detector, timeout=timeout)
    if as_json:
        print_json({"detector": detector, "ok": found.passed, "checks": [vars(row) for row in found.rows]})
    else:
        rows = [[row.check.replace("_", " "), "passed" if row.ok else "FAILED"] for row in found.rows]
        print_table(f"{detector}: the detector contract", ["check", "result"], rows)
    for row in found.failed:
        remark(str(row))
    if not found.passed:
        raise typer.Exit(1)
