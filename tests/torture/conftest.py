"""What the torture shares: three cases of each test run with the slow tests too; `make torture` runs all."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scopedrift.detectors.isolation.placement import place
from scopedrift.detectors.isolation.traces import Traces
from scopedrift.detectors.spec import SpecError
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.integrity import fingerprint
from scopedrift.experiments.evaluation.tables import cell_tables
from scopedrift.scenarios import load, override
from scopedrift.simulator.engine import Simulation, simulate

EACH = 3
"""Cases of each test that run with the slow tests."""
OPEN, SOME = "/dev/fd", 20
"""Where open files of this process are listed, and how many more may be open after a case than before."""
HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = ("slow", "torture")
    ours = [item for item in items if HERE in item.path.parents and not any(map(item.get_closest_marker, marked))]
    for _, group in groupby(ours, key=lambda item: item.nodeid.partition("[")[0]):
        cases = list(group)
        chosen = {round(at * len(cases) / EACH) for at in range(EACH)}
        for at, item in enumerate(cases):
            item.add_marker("slow" if at in chosen else "torture")


SMALL = {
    "horizon": "36h", "windows": {"baseline": "12h", "calibration": "12h"}, "evaluation": {"alert_budget": "50/day"}
}  # fmt: skip


def by_first_seen(world: Simulation) -> dict[str, pd.DataFrame]:
    """What `first-seen` finds in a world."""
    found = cell_tables(evaluate_safely(place("first-seen"), world), world)[0]
    return {name: rows.drop(columns=[n for n in rows if "_seconds" in n]) for name, rows in found.items()}


@pytest.fixture(scope="session")
def judge() -> Callable[[str], tuple[str, str]]:
    """`judge(specification)`: status and reason of a detector's cell, after which nothing else has changed."""
    world = simulate(override(load("tiny"), SMALL), 0)
    before, tables = fingerprint(world), by_first_seen(world)

    def judged(spec: str) -> tuple[str, str]:
        gc.collect()  # what an earlier case left open is closed now, not while this one runs
        traces, mine, files = Traces(), np.isnan, len(os.listdir(OPEN))
        try:
            found = evaluate_safely(place(spec), world, name="theirs")
            status, reason = found.status, found.reason
        except SpecError as error:
            status, reason = "failed", str(error)
        assert "cannot be imported: ImportError" not in reason and "SyntaxError" not in reason
        assert fingerprint(world) == before
        assert np.isnan is mine and traces.left(draws=False) == ""
        assert len(os.listdir(OPEN)) < files + SOME
        for name, rows in by_first_seen(world).items():
            pd.testing.assert_frame_equal(rows, tables[name])
        return status, reason

    return judged
