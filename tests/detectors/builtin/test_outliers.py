"""Hours that stand out from the identity's own are flagged; ordinary busy ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.builtin.outliers import Histogram, IsolationForest

READ = {"service": "s3", "operation": "GetObject", "access": "read"}
SECRET = {"service": "secrets", "operation": "GetSecretValue", "access": "read"}
BOTH = [Histogram(), IsolationForest(trees=50)]


def baseline() -> list[dict]:
    """Two identities: `calm` reads a little each hour, `bursty` now and then a lot."""
    rng = np.random.default_rng(0)
    return [
        {"at": h + n / 1000, "identity": who, **READ}
        for h in range(96)
        for who, much in (("calm", 10 + rng.integers(0, 4)), ("bursty", 400 if h % 6 == 0 else 10))
        for n in range(much)
    ]


@pytest.mark.parametrize("detector", BOTH, ids=lambda d: d.name)
def test_an_odd_hour_stands_out_and_an_ordinary_burst_does_not(build, judge, detector) -> None:
    odd = [{"at": 100 + n / 100, "identity": "calm", **SECRET} for n in range(40)]
    burst = [{"at": 102 + n / 1000, "identity": "bursty", **READ} for n in range(400)]
    scores, batch = judge(detector, build([*baseline(), *odd, *burst]), fit=99)
    assert scores[:40].max() > 1.1 * scores[40:].max()
    assert scores[39] >= scores[0]
    said = detector.explain(batch, 39)
    assert said.startswith("calm in this hour so far: secret ") and said.endswith(" spreads above the usual")


@pytest.mark.parametrize("detector", BOTH, ids=lambda d: d.name)
def test_a_quiet_hour_is_not_odd(build, judge, detector) -> None:
    odd = [{"at": 101 + n / 100, "identity": "calm", **SECRET} for n in range(9)]
    scores, batch = judge(detector, build([*baseline(), {"at": 100, "identity": "calm", **READ}, *odd]), fit=99)
    assert detector.explain(batch, 0) == "calm in this hour so far: nothing above the usual"
    assert scores[0] < 0.9 * scores[-1]


@pytest.mark.parametrize("detector", BOTH, ids=lambda d: d.name)
def test_without_a_baseline_or_an_identity_it_abstains(build, judge, detector) -> None:
    assert np.isnan(judge(detector, build([{"at": 1, "identity": "calm"}]), fit=0.5)[0]).all()
    assert np.isnan(judge(detector, build([*baseline(), {"at": 100, **READ}]), fit=99)[0]).all()


def test_the_forest_follows_the_seed(build, judge) -> None:
    log = build([*baseline(), *({"at": 100 + n / 10, "identity": "calm", **SECRET} for n in range(9))])
    one, again, other = (judge(IsolationForest(trees=20), log, Knowledge(seed=s), fit=99)[0] for s in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
