"""A world with incidents, its export, and what outside systems would have raised on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scopedrift as sd
from scopedrift.simulator.records.timestamps import iso_microseconds
from scopedrift.simulator.records.writing.lookup import positions_of
from scopedrift.worlds import World

SCENARIO: Mapping[str, object] = {
    "extends": "tiny",
    "name": "judged",
    "horizon": "6d",
    "incidents": [
        {"attack": "token-theft", "count": 4, "strength": 0.7},
        {"attack": "rogue-job", "count": 3, "strength": 0.7},
    ],
}


@dataclass(frozen=True)
class Exported:
    """A world, and its CloudTrail records by the positions of their events."""

    world: World
    folder: Path
    records: Mapping[int, Mapping[str, Any]]

    @cached_property
    def in_test(self) -> list[int]:
        """The positions that have a record, in the test window."""
        start = self.world.log.position(self.world.scenario.calibration_end_us)
        return [position for position in sorted(self.records) if position >= start]

    @cached_property
    def bad(self) -> list[int]:
        """Those whose event belongs to an incident."""
        truth = self.world.truth
        injected = set(truth.index[truth["label"].isin(["attack", "scope_drift"])])
        return [position for position in self.in_test if position in injected]

    def some(self, seed: int, background: int = 60, bad: int = 60) -> list[int]:
        """Positions of some events, of incidents and of no incident."""
        rng = np.random.default_rng(seed)
        others = sorted({*self.in_test} - {*self.bad})
        chosen = [*rng.permutation(self.bad)[:bad].tolist(), *rng.permutation(others)[:background].tolist()]
        return rng.permutation(chosen).tolist()

    def hit(self, position: int, delay_s: float = 60.0, **more: object) -> dict[str, object]:
        """An alert on the record of an event, so many seconds after it happened."""
        record = self.records[position]
        happened = int(self.world.log.batch(position, position + 1)["time"][0])
        raised = iso_microseconds(happened + round(delay_s * 1e6))
        return {"rule": record["eventName"], "eventID": record["eventID"], "alert_time": raised, **more}


@pytest.fixture
def write(tmp_path) -> Callable[[str, Sequence[object]], Path]:
    """Writes alerts as JSON lines into a file of that name."""

    def written(name: str, alerts: Sequence[object]) -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(alert) + "\n" for alert in alerts), encoding="utf-8")
        return path

    return written


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Exported:
    folder = tmp_path_factory.mktemp("judged")
    world = sd.simulate(SCENARIO, seed=1, out=folder / "world")
    sd.export(world, "cloudtrail", folder / "trail")
    raws = [json.loads(raw) for _, _, raw in sd.read_log(folder / "trail").imported.records()]
    known = positions_of(world.log, {raw["eventID"] for raw in raws})
    return Exported(world, folder, {known[raw["eventID"]]: raw for raw in raws})
