"""Tiny worlds with the families that a test asks for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scopedrift.scenarios import loader
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, DERIVED, OPAQUE, TIMES

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


def frame_by_time(log: EventLog) -> pd.DataFrame:
    """`EventBatch.frame()` in order of time; each text is made once, not once an event, which takes a quarter."""
    batch = log.batch(0, len(log))
    order = np.argsort(batch["time"], kind="stable")
    data = {}
    for name in batch.columns:
        values, texts = batch[name][order], None
        if name in OPAQUE:
            known, values = np.unique(values, return_inverse=True)
            texts = [None if each < 0 else f"{each:016x}" for each in known.tolist()]
        elif name in CODED or name in DERIVED:
            texts = [*batch.names(name), None]  # what is missing has the code -1
        data[name] = values if texts is None else pd.Series(texts).array.take(values)
    table = pd.DataFrame(data)
    for name in TIMES:
        table[name] = pd.to_datetime(table[name], unit="us", utc=True)
    return table


@pytest.fixture(scope="session")
def events(tiny: Callable[..., Simulation]) -> Callable[..., pd.DataFrame]:
    """The events of such a world, with plain texts, in order of their time."""
    return lambda *args, **families: frame_by_time(tiny(*args, **families).log)
