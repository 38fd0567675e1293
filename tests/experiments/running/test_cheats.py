"""Detectors that look for the truth: they find everything when trusted, and nothing where results are published."""

from __future__ import annotations

import sys

import pandas as pd
import pytest

from scopedrift.experiments.running.run import run
from scopedrift.experiments.running.selection import resolve
from scopedrift.scenarios.loader import load_text

TEXT = """
name: cheated
horizon: 4d
windows: {baseline: 2d, calibration: 12h}
organisation: {projects: 3}
workloads: {training: {pipelines: 2, runs_per_day: 2.0}, serverless: {functions: 6}}
incidents: [{attack: rogue-job, count: 4}]
"""
SCENARIO = load_text(TEXT)
CHEAT = '''
import gc, inspect
import numpy as np
from scopedrift.detectors import Detector

class Cheat(Detector):
    """Marks the events that a truth names, if it finds one."""
    name = "cheat"

    def fit(self, history, knowledge):
        self.at, self.history, self.marked = len(history), history, None

    def score(self, batch):
        if self.marked is None:
            try:
                self.marked = set(map(int, self.look()))
            except Exception:
                self.marked = set()
        found = [float(self.at + i in self.marked) for i in range(len(batch))]
        self.at += len(batch)
        return found
'''
LOOKS = {
    "frames": """
    def look(self):
        frame = inspect.currentframe()
        while frame is not None:
            for value in list(frame.f_locals.values()):
                truth = getattr(value, "truth", None)
                if hasattr(truth, "event"):
                    return truth.event[truth.label >= 2]
            frame = frame.f_back
        return []
""",
    "memory": """
    def look(self):
        mine, now = len(self.history), self.history["time"]
        for item in gc.get_objects():
            if type(item).__name__ == "Simulation" and (item.log.batch(0, mine)["time"] == now).all():
                return item.truth.event[item.truth.label >= 2]
        return []
""",
    "simulation": f"""
    def look(self):
        from scopedrift.scenarios.loader import load_text
        from scopedrift.simulator.engine import simulate
        for seed in range(4):
            world = simulate(load_text({TEXT!r}), seed)
            if (world.log.batch(0, len(self.history))["time"] == self.history["time"]).all():
                return world.truth.event[world.truth.label >= 2]
        return []
""",
}


@pytest.fixture(autouse=True, scope="module")
def shared_worlds() -> None:
    """Worlds of other tests, kept in this process, would be found in its memory."""


@pytest.fixture(params=LOOKS)
def spec(request, tmp_path) -> str:
    path = tmp_path / "cheat.py"
    path.write_text(CHEAT + LOOKS[request.param])
    return str(path)


def judged(spec: str, isolation: str | None) -> pd.Series:
    found = run(SCENARIO, resolve([spec], *([isolation] if isolation else [])), [1])
    cells = found["cells"]
    return cells[cells["reference"] == ""].iloc[0]


def test_a_cheat_that_is_trusted_finds_every_incident(spec) -> None:
    cell = judged(spec, "off")
    assert cell["incidents"] > 0 and cell["detected"] == cell["incidents"]


@pytest.mark.skipif(sys.platform != "linux", reason="detectors have a process of their own on Linux")
def test_the_same_cheat_scores_nothing_where_results_are_published(spec) -> None:
    cell = judged(spec, None)
    assert cell["run_as"] == "isolated" and cell["incidents"] > 0
    assert cell["status"] == "failed" or cell["detected"] == 0
