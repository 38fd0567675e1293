"""Telemetry faults: each acts on its own, on its stream, by its rate, and changes nothing else."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from scopedrift.scenarios import catalogue, load, override
from scopedrift.simulator.expansion.activities import Operations
from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.log.events import ACCESS, COLUMNS, HOUR, MINUTE, MISSING, SECOND, STREAMS

WORLD = """
name: watched
horizon: 30h
windows: {baseline: 12h, calibration: 12h}
organisation: {projects: 2}
platform: {contention: false}
workloads: {training: {pipelines: 1}, inference: {services: 2}, serverless: {functions: 3, most_per_day: 250.0}}
incidents: [{attack: token-theft, count: 4, at: 25h, strength: 0.0}, {attack: rogue-job, at: 25h, strength: 0.0}]
"""


def told(simulation, *, leaving_out=(), stream=None, not_stream=None, before=None):
    """Records of a log, in order: some columns, and perhaps one stream, or those that happened before a time."""
    batch = simulation.log.batch(0, len(simulation.log))
    keep = np.ones(len(batch), bool)
    streams = batch.text("stream")
    if stream is not None:
        keep &= streams == stream
    if not_stream is not None:
        keep &= streams != not_stream
    if before is not None:
        keep &= batch["time"] < before
    names = [name for name in COLUMNS if name not in leaving_out]
    return list(zip(*(batch.text(name)[keep].tolist() for name in names), strict=True))


def rate_band(share, count):
    """Five standard errors of a share."""
    return 5 * np.sqrt(share * (1 - share) / count)


@pytest.fixture(scope="module")
def watched(run):
    """`watched("{runtime: {loss: 0.5}}")`: the same world through other telemetry."""
    return lambda telemetry: run(WORLD, telemetry=telemetry)


@pytest.fixture(scope="module")
def plain(watched):
    return watched("{cloud_audit: {delay: 5m}}")


def of_truth(simulation):
    """The label of every record, in order."""
    return simulation.truth.labels(0, len(simulation.log))


@pytest.mark.parametrize("stream", ["cloud_audit", "kubernetes_audit", "runtime"])
def test_an_absent_stream_is_absent_and_the_others_are_as_they_were(stream, watched, plain):
    without = watched(f"{{{stream}: {{enabled: false}}}}")
    assert told(without, stream=stream) == [] != told(plain, stream=stream)
    assert told(without) == told(plain, not_stream=stream)


def test_loss_takes_its_share_of_one_stream_and_delays_nothing(watched, plain):
    lossy = watched("{cloud_audit: {delay: 5m, loss: 0.3}}")
    assert told(lossy, not_stream="cloud_audit") == told(plain, not_stream="cloud_audit")
    before, after = told(plain, stream="cloud_audit"), told(lossy, stream="cloud_audit")
    assert not Counter(after) - Counter(before)
    remaining = iter(before)
    assert all(record in remaining for record in after)  # in the same order
    assert abs(len(after) / len(before) - 0.7) < rate_band(0.7, len(before))


def test_a_larger_loss_only_takes_more(watched, plain):
    some, more = (watched(f"{{cloud_audit: {{delay: 5m, loss: {loss}}}}}") for loss in (0.3, 0.6))
    assert not Counter(told(more)) - Counter(told(some)) and len(told(more)) < len(told(some))
    none = watched("{cloud_audit: {delay: 5m, loss: 1.0}}")
    assert told(none, stream="cloud_audit") == []


def test_a_duplicate_says_the_same_and_arrives_at_another_time(watched, plain):
    doubled = watched("{cloud_audit: {delay: 5m, duplication: 0.2}}")
    assert not Counter(told(plain)) - Counter(told(doubled))
    copies = Counter(told(doubled)) - Counter(told(plain))
    assert not Counter(told(doubled, not_stream="cloud_audit")) - Counter(told(plain, not_stream="cloud_audit"))
    horizon = plain.scenario.end_us - HOUR
    assert set(told(doubled, leaving_out=["arrived"], before=horizon)) == set(
        told(plain, leaving_out=["arrived"], before=horizon)
    )
    count = len(told(plain, stream="cloud_audit"))
    assert abs(sum(copies.values()) / count - 0.2) < rate_band(0.2, count) + 0.002  # some come after the horizon
    assert (of_truth(doubled) > 0).sum() > (of_truth(plain) > 0).sum()  # a copy of an injected record is one too


def test_loss_and_duplication_do_not_know_of_each_other(watched):
    lossy = watched("{cloud_audit: {delay: 5m, loss: 0.3}}")
    doubled = watched("{cloud_audit: {delay: 5m, duplication: 0.2}}")
    both = watched("{cloud_audit: {delay: 5m, loss: 0.3, duplication: 0.2}}")
    assert set(told(lossy)) <= set(told(both)) <= set(told(doubled))
    copied = len(told(both)) - len(told(lossy))
    kept = len(told(lossy, stream="cloud_audit"))
    assert abs(copied / kept - 0.2) < rate_band(0.2, kept) + 0.002


@pytest.mark.parametrize(("delay", "median"), [("0s", 0), ("10s", 10 * SECOND), ("20m", 20 * MINUTE)])
def test_a_delay_moves_arrivals_only(delay, median, watched, plain):
    moved = watched(f"{{cloud_audit: {{delay: {delay}}}}}")
    horizon = plain.scenario.end_us - 3 * HOUR
    same = [Counter(told(s, leaving_out=["arrived"], before=horizon)) for s in (moved, plain)]
    assert same[0] == same[1]
    assert Counter(told(moved, not_stream="cloud_audit")) == Counter(told(plain, not_stream="cloud_audit"))
    batch = moved.log.batch(0, len(moved.log))
    late = (batch["arrived"] - batch["time"])[batch.text("stream") == "cloud_audit"]
    assert late.min() >= 0 and abs(np.median(late) - median) <= 0.05 * median + 2000
    assert np.quantile(late, 0.99) <= 4 * median + 2000


def test_a_skewed_clock_is_wrong_by_the_same_for_all_that_it_stamps(watched, plain):
    skewed = watched("{cloud_audit: {delay: 5m, skew: 3s}}")
    assert told(skewed, leaving_out=["time"]) == told(plain, leaving_out=["time"])
    batch, true = (s.log.batch(0, len(s.log)) for s in (skewed, plain))
    off = batch["time"] - true["time"]
    cloud = true.text("stream") == "cloud_audit"
    assert not off[~cloud].any() and np.abs(off).max() <= 3 * SECOND and np.abs(off).max() > SECOND
    sources = {}
    for source, error in zip(true.text("source")[cloud].tolist(), off[cloud].tolist(), strict=True):
        assert sources.setdefault(source, error) == error
    assert len(set(sources.values())) > 10 and min(sources.values()) < 0 < max(sources.values())


def test_the_level_metadata_takes_the_images_and_nothing_else(watched, plain):
    bare = watched("{kubernetes_audit: {level: Metadata}}")
    one, other = (told(each, leaving_out=["image"]) for each in (bare, plain))
    differ = {(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True) if a != b}
    assert differ <= {("create", "admin")}  # a privileged pod looks like any other
    assert told(bare, not_stream="kubernetes_audit") == told(plain, not_stream="kubernetes_audit")
    at = COLUMNS.index("image")
    assert {record[at] for record in told(bare, stream="kubernetes_audit")} == {None}
    assert {record[at] for record in told(plain, stream="kubernetes_audit")} > {None}


def test_at_level_metadata_a_privileged_pod_looks_like_any_other():
    operations = Operations(catalogue.operations())
    privileged = operations.codes["pod.privileged"]
    told = {}
    for level in ("Metadata", "Request"):
        scenario = override(load("quickstart"), {"telemetry.kubernetes_audit.level": level})
        told[level] = Delivery(scenario, 1, operations).access
    assert (told["Request"] == operations.access).all() and ACCESS[told["Request"][privileged]] == "admin"
    changed = told["Metadata"] != told["Request"]
    assert {operations.all[code].name for code in np.flatnonzero(changed)} == {"pod.privileged", "daemonset.create"}
    assert {ACCESS[code] for code in told["Metadata"][changed]} == {"create"}


def test_without_data_events_the_cloud_audit_lacks_what_touches_data(watched, plain):
    fewer = watched("{cloud_audit: {delay: 5m, data_events: false}}")
    assert told(fewer, not_stream="cloud_audit") == told(plain, not_stream="cloud_audit")
    at = COLUMNS.index("operation")
    kept = {record[at] for record in told(fewer, stream="cloud_audit")}
    assert not kept & {"GetObject", "PutObject", "GetItem", "InvokeEndpoint"} and "GetSecretValue" in kept
    assert told(fewer) == [r for r in told(plain) if r[COLUMNS.index("stream")] != "cloud_audit" or r[at] in kept]


def test_task_context_is_kept_or_lost_task_by_task(watched, plain):
    partly = watched("{cloud_audit: {delay: 5m, task_context: 0.4}}")
    own = ["task", "task_kind"]
    assert told(partly, leaving_out=own) == told(plain, leaving_out=own)
    assert told(partly, not_stream="cloud_audit") == told(plain, not_stream="cloud_audit")
    batch, true = (s.log.batch(0, len(s.log)) for s in (partly, plain))
    cloud = (true.text("stream") == "cloud_audit") & (true["task"] != MISSING)
    recorded = batch["task"] != MISSING
    assert np.array_equal(batch["task"][recorded], true["task"][recorded])
    assert np.array_equal(batch["task_kind"] != MISSING, recorded)
    tasks = np.unique(true["task"][cloud])
    known = np.unique(true["task"][cloud & recorded])
    lost = np.unique(true["task"][cloud & ~recorded])
    assert not np.intersect1d(known, lost).size  # whole or not at all
    assert abs(len(known) / len(tasks) - 0.4) < rate_band(0.4, len(tasks))


def test_every_stream_of_the_small_world_says_something(plain):
    streams = Counter(record[COLUMNS.index("stream")] for record in told(plain))
    assert set(streams) == set(STREAMS)
