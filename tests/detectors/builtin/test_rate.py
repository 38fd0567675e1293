"""Bursts of one activity are flagged while they last; an ordinary busy hour, and all else that is done, is not."""

from __future__ import annotations

import numpy as np

from scopedrift.detectors.builtin.rate import Rate

READ = {"operation": "GetObject", "project": "blue"}


def office(days: int, per_hour: int = 20, **what: str) -> list[dict]:
    """Busy from 8 to 18, one event in each other hour."""
    return [
        {"at": 24 * day + hour + n / 100, "identity": "a", "bytes": 1000, **(what or READ)}
        for day in range(days)
        for hour in range(24)
        for n in range(per_hour if 8 <= hour < 18 else 1)
    ]


def many(count: int, at: float, **what: object) -> list[dict]:
    """Events within half an hour."""
    return [{"at": at + n / (2 * count), "identity": "a", "bytes": 1000, **READ, **what} for n in range(count)]


def test_a_burst_rises_and_the_usual_busy_hour_does_not(build, judge) -> None:
    detector = Rate()
    scores, batch = judge(detector, build([*office(5), *many(300, 123), *many(20, 130)]), fit=120)
    night, day = scores[:300], scores[300:]
    assert np.all(np.diff(night[20:]) > 0) and night[-1] > 5 * max(day.max(), 1.0)
    said = detector.explain(batch, len(scores) - 1)
    assert said == (
        "a did GetObject in blue 20 times in the hour from 10:00; "
        "where it does so at all (in one of 1 hours), 16 times is usual"
    )


def test_the_same_count_is_more_at_night(build, judge) -> None:
    scores, _ = judge(Rate(), build([*office(9), *many(20, 219), *many(20, 226)]), fit=216)
    assert scores[19] > 2 * scores[-1]


def test_a_rare_activity_shows_beside_thousands_of_others(build, judge) -> None:
    busy = office(5, 400)
    crowd = many(400, 129)
    few = many(12, 129.1, operation="GetSecretValue")
    scores, batch = judge(Rate(), build([*busy, *crowd, *few]), fit=120)
    secret = np.array([what == "GetSecretValue" for (what,) in batch.pairs("operation")])
    assert scores[secret].max() > 3 * scores[~secret].max()


def test_the_rarer_an_activity_the_more_it_counts(build, judge) -> None:
    weekly = [e for day in (1, 4, 7) for e in many(5, 24 * day + 10, operation="PutObject")]
    log = build([*office(9), *weekly, *many(5, 226, operation="PutObject"), *many(20, 227)])
    scores, _ = judge(Rate(), log, fit=216)
    assert scores[:5].min() > scores[5:].max() + 2
    plain, _ = judge(Rate(rarity=0.0), log, fit=216)
    assert abs(plain[4] - plain[-1]) < 1.5


def test_bytes_count_as_well(build, judge) -> None:
    log = build([*office(5), {"at": 130, "identity": "a", "bytes": 50_000_000_000, **READ}])
    detector = Rate(volume=1.0)
    scores, batch = judge(detector, log, fit=120)
    assert scores.max() > 10
    assert detector.explain(batch, 0) == (
        "a did GetObject in blue once and moved 50000.0 MB in the hour from 10:00; "
        "where it does so at all (in one of 1 hours), 16 times and 0.0 MB are usual"
    )
    assert judge(Rate(volume=0.0), log, fit=120)[0].max() < 1


def test_one_burst_does_not_teach(build, judge) -> None:
    scores, _ = judge(Rate(), build([*office(5), *many(300, 132), *many(300, 156)]), fit=120)
    assert scores[300:].max() > 0.7 * scores[:300].max()


def test_a_newcomer_is_measured_by_the_fleet(build, judge) -> None:
    log = build([*office(5), *many(1500, 129, identity="new")])
    scores, _ = judge(Rate(rarity=0.0), log, fit=120)
    assert scores[0] < 1 and scores[-1] > 5


def test_without_an_identity_it_abstains(build, judge) -> None:
    detector = Rate()
    scores, batch = judge(detector, build([*office(2), {"at": 50, **READ}]), fit=48)
    assert np.isnan(scores).all() and detector.explain(batch, 0) == "not judged"
