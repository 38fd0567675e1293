"""Small worlds and logs that the simulator's tests share; each world is simulated once a session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from scopedrift.scenarios import Scenario, catalogue, load_text
from scopedrift.simulator.engine import Simulation, simulate
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, COLUMNS, DTYPES, MISSING, Vocabulary

START = 1_767_571_200_000_000  # 2026-01-05, a Monday
SEED = 11
SMALL = """
name: small
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 3}
platform: {contention: false, gpus: 1}
workloads: {training: {pipelines: 2}, inference: {services: 3}, serverless: {functions: 6, most_per_day: 250.0}}
changes: [{kind: registry-migration, count: 1, at: 40h}]
incidents:
  - {attack: token-theft, count: 2, strength: 0.0}
  - {attack: rogue-job, count: 2, strength: 0.0}
  - {drift: adjacent-training-data, count: 2, strength: 0.0}
"""

Rows = Sequence[dict[str, Any]]
"""A log by hand: for each event, in order of arrival, its columns as text (missing: `None`) and numbers."""

TEXTS = {
    "stream": ["cloud_audit", "runtime"],
    "identity": ["spiffe://a/1", "spiffe://a/2", "spiffe://b/ü", None],
    "operation": ["GetObject", "PutObject", "create jobs", "", None],
    "image": ["ghcr.io/a/b:1", "a/b", "localhost/c:2", "quay.io:443/d", None],
    "outcome": ["success", "denied", "error"],
}


def random_rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Some events, at random."""
    rng = np.random.default_rng(seed)
    arrived = START + np.cumsum(rng.integers(0, 3, count))
    return [
        {
            "time": int(at) - int(rng.integers(0, 100)),
            "arrived": int(at),
            **{name: texts[rng.integers(len(texts))] for name, texts in TEXTS.items()},
            "credential": None if rng.random() < 0.2 else int(rng.integers(0, 1 << 62)),
            "bytes": None if rng.random() < 0.3 else int(rng.integers(0, 1 << 40)),
        }
        for at in arrived
    ]


def made_log(rows: Rows, **manifest: Any) -> EventLog:
    """The log that holds these rows."""
    vocabulary = Vocabulary()
    names = ("time", "arrived", *TEXTS, "credential", "bytes")
    columns = {
        name: np.array(
            [
                MISSING if row[name] is None else vocabulary[name].code(row[name]) if name in CODED else row[name]
                for row in rows
            ],
            DTYPES[name],
        )
        for name in COLUMNS
        if name in names
    }
    return EventLog.from_columns(columns, vocabulary, manifest)


@pytest.fixture(scope="session")
def rows() -> st.SearchStrategy[Rows]:
    """Hand-made logs of up to 40 events."""
    return st.builds(random_rows, st.integers(0, 40), st.integers(0, 2**32))


@pytest.fixture(scope="session")
def log_of() -> Callable[..., EventLog]:
    """`log_of(rows)`: the log that holds them."""
    return made_log


def changed_scenario(text: str = SMALL, **changed: str) -> Scenario:
    """The scenario of a text; each keyword replaces one top-level key: `telemetry="{runtime: {loss: 0.5}}"`."""
    kept, skipping = [], False
    for line in text.strip("\n").splitlines():
        if not line.startswith(" "):
            skipping = line.partition(":")[0] in changed
        if not skipping:
            kept.append(line)
    return load_text("\n".join([*kept, *(f"{name}: {value}" for name, value in changed.items())]))


@pytest.fixture(scope="session")
def scenario_of() -> Callable[..., Scenario]:
    """`scenario_of(telemetry="...")`: the small scenario with some top-level keys replaced."""
    return changed_scenario


@pytest.fixture(scope="session")
def run() -> Callable[..., Simulation]:
    """`run(seed=..., without=..., telemetry="...")`: a small simulation, remembered for the session."""
    known: dict[tuple[object, ...], Simulation] = {}

    def run(text: str = SMALL, seed: int = SEED, without: str | None = None, **changed: str) -> Simulation:
        key = (text, seed, without, *sorted(changed.items()))
        if key not in known:
            known[key] = simulate(changed_scenario(text, **changed), seed, without=without)
        return known[key]

    return run


@pytest.fixture(scope="session")
def small(run: Callable[..., Simulation]) -> Simulation:
    """The small world, with a benign change, two attack chains and a drift."""
    return run()


@pytest.fixture(scope="session")
def quickstart(run: Callable[..., Simulation]) -> Simulation:
    """The library's quickstart, as users first meet it."""
    return run("extends: quickstart\nname: quickstart-as-it-is", seed=1)


@pytest.fixture(scope="session")
def does() -> Callable[[Simulation], np.ndarray]:
    """`does(simulation)`: of each injected event (a row of the truth), whether its technique alone calls such things.

    The others may start a task of the incident's own, or keep its credentials alive.
    """
    known = catalogue.operations()
    held = catalogue.platform()
    starts = {call for each in held.credentials.values() for call in (*each.flow, *each.renewal, each.role)}
    starts |= {*held.credential_life.role.shares, *held.credential_life.exchange.shares}
    starts |= {call for family in catalogue.families().values() for flow in family.flows.values() for call in flow}
    starts |= {*catalogue.families()["training"].activities["submit"].operations}

    def does(simulation: Simulation) -> np.ndarray:
        truth = simulation.truth
        listed = [
            {known[call].operation for call in {*catalogue.techniques()[name].activity.operations} - starts}
            for name in truth.techniques
        ]
        called = simulation.log.batch(0, len(simulation.log)).text("operation")[truth.event].tolist()
        return np.array(
            [at >= 0 and call in listed[at] for at, call in zip(truth.technique.tolist(), called, strict=True)], bool
        )

    return does
