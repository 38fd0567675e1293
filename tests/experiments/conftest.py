"""Small worlds made by hand: a log of a few events, and what is true of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from scopedrift.detectors.base import Detector, Scores
from scopedrift.experiments.evaluation.integrity import fingerprint
from scopedrift.experiments.running import worlds
from scopedrift.scenarios import Scenario
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, HOUR, EventBatch, Vocabulary
from scopedrift.simulator.log.truth import ATTACK, BENIGN_CHANGE, BenignChange, Incident, StageTruth, Truth
from scopedrift.simulator.world.policy import Deployment

START = 1_767_571_200_000_000  # 2026-01-05


@dataclass(frozen=True)
class SmallTerms:
    alert_budget: float = 1.0
    cooldown: int = HOUR


@dataclass(frozen=True)
class SmallScenario:
    """Two days of baseline, two of calibration, four of test."""

    name: str = "small"
    start_us: int = START
    baseline_end_us: int = START + 2 * DAY
    calibration_end_us: int = START + 4 * DAY
    end_us: int = START + 8 * DAY
    evaluation: SmallTerms = field(default_factory=SmallTerms)


@dataclass(frozen=True)
class SmallWorld:
    scenario: SmallScenario
    seed: int
    log: EventLog
    truth: Truth
    deployment: Deployment

    def with_terms(self, budget: float, cooldown: int = HOUR) -> SmallWorld:
        return replace(self, scenario=replace(self.scenario, evaluation=SmallTerms(budget, cooldown)))


def incident(**given: Any) -> Incident:
    defaults: dict[str, Any] = {
        "id": "i-0",
        "label": "attack",
        "template": "mining",
        "identity": "id-0",
        "workload": "w",
        "family": "training",
        "strength": 0.3,
        "intent_at": START + 4 * DAY,
        "first_observable_at": START + 5 * DAY,
        "impact_at": -1,
        "ended_at": START + 6 * DAY,
        "end_reason": "completed",
    }
    return Incident(**(defaults | given))


def build(
    hours: Sequence[float],
    who: Sequence[int],
    bytes_: Sequence[int],
    *,
    attacks: Sequence[tuple[int, int, int]] = (),
    changes: Sequence[tuple[int, int]] = (),
    incidents: Sequence[Incident] = (),
    kinds: Sequence[str] = (),
    seed: int = 0,
) -> SmallWorld:
    """A world from hours of arrival, identity numbers (-1: missing) and bytes (what `ByBytes` scores).

    `attacks` are (position, incident, stage), `changes` are (position, change).
    """
    identity = np.asarray(who, np.int32)
    order: dict[int, int] = {}
    for code in identity.tolist():
        if code >= 0:
            order.setdefault(code, len(order))
    codes = np.array([order.get(code, -1) for code in identity.tolist()], np.int32)
    vocabulary = Vocabulary({"identity": [f"id-{code}" for code in order], "operation": ["get"], "resource": ["r"]})
    arrived = START + (np.asarray(hours, float) * HOUR).astype(np.int64)
    zeros = np.zeros(len(codes), np.int32)
    columns = {"time": arrived, "arrived": arrived, "identity": codes, "operation": zeros, "resource": zeros}
    log = EventLog.from_columns({**columns, "bytes": np.asarray(bytes_, np.int64)}, vocabulary)
    rows = sorted([(p, ATTACK, i, s) for p, i, s in attacks] + [(p, BENIGN_CHANGE, c, 0) for p, c in changes])
    table = np.array(rows, np.int64).reshape(-1, 4)
    truth = Truth(
        event=table[:, 0],
        label=table[:, 1].astype(np.int8),
        incident=table[:, 2].astype(np.int32),
        stage=table[:, 3].astype(np.int16),
        technique=np.full(len(table), -1, np.int16),
        incidents=tuple(incidents),
        changes=tuple(BenignChange(f"c-{i}", kind, START, START + DAY, True, ()) for i, kind in enumerate(kinds)),
    )
    return SmallWorld(SmallScenario(), seed, log, truth, Deployment())


def random_world(seed: int, *, events: int = 400, people: int = 6, attacks: int = 3, levels: int = 50) -> SmallWorld:
    """Random events, incidents of a few events each in the test window, some benign changes."""
    rng = np.random.default_rng(seed)
    hours = np.sort(rng.uniform(0, 8 * 24, events))
    who = rng.integers(-1, people, events)
    bytes_ = rng.integers(0, levels, events)
    test = np.flatnonzero(hours >= 4 * 24)
    chosen = rng.permutation(test)[: 6 * attacks + 5]
    bad = [
        (int(p), int(i), int(s))
        for p, i, s in zip(chosen, np.arange(6 * attacks) % max(attacks, 1), np.arange(6 * attacks) % 2, strict=False)
    ]
    found = []
    for i in range(attacks):
        mine = sorted(p for p, j, _ in bad if j == i)
        times = [START + int(hours[p] * HOUR) for p in mine]
        running = bool(rng.integers(0, 2))
        stages = tuple(StageTruth(f"s{s}", "T1", times[0], times[-1], "success", bool(i % 2), False) for s in (0, 1))
        found.append(
            incident(
                id=f"i-{i}",
                template=f"t-{i % 2}",
                identity=f"id-{who[mine[0]]}",
                first_observable_at=times[0],
                impact_at=times[len(times) // 2] if i % 2 else -1,
                ended_at=times[-1],
                end_reason="horizon" if running else "completed",
                stages=stages,
            )
        )
    benign = [(int(p), 0) for p in chosen[6 * attacks :]]
    world = build(hours, who, bytes_, attacks=bad, changes=benign, incidents=found, kinds=["migration"], seed=seed)
    return world


@dataclass
class ByBytes(Detector):
    """The score is the number of bytes; negative ones abstain."""

    name = "by-bytes"

    def score(self, batch: EventBatch) -> Scores:
        values = batch["bytes"].astype(float)
        return np.where(values < 0, np.nan, values)

    def explain(self, batch: EventBatch, row: int) -> str:
        return f"{batch['bytes'][row]} bytes"


@pytest.fixture(scope="session")
def small() -> Callable[..., SmallWorld]:
    return build


@pytest.fixture(scope="session")
def randomly() -> Callable[..., SmallWorld]:
    return random_world


@pytest.fixture(scope="session")
def an_incident() -> Callable[..., Incident]:
    return incident


@pytest.fixture(scope="session")
def by_bytes() -> Detector:
    return ByBytes()


REMEMBERED = 60
"""Worlds that are kept; one of the scenario `tiny` takes 2 MB."""


@pytest.fixture(scope="session")
def simulate_once() -> Callable[..., Simulation]:
    """`simulate`, but a world that is known, and is as it was, is the same again."""
    known: dict[tuple[object, ...], tuple[Simulation, str]] = {}

    def simulated(scenario: Scenario, seed: int, *, progress: Any = None, **how: Any) -> Simulation:
        if how.get("out") is not None:
            return simulate(scenario, seed, progress=progress, **how)
        key = (scenario.model_dump_json(), seed, repr(how))
        world, before = known.pop(key, (None, ""))
        if world is None or fingerprint(world) != before:
            world = simulate(scenario, seed, progress=progress, **how)
            before = fingerprint(world)
        known[key] = world, before
        if len(known) > REMEMBERED:
            del known[next(iter(known))]
        return world

    return simulated


@pytest.fixture(autouse=True, scope="module")
def shared_worlds(simulate_once: Callable[..., Simulation]) -> Iterator[None]:
    """Dozens of commands ask for the same few worlds, and other tests see that simulating them again changes none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worlds, "simulate", simulate_once)
        yield


@pytest.fixture(autouse=True)
def quick_commands(plain_reports: None, quick_stores: None) -> None:
    """What commands write beside their results has tests of its own."""
