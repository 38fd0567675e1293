"""Tiny worlds with the families that a test asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from scopedrift.scenarios import loader
from scopedrift.simulator.engine import Simulation, simulate

TINY = {
    "name": "tiny",
    "horizon": "4d",
    "windows": {"baseline": "2d", "calibration": "1d"},
    "organisation": {"projects": 3},
    "identities": {"sharing": 0.0},
    "turns": 0.0,
}


@pytest.fixture(scope="session")
def tiny() -> Callable[..., Simulation]:
    """Simulates four days; keywords are families with their parameters, `more` other keys of the scenario."""

    def run(more: dict[str, Any] | None = None, seed: int = 3, **families: dict[str, Any]) -> Simulation:
        return simulate(loader.load_text(json.dumps({**TINY, **(more or {}), "workloads": families})), seed)

    return run


@pytest.fixture(scope="session")
def events(tiny: Callable[..., Simulation]) -> Callable[..., pd.DataFrame]:
    """The events of such a world, with plain texts, in order of their time."""

    def frame(*args: Any, **families: dict[str, Any]) -> pd.DataFrame:
        log = tiny(*args, **families).log
        return log.batch(0, len(log)).frame().sort_values("time", kind="stable", ignore_index=True)

    return frame
