"""The reference detectors are as skilful as their names."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.builtin.references import Always, Never, Oracle, Periodic, Random


@pytest.fixture
def log(build):
    return build([{"at": n / 4, "identity": "a"} for n in range(2000)])


def test_never_and_always(log, judge) -> None:
    assert not judge(Never(), log, fit=1)[0].any()
    assert judge(Always(), log, fit=1)[0].all()


def test_random_is_uniform_and_follows_the_seed(log, judge) -> None:
    one, _ = judge(Random(), log, Knowledge(seed=1), fit=1)
    again, _ = judge(Random(), log, Knowledge(seed=1), fit=1, cut=7)
    other, _ = judge(Random(), log, Knowledge(seed=2), fit=1)
    assert np.array_equal(one, again) and abs(np.corrcoef(one, other)[0, 1]) < 0.1
    assert (
        one.min() >= 0
        and one.max() < 1
        and np.allclose(np.quantile(one, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.05)
    )


def test_periodic_flags_the_first_event_of_each_interval(log, judge) -> None:
    scores, _ = judge(Periodic(interval=24.0), log, fit=12, cut=10)
    assert np.flatnonzero(scores).tolist() == list(range(48, 1952, 96))


def test_the_oracle_refuses_to_guess(log) -> None:
    with pytest.raises(RuntimeError, match="the evaluation supplies them from the truth"):
        Oracle().score(log.batch(0, 1))
