"""The benchmark's rivals are honest: all three ways make the same columns and statistically the same events."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import COLUMNS, DTYPES

EVENTS, PER_STAGE = 30_000, 20


def _generators():
    path = Path(__file__).parents[2] / "benchmarks" / "generators.py"
    spec = importlib.util.spec_from_file_location("benchmark_generators", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    module = _generators()
    made = {}
    for way in ("ours", "event_per_yield", "numpy_only"):
        folder = tmp_path_factory.mktemp(way)
        assert getattr(module, way)(module.setting(EVENTS, PER_STAGE), folder) == EVENTS
        log = EventLog.load(folder)
        size = sum(file.stat().st_size for file in folder.iterdir())
        made[way] = log.batch(0, len(log)), size
    return made


RIVALS = ("event_per_yield", "numpy_only")


@pytest.mark.parametrize("way", RIVALS)
def test_the_columns_are_the_same(logs, way):
    batch = logs[way][0]
    assert len(batch) == EVENTS
    assert {name: batch[name].dtype for name in COLUMNS} == dict(DTYPES)
    assert bool(np.all(np.diff(batch["arrived"]) >= 0))
    assert bool(np.all(batch["arrived"] > batch["time"]))


@pytest.mark.parametrize("way", RIVALS)
@pytest.mark.parametrize("column", ["operation", "stream", "access", "outcome", "service", "credential_kind"])
def test_the_mix_is_the_same(logs, way, column):
    shares = []
    for batch in (logs["ours"][0], logs[way][0]):
        texts, counts = np.unique(batch.text(column).astype(str), return_counts=True)
        shares.append(dict(zip(texts.tolist(), (counts / EVENTS).tolist(), strict=True)))
    assert set(shares[0]) == set(shares[1])
    assert max(abs(shares[0][text] - shares[1][text]) for text in shares[0]) < 0.015


@pytest.mark.parametrize("way", RIVALS)
@pytest.mark.parametrize("column", ["identity", "workload", "resource", "project", "image", "source", "task"])
def test_there_are_as_many_different_values(logs, way, column):
    ours, theirs = (len(np.unique(logs[each][0][column])) for each in ("ours", way))
    assert theirs == pytest.approx(ours, rel=0.15)


@pytest.mark.parametrize("way", RIVALS)
def test_missing_values_delays_and_sizes_are_alike(logs, way):
    ours, theirs = logs["ours"][0], logs[way][0]
    for column in COLUMNS:
        assert np.mean(theirs[column] < 0) == pytest.approx(np.mean(ours[column] < 0), abs=0.015), column
    delays = [np.median((each["arrived"] - each["time"])[each["stream"] >= 0]) for each in (ours, theirs)]
    assert delays[1] == pytest.approx(delays[0], rel=0.03)
    sizes = [np.median(each["bytes"][each["bytes"] >= 0]) for each in (ours, theirs)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.1)


@pytest.mark.parametrize("way", RIVALS)
def test_a_failed_call_is_tried_again(logs, way):
    for each in ("ours", way):
        batch = logs[each][0]
        order = np.lexsort((batch["time"], batch["task"]))
        task, resource, outcome = (batch[name][order] for name in ("task", "resource", "outcome"))
        same = task[1:] == task[:-1]
        failed = (outcome[:-1] != batch.vocabulary["outcome"].find("success")) & same
        repeats = np.mean(resource[1:][failed] == resource[:-1][failed])
        if each == "event_per_yield":  # its calls are in order of time, as the retries are
            assert repeats > 0.95
        otherwise = np.mean((resource[1:] == resource[:-1])[same & ~failed])
        assert repeats > otherwise


@pytest.mark.parametrize("way", RIVALS)
def test_files_are_as_large(logs, way):
    assert logs[way][1] == pytest.approx(logs["ours"][1], rel=0.08)
