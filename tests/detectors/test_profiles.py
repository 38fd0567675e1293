"""Hourly sums per identity, against a dictionary."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors._profiles import FEATURES, Profiles
from scopedrift.simulator.events import HOUR


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40), st.integers(0, 9)), max_size=60), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_sums_run_since_the_full_hour_however_the_stream_is_cut(rows: list[tuple[int, int, int]], cut: int) -> None:
    profiles, now = Profiles(), 0
    events: list[tuple[int, int, int]] = []
    for who, minutes, amount in rows:
        now += minutes * 60_000_000
        events.append((who, now, amount))
    found: list[int] = []
    for begin in range(0, len(events), cut):
        who, arrived, amount = (np.array(c, np.int64) for c in zip(*events[begin : begin + cut], strict=True))
        amounts = np.repeat(amount[:, None], len(FEATURES), axis=1)
        found += profiles.follow(who, arrived, amounts)[:, 3].tolist()
    sums, expected = defaultdict[tuple[int, int], int](int), []
    for who, arrived, amount in events:
        sums[who, arrived // HOUR] += amount
        expected.append(sums[who, arrived // HOUR])
    assert found == expected


def test_what_an_event_adds(build) -> None:
    log = build(
        [
            {"at": 0, "identity": "a", "project": "red", "service": "s3", "operation": "GetObject", "bytes": 700},
            {"at": 1, "identity": "a", "project": "blue", "access": "delete", "outcome": "denied"},
            {"at": 2, "identity": "b", "project": "blue", "bytes": 1 << 60},
            {"at": 3, "identity": "a", "project": "red"},
        ]
    )
    profiles = Profiles()
    amounts = [row for batch in log.batches(2) for row in profiles.amounts(batch).tolist()]
    table = [{name: n for name, n in zip(FEATURES, row, strict=True) if n} for row in amounts]
    assert table == [
        {"storage": 1, "events": 1, "bytes": 700},
        {"change": 1, "denied": 1, "elsewhere": 1, "events": 1},
        {"events": 1, "bytes": 1 << 44},
        {"events": 1},
    ]
