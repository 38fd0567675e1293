"""`simulate`: deterministic, in order of arrival, by SimPy for control only, in memory that the window bounds."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.simulator import engine
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, COLUMNS, DTYPES
from scopedrift.simulator.log.storage import LogFormatError
from scopedrift.simulator.log.truth import LABELS
from scopedrift.simulator.world.organisation import SimulatedWorld

BUSY = """
name: busy
horizon: 12h
windows: {baseline: 4h, calibration: 4h}
organisation: {projects: 2}
workloads: {training: {pipelines: 1}, inference: {services: 3, requests_per_hour: 200.0}}
"""


def truth_of(simulation):
    """The truth as plain values."""
    truth = simulation.truth
    return (
        [getattr(truth, name).tolist() for name in ("event", "label", "incident", "stage", "technique")],
        truth.techniques,
        truth.incidents,
        truth.changes,
    )


# --- deterministic

OTHER_PROCESS = """
import sys
from scopedrift.scenarios import load_text
from scopedrift.simulator.engine import simulate
print(simulate(load_text(sys.stdin.read()), int(sys.argv[1])).log.digest)
"""


def test_a_process_with_another_hash_seed_gives_the_same_digest(small):
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    other = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, str(small.seed)],
        env={**os.environ, "PYTHONHASHSEED": seed},
        input=small.scenario.to_yaml(),
        capture_output=True,
        text=True,
    )
    assert other.stdout.strip() == small.log.digest, other.stderr


def test_another_seed_is_another_log_and_another_world(run, small):
    other = run(seed=small.seed + 1)
    assert other.log.digest != small.log.digest
    assert set(other.log.vocabulary["identity"]).isdisjoint(small.log.vocabulary["identity"])


@settings(max_examples=3)
@given(window=st.integers(1, 60_000), to_disk=st.booleans())
def test_neither_the_window_nor_the_disk_changes_log_or_truth(window, to_disk, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("log") if to_disk else None
    again = simulate(small.scenario, small.seed, window=window, out=out)
    assert again.log.digest == small.log.digest
    assert truth_of(again) == truth_of(small)
    assert again.log.manifest == small.log.manifest or to_disk
    assert again.deployment == small.deployment
    if out is not None:
        loaded = EventLog.load(out)
        assert EventLog(loaded._chunks, loaded.vocabulary).digest == small.log.digest
        assert loaded.manifest == again.log.manifest


def test_the_manifest_says_what_made_the_log(small):
    manifest = small.log.manifest
    assert manifest["scenario"] == "small" and manifest["seed"] == small.seed and manifest["events"] == len(small.log)
    assert manifest["scenario_digest"] == small.scenario.digest() and manifest["version"]
    fresh = EventLog.from_columns(dict(small.log.batch(0, len(small.log)).columns), small.log.vocabulary)
    assert manifest["digest"] == fresh.digest


def test_a_simulation_that_fails_leaves_no_log(small, tmp_path):
    def stop(done):
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(small.scenario, small.seed, out=tmp_path / "log", window=1000, progress=stop)
    with pytest.raises(LogFormatError):
        EventLog.load(tmp_path / "log")
    assert list((tmp_path / "log").iterdir()) == []


def test_progress_goes_from_nothing_to_all(small):
    seen = []
    simulate(small.scenario, small.seed, progress=seen.append)
    assert seen == sorted(seen) and 0 < seen[0] < 0.05 and seen[-1] == 1.0


def test_an_incident_that_is_not_there_cannot_be_left_out(small):
    with pytest.raises(ValueError, match=r"no incident 'nonsense' in scenario small: it has .*token-theft-1"):
        simulate(small.scenario, small.seed, without="nonsense")


def test_a_world_in_which_nothing_runs_is_an_empty_log(scenario_of, tmp_path):
    scenario = scenario_of(workloads="{}", changes="[]", incidents="[]")
    for out in (None, tmp_path):
        simulation = simulate(scenario, 1, out=out)
        assert len(simulation.log) == 0 and len(simulation.truth.event) == 0
    assert EventLog.load(tmp_path).digest == simulate(scenario, 1).log.digest


# --- the log


def test_events_are_in_order_of_arrival_within_the_horizon(small):
    arrived = small.log.arrived
    assert (np.diff(arrived) >= 0).all()
    assert small.scenario.start_us <= arrived[0] and arrived[-1] < small.scenario.end_us
    batch = small.log.batch(0, len(small.log))
    assert (batch["time"] <= batch["arrived"]).all() and batch["time"].min() >= small.scenario.start_us
    assert {name: column.dtype for name, column in batch.columns.items()} == {n: DTYPES[n] for n in COLUMNS}


def test_every_code_is_the_number_of_names_that_arrived_before_it(small):
    batch = small.log.batch(0, len(small.log))
    for name in CODED:
        codes = batch[name][batch[name] >= 0]
        values, first = np.unique(codes, return_index=True)
        assert values[np.argsort(first)].tolist() == list(range(len(small.log.vocabulary[name]))), name


def test_a_detector_is_given_the_columns_and_nothing_of_the_truth(small):
    batch = small.log.batch(0, 100)
    assert set(batch.columns) == set(COLUMNS)
    texts = {text for texts in small.log.vocabulary.texts().values() for text in texts}
    secret = {
        *LABELS,
        *small.truth.techniques,
        *(i.id for i in small.truth.incidents),
        *(c.id for c in small.truth.changes),
    }
    assert not texts & secret


@pytest.mark.parametrize(("one", "other"), [("task", "workload"), ("task", "task_kind"), ("workload", "identity")])
def test_a_task_is_one_workloads_and_of_one_kind_and_a_workload_has_one_identity(one, other, small):
    batch = small.log.batch(0, len(small.log))
    own = [not name.endswith("-operators") for name in batch.text("identity")]  # a role that many assume
    rows = zip(batch[one].tolist(), batch[other].tolist(), own, strict=True)
    pairs = {(first, second) for first, second, counts in rows if counts and first >= 0}
    assert len({first for first, _ in pairs}) == len(pairs) > 10


def test_the_truth_lies_inside_the_log(small):
    truth = small.truth
    assert (np.diff(truth.event) > 0).all() and truth.event.min() >= 0 and truth.event.max() < len(small.log)
    batch = small.log.batch(0, len(small.log))
    for number, incident in enumerate(truth.incidents):
        mine = truth.event[(truth.incident == number) & (truth.label >= 2)]
        assert incident.intent_at >= small.scenario.calibration_end_us
        assert incident.first_observable_at == (batch["time"][mine].min() if len(mine) else -1)
        assert not len(mine) or incident.identity in batch.slice(mine[0], mine[0] + 1).text("identity")


# --- SimPy decides, NumPy emits


class Counter:
    """Counts the steps of SimPy's clock."""

    def __init__(self, monkeypatch):
        self.steps = 0
        step = simpy.Environment.step

        def counted(env):
            self.steps += 1
            step(env)

        monkeypatch.setattr(simpy.Environment, "step", counted)


def test_events_are_not_made_one_by_one_by_the_clock(scenario_of, monkeypatch):
    counter = Counter(monkeypatch)
    one = simulate(scenario_of(BUSY), 5)
    quiet, counter.steps = counter.steps, 0
    busy = BUSY.replace("200.0", "2000.0")
    other = simulate(scenario_of(busy), 5)
    assert len(one.log) > 20 * quiet
    assert len(other.log) > 5 * len(one.log)
    assert counter.steps < 1.2 * quiet  # ten times the requests, no more decisions


class Tripwire:
    """Stands where the source of names was, and gives none."""

    def __getattr__(self, name):
        raise AssertionError(f"the world is built: nothing may be named any more ({name})")


def test_nothing_is_named_once_the_world_is_built(small, monkeypatch):
    class Built(SimulatedWorld):
        def __init__(self, scenario, seed):
            super().__init__(scenario, seed)
            self._fake = Tripwire()

    monkeypatch.setattr(engine, "SimulatedWorld", Built)
    assert simulate(small.scenario, small.seed).log.digest == small.log.digest


def test_what_waits_in_memory_does_not_grow_with_the_horizon(scenario_of, monkeypatch):
    peaks = []
    flush = Recorder.flush

    def watched(recorder, watermark):
        held = recorder.count
        window = flush(recorder, watermark)
        waiting = 0 if recorder._waiting is None else len(recorder._waiting.row)
        peaks.append(held + waiting)
        return window

    monkeypatch.setattr(Recorder, "flush", watched)
    lengths, highest = [], []
    for horizon in ("1d", "4d"):
        peaks.clear()
        log = simulate(scenario_of(BUSY, horizon=horizon), 5, window=1000).log
        lengths.append(len(log))
        highest.append(max(peaks))
    assert lengths[1] > 2.5 * lengths[0]
    assert highest[1] < 2 * highest[0] and highest[1] < lengths[1] / 10
