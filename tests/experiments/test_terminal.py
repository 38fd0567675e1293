"""What reaches a terminal steers none; a failing figure, an unknown user and a missing home cost no result."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scopedrift.experiments.cli.output import inert_stderr, print_json, print_table, say
from scopedrift.experiments.cli.results import print_rules

SMALL = """
name: small
horizon: 36h
windows: {baseline: 12h, calibration: 12h}
organisation: {projects: 2}
workloads: {serverless: {functions: 3}}
incidents: [{attack: token-theft, count: 1}]
"""
RUN = ["run", "small.yaml", "--seeds", "1", "--detector", "rate"]


@pytest.fixture(autouse=True)
def small(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL)


@pytest.mark.parametrize(
    "told",
    [
        lambda: say("wrote a\x1b[2J\nb"),
        lambda: print_table("\x1b[2J", ["a\x1b[2J"], [], ["a\x1b[2J"]),
        lambda: print_json({"a": "\x9b2J\x7f\u202e"}),
        lambda: logging.getLogger("other").warning("%s", "a\x1b[2J"),
        lambda: warnings.warn("a\x1b[2J", stacklevel=1),
        lambda: exec("raise ValueError('a\x1b[2J')"),
    ],
    ids=["lines", "table", "json", "log", "warning", "traceback"],
)
def test_whatever_way_a_hostile_name_takes_it_steers_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, told: Callable[[], object]
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with contextlib.suppress(SystemExit), inert_stderr():
        told()
    shown = "".join(capsys.readouterr())
    assert shown.strip() and not set(shown) & {"\x1b", "\x9b", "\x7f", "\u202e"}


@pytest.mark.usefixtures("all_figures")
def test_a_figure_that_fails_costs_neither_the_run_nor_its_other_figures(
    scopedrift: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from scopedrift.reports.figures import FIGURES, axes

    def broken(*given: object) -> None:
        axes.canvas(2.0).subplots().bar([1], [1], no_such_property="red")

    monkeypatch.setitem(FIGURES, "cost", broken)  # type: ignore[arg-type]
    done = scopedrift(*RUN, "--out", "out", "--no-track")
    assert done.code == 0, done.err
    assert "This figure could not be drawn (cost): AttributeError" in caplog.text
    assert "no_such_property" in (tmp_path / "out" / "report.html").read_text()
    assert len(pd.read_parquet(tmp_path / "out" / "tables" / "cells.parquet")) == 5


@pytest.mark.parametrize(
    "arguments", [pytest.param(RUN, id="run", marks=pytest.mark.slow), pytest.param(["list"], id="list")]
)
def test_a_user_whom_the_system_does_not_know_and_who_has_no_home(tmp_path: Path, arguments: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    unknown = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
    if not shutil.which("unshare") or subprocess.run([*unknown, "true"], capture_output=True).returncode:
        pytest.skip("this system gives no namespace in which the user is unknown")
    command = [*unknown, sys.executable, "-m", "scopedrift", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert (tmp_path / "runs" / "mlflow.db").is_file() == (arguments is RUN)


def test_what_is_unknown_of_a_rule_is_left_blank(capsys: pytest.CaptureFixture[str]) -> None:
    known = {"detector": "sigma", "rule": "keys made", "level": "low", "status": "fires", "reason": ""}
    unknown = dict.fromkeys(["events", "alerts", "alerts_per_day", "noise_rank"], math.nan)
    print_rules(pd.DataFrame([{**known, **unknown}]))
    (row,) = (line for line in capsys.readouterr().out.splitlines() if "keys made" in line)
    assert row.split() == ["keys", "made", "low"]
