"""Hours that slowly become something else are flagged; busier hours of the same kind are not."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.detectors.builtin.drift import Drift

READ = {"service": "s3", "operation": "GetObject", "access": "read"}
SECRET = {"service": "secrets", "operation": "GetSecretValue", "access": "read"}
METHODS = ["page-hinkley", "adwin"]


def hours(who: str, first: int, last: int, reads: int = 20, share: float = 0.0) -> list[dict]:
    """Reads, and from a share of the time on ever more secrets among them."""
    return [
        {"at": h + n / 200, "identity": who, **(SECRET if n < share * (h - first) else READ)}
        for h in range(first, last)
        for n in range(reads)
    ]


@pytest.mark.parametrize("method", METHODS)
def test_a_slow_drift_is_seen_and_a_steady_identity_is_not(build, judge, method) -> None:
    log = build([*hours("a", 0, 96), *hours("b", 0, 96), *hours("a", 96, 132, share=0.2), *hours("b", 96, 132)])
    detector = Drift(method=method, delta=0.05)
    scores, batch = judge(detector, log, fit=96)
    mine = np.array([who == "a" for (who,) in batch.pairs("identity")])
    assert scores[~mine].max() == 0.0
    assert scores[mine].max() > 1.0
    row = int(scores.argmax())
    assert detector.explain(batch, row) == "a has drifted: a larger share of secret than it used to have"
    assert detector.explain(batch, int(np.flatnonzero(~mine)[0])) == "b has not drifted"


def test_more_of_the_same_is_no_drift(build, judge) -> None:
    log = build([*hours("a", 0, 96), *hours("a", 96, 120, reads=150)])
    assert judge(Drift(), log, fit=96)[0].max() == 0.0


def test_the_statistic_fades_when_the_drift_is_over(build, judge) -> None:
    log = build([*hours("a", 0, 96), *hours("a", 96, 110, share=0.5), *hours("a", 110, 170)])
    scores, _ = judge(Drift(), log, fit=96)
    assert scores[-1] < 0.1 * scores.max()


def test_calls_elsewhere_drift_too(build, judge) -> None:
    events = [{**e, "project": "blue" if e["at"] >= 96 and n % 2 else "red"} for n, e in enumerate(hours("a", 0, 120))]
    detector = Drift()
    scores, batch = judge(detector, build(events), fit=96)
    assert scores.max() > 3
    assert "a larger share of elsewhere" in detector.explain(batch, int(scores.argmax()))
