"""A command that has no result for a cell that it was asked for never looks as if all had gone well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ENDS = """
import os
from scopedrift.detectors import Detector


class Ends(Detector):
    name = "ends"

    def score(self, batch):
        os._exit(0)
"""
SUITE = """
name: mine
scenarios: [tiny]
seeds: 2
detectors: [never, ./ends.py]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ends.py").write_text(ENDS)
    (tmp_path / "suite.yaml").write_text(SUITE)
    return tmp_path


@pytest.mark.parametrize("how", [[], ["--in-process"]], ids=["isolated", "in-process"])
def test_a_run_without_a_result_exits_1(folder: Path, scopedrift: Callable[..., Any], how: list[str]) -> None:
    done = scopedrift("run", "tiny", "--seeds", "1", "--detector", "./ends.py", "--no-track", "--out", "out", *how)
    assert done.code == 1 and "detector 'ends' failed in score" in done.err
    assert ("os._exit(0)" if how else "its process ended with exit code 0") in done.err


def test_a_sweep_without_a_result_exits_1(folder: Path, scopedrift: Callable[..., Any]) -> None:
    done = scopedrift("sweep", "suite.yaml", "--no-track", "--out", "out")
    assert done.code == 1 and "its process ended with exit code 0" in done.err


def test_a_gate_without_a_result_exits_1(folder: Path, scopedrift: Callable[..., Any]) -> None:
    gate = ["gate", "suite.yaml", "--baseline", "b.yaml", "--out", "out"]
    (folder / "ends.py").write_text(ENDS.replace("os._exit(0)", "return [0.0] * len(batch)"))
    assert scopedrift(*gate, "--update", "--allow-underpowered").code == 0
    (folder / "ends.py").write_text(ENDS)
    done = scopedrift(*gate)
    assert done.code == 1 and "its process ended with exit code 0" in done.out + done.err


def test_both_ways_at_once_are_refused(scopedrift: Callable[..., Any]) -> None:
    done = scopedrift("run", "tiny", "--in-process", "--require-isolation")
    assert done.code == 2 and "exclude each other" in done.err
