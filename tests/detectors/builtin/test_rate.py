"""Bursts against the identity's own hour of day are flagged while they last; an ordinary busy hour is not."""

from __future__ import annotations

import numpy as np

from scopedrift.detectors.builtin.rate import Rate


def office(days: int, per_hour: int = 20) -> list[dict]:
    """Busy from 8 to 18, one event in each other hour."""
    return [
        {"at": 24 * day + hour + n / 100, "identity": "a", "bytes": 1000}
        for day in range(days)
        for hour in range(24)
        for n in range(per_hour if 8 <= hour < 18 else 1)
    ]


def test_a_burst_rises_and_the_usual_busy_hour_does_not(build, judge) -> None:
    burst = [{"at": 5 * 24 + 3 + n / 400, "identity": "a", "bytes": 1000} for n in range(300)]
    usual = [{"at": 5 * 24 + 10 + n / 100, "identity": "a", "bytes": 1000} for n in range(20)]
    detector = Rate()
    scores, batch = judge(detector, build([*office(5), *burst, *usual]), fit=5 * 24)
    night, day = scores[:300], scores[300:]
    assert np.all(np.diff(night[10:]) > 0) and night[-1] > 10 * max(day.max(), 1.0)
    assert "a made 20 events" in detector.explain(batch, len(scores) - 1)
    assert "in the hour from 10:00; usual are 20 events" in detector.explain(batch, len(scores) - 1)


def test_bytes_count_as_well(build, judge) -> None:
    log = build([*office(5), {"at": 5 * 24 + 10, "identity": "a", "bytes": 50_000_000_000}])
    assert judge(Rate(), log, fit=5 * 24)[0].max() > 10
    assert judge(Rate(volume=0.0), log, fit=5 * 24)[0].max() < 1


def test_the_usual_level_follows_slowly_and_one_burst_does_not_teach(build, judge) -> None:
    twice = [{"at": 24 * day + 12 + n / 400, "identity": "a", "bytes": 0} for day in (5, 6) for n in range(300)]
    scores, _ = judge(Rate(), build([*office(5), *twice]), fit=5 * 24)
    assert scores[300:].max() > 0.7 * scores[:300].max()


def test_a_newcomer_is_measured_by_the_fleet(build, judge) -> None:
    new = [{"at": 5 * 24 + 9 + n / 2000, "identity": "new", "bytes": 0} for n in range(1500)]
    scores, _ = judge(Rate(), build([*office(5), *new]), fit=5 * 24)
    assert scores[0] < 1 < scores[-1]
