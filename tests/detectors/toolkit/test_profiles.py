"""Hourly sums per window, against a dictionary; what was familiar yesterday."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.toolkit.profiles import FEATURES, Profiles
from scopedrift.simulator.log.events import HOUR


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40), st.integers(0, 9)), max_size=60), st.integers(1, 60))
@settings(max_examples=60)
def test_sums_run_since_the_full_hour_however_the_stream_is_cut(rows: list[tuple[int, int, int]], cut: int) -> None:
    profiles, now = Profiles(), 0
    events: list[tuple[int, int, int]] = []
    for window, minutes, amount in rows:
        now += minutes * 60_000_000
        events.append((window, now, amount))
    found: list[int] = []
    for begin in range(0, len(events), cut):
        window, arrived, amount = (np.array(c, np.int64) for c in zip(*events[begin : begin + cut], strict=True))
        amounts = np.repeat(amount[None], len(FEATURES), axis=0)
        found += profiles.follow(window, arrived, amounts)[3].tolist()
    sums, expected = defaultdict[tuple[int, int], int](int), []
    for window, arrived, amount in events:
        sums[window, arrived // HOUR] += amount
        expected.append(sums[window, arrived // HOUR])
    assert found == expected


def table(profiles: Profiles, log, cut: int) -> list[dict[str, int]]:
    """What each event adds, without zeros; all tasks are of one kind."""
    rows = [row for b in log.batches(cut) for row in profiles.amounts(b, np.zeros(len(b), np.int64)).T.tolist()]
    return [{name: n for name, n in zip(FEATURES, row, strict=True) if n} for row in rows]


def test_what_an_event_adds(build) -> None:
    log = build(
        [
            {"at": 0, "identity": "a", "project": "red", "service": "s3", "operation": "GetObject", "bytes": 700},
            {"at": 1, "identity": "a", "project": "red", "operation": "GetObject", "outcome": "denied"},
            {
                "at": 30,
                "identity": "a",
                "project": "red",
                "operation": "PutObject",
                "access": "delete",
                "bytes": 1 << 60,
            },
            {"at": 31, "identity": "a", "project": "blue", "operation": "GetObject"},
            {"at": 60, "identity": "a", "project": "blue", "operation": "PutObject"},
        ]
    )
    storage = {"storage": 1, "events": 1}
    new = {"new operations": 1, "new places": 1}
    assert table(Profiles(), log, 1) == [
        {**storage, **new, "bytes": 700},
        {**storage, **new, "denied": 1},  # until the day is over
        {**storage, "change": 1, "new operations": 1, "bytes": 1 << 44},
        {**storage, "new places": 1},
        storage,
    ]
