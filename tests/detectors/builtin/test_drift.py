"""What an identity slowly begins to do is flagged the longer it lasts; what it always did is not."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.detectors.builtin.drift import ActivityDrift

READ = {"service": "s3", "operation": "GetObject", "access": "read", "project": "red"}
SECRET = {"service": "secrets", "operation": "GetSecretValue", "access": "read", "project": "red"}
METHODS = ["page-hinkley", "adwin"]


def hours(who: str, first: int, last: int, reads: int = 20, secrets: int = 0, **more: object) -> list[dict]:
    """Reads, and some secrets among them, every hour."""
    return [
        {"at": h + n / 200, "identity": who, **(SECRET if n < secrets else READ), **more}
        for h in range(first, last)
        for n in range(reads)
    ]


def others() -> list[dict]:
    """Identities that read secrets now and then: the fleet knows the operation."""
    return [{"at": h + 0.5, "identity": f"other-{h % 3}", **SECRET} for h in range(0, 170, 2)]


@pytest.mark.parametrize("method", METHODS)
def test_a_slow_drift_is_seen_and_a_steady_identity_is_not(build, judge, method) -> None:
    drifting = [*hours("a", 0, 96), *hours("a", 96, 132, secrets=4)]
    detector = ActivityDrift(method=method, delta=0.05, tolerance=4.0)
    scores, batch = judge(detector, build([*drifting, *hours("b", 0, 132), *others()]), fit=96)
    mine = np.array([who == "a" for (who,) in batch.pairs("identity")])
    if method == "page-hinkley":
        assert scores[~mine].max() == 0.0
        assert scores[mine].max() > 1.0
        secret = np.array([what == "GetSecretValue" for (what,) in batch.pairs("operation")])
        assert scores[mine & ~secret].max() == 0.0
        row = int(np.where(mine, scores, 0).argmax())
        assert detector.explain(batch, row).startswith("a does GetSecretValue in red in one of ")
    assert np.isfinite(scores).all()


def test_adwin_sees_an_amount_that_stays_high(build, judge) -> None:
    log = build([*hours("a", 0, 96, reads=2), *hours("a", 96, 160, reads=60), *hours("b", 0, 160, reads=2), *others()])
    scores, batch = judge(ActivityDrift(method="adwin", delta=0.05), log, fit=96)
    mine = np.array([who == "a" for (who,) in batch.pairs("identity")])
    assert scores[mine].max() > scores[~mine].max() >= 0.0


def test_steps_add_up(build, judge) -> None:
    log = build([*hours("a", 0, 240), *hours("a", 240, 243, secrets=1), *others()])
    scores, batch = judge(ActivityDrift(tolerance=3.0), log, fit=240)
    mine = [
        scores[i]
        for i, pair in enumerate(batch.pairs("identity", "operation"))
        if pair == ("a", "GetSecretValue")
    ]  # fmt: skip
    assert len(mine) == 3 and 0 < mine[0] < mine[1] < mine[2]


def test_an_identity_that_always_did_it_has_not_drifted(build, judge) -> None:
    detector = ActivityDrift()
    scores, batch = judge(detector, build([*hours("a", 0, 120, secrets=3), *others()]), fit=96)
    assert scores.max() == 0.0
    assert "it had not drifted before" in detector.explain(batch, 0)


def test_the_statistic_fades_when_the_drift_is_over(build, judge) -> None:
    burst = hours("a", 96, 104, reads=190)
    scores, _ = judge(ActivityDrift(tolerance=2.0), build([*hours("a", 0, 96), *burst, *hours("a", 104, 160)]), fit=96)
    assert scores[-1] < 0.1 * scores.max()


def test_calls_elsewhere_drift_too(build, judge) -> None:
    elsewhere = hours("a", 240, 250, reads=8, project="blue")
    log = build([*hours("a", 0, 250), *hours("b", 0, 240, project="blue"), *elsewhere])
    detector = ActivityDrift()
    scores, batch = judge(detector, log, fit=240)
    assert scores.max() > 0.5 and "does GetObject in blue" in detector.explain(batch, int(scores.argmax()))


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="method must be"):
        ActivityDrift(method="guess")
