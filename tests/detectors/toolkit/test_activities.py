"""Counts of each activity since the full hour, against a dictionary; levels that settle when the hour is over."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.toolkit import activities as module
from scopedrift.detectors.toolkit.activities import ActivityBaselines
from scopedrift.detectors.toolkit.columns import segments
from scopedrift.simulator.log.events import HOUR

EVENTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(["Get", "Put", None]), st.sampled_from(["red", "blue"]),
              st.integers(0, 40), st.integers(-1, 9)),
    min_size=1, max_size=60,
)  # fmt: skip


def followed(activities: ActivityBaselines, log, cut: int) -> tuple[list[int], list[int], list[float]]:
    """Events and bytes of each event's activity in the hour so far, and how far that is above the usual."""
    counts, moved, above = [], [], []
    for batch in log.batches(cut):
        for start, stop, hour in segments(batch["arrived"], HOUR):
            if hour != activities.hour:
                activities.turn(hour)
                activities.forget()
            running = activities.follow(batch, start, stop)
            back = np.argsort(running.order)
            counts += running.count[back].tolist()
            moved += running.moved[back].tolist() if running.moved is not None else []
            above += activities.above(running, 0.5)[back].tolist()
            for position in range(stop - start):
                _, count, size = running.at(position)
                assert (count, size) == (counts[start - stop + position], moved[start - stop + position])
    return counts, moved, above


def log_of(build, events: list[tuple]):
    now, rows = 0.0, []
    for who, what, where, minutes, size in events:
        now += minutes / 60
        row = {"at": now, "identity": who, "project": where, "bytes": size}
        rows.append(row if what is None else {**row, "operation": what})
    return build(rows)


@given(EVENTS, st.integers(1, 60), st.booleans())
@settings(max_examples=60)
def test_counts_run_since_the_full_hour_however_the_stream_is_cut(build, events, cut, hashed) -> None:
    log = log_of(build, events)
    dense = module._DENSE
    module._DENSE = 0 if hashed else dense
    try:
        counts, moved, above = followed(ActivityBaselines(100.0, 3.0, 0.7), log, cut)
        again = followed(ActivityBaselines(100.0, 3.0, 0.7), log, len(log))[2]
    finally:
        module._DENSE = dense
    batch = log.batch(0, len(log))
    expected: list[tuple[int, int]] = []
    sums: dict[tuple, list[int]] = defaultdict(lambda: [0, 0])
    columns = [batch[n].tolist() for n in ("identity", "project", "bytes")]
    operation = batch["operation"].tolist() if "operation" in batch.columns else [-1] * len(log)
    for who, where, size, what, arrived in zip(*columns, operation, batch["arrived"].tolist(), strict=True):
        held = sums[who, where, what, arrived // HOUR]
        held[0] += 1
        held[1] += max(size, 0)
        expected.append((held[0], held[1]))
    assert list(zip(counts, moved, strict=True)) == expected
    assert above == again


def test_a_level_settles_at_what_the_hours_show(build) -> None:
    log = build([{"at": h + n / 100, "identity": "a", "operation": "Get"} for h in range(200) for n in range(16)])
    activities = ActivityBaselines(1000.0, 3.0, 0.7)
    for batch in log.batches(500):
        for start, stop, hour in segments(batch["arrived"], HOUR):
            if hour != activities.hour:
                activities.turn(hour)
            activities.follow(batch, start, stop)
    (level,) = activities.level(np.array([0]))
    (rarity,) = activities.rarity(np.array([0]))
    assert abs(level - 4.0) < 0.1 and 0.0 <= rarity < 0.3
    assert abs(activities.events.spread[0] - 0.7) < 0.2


def test_what_was_shown_least_lately_is_forgotten(build, monkeypatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 50)
    log = build([{"at": n / 2, "identity": f"i{n}", "operation": "Get", "bytes": 1} for n in range(400)])
    activities = ActivityBaselines(100.0, 3.0, 0.7)
    counts, _, _ = followed(activities, log, 7)
    assert len(activities) <= 60 and counts == [1] * 400


def test_of_what_one_hour_showed_the_later_half_stays(build, monkeypatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 50)
    log = build([{"at": n / 1000, "identity": f"i{n}", "operation": "Get", "bytes": 1} for n in range(100)])
    activities = ActivityBaselines(100.0, 3.0, 0.7)
    followed(activities, log, 30)
    activities.turn(activities.hour + 1)
    kept = activities.forget()
    assert kept.tolist() == [False] * 50 + [True] * 50 and len(activities) == 50
