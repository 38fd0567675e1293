"""The survival curve against a hand count, and against what must never happen: missing slow incidents looks faster."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.reports.survival import survival


def incidents(delays: list[float], follow_up: float = 1_000.0) -> pd.DataFrame:
    seen = [not math.isnan(d) for d in delays]
    return pd.DataFrame({"delay_s": delays, "follow_up_s": [follow_up] * len(delays), "detected": seen})


def test_by_hand() -> None:
    curve = survival(incidents([10.0, 20.0, 30.0, math.nan]))
    assert curve.count == 4
    assert curve.quantile(0.5) == 20.0
    assert math.isnan(curve.quantile(0.9))
    np.testing.assert_allclose(curve.at(np.array([0.0, 10.0, 25.0, 999.0])), [1.0, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(curve.censored, [1_000.0])


def test_a_median_that_is_not_reached_is_not_a_number() -> None:
    assert math.isnan(survival(incidents([10.0, math.nan, math.nan])).quantile(0.5))


def test_nothing_observed() -> None:
    empty = survival(incidents([]))
    assert empty.count == 0 and math.isnan(empty.quantile(0.5))


def test_early_end_of_follow_up_leaves_the_risk_set() -> None:
    frame = incidents([10.0, math.nan, 40.0, 50.0])
    frame.loc[1, "follow_up_s"] = 20.0
    np.testing.assert_allclose(survival(frame).at(np.array([45.0])), [0.75 * 0.5])


@given(st.lists(st.floats(1, 900), min_size=1, max_size=20))
def test_missing_the_slowest_never_improves_any_quantile(delays: list[float]) -> None:
    worse = [math.nan if d == max(delays) else d for d in delays]
    for share in (0.25, 0.5, 0.75):
        before, after = survival(incidents(delays)).quantile(share), survival(incidents(worse)).quantile(share)
        assert math.isnan(after) or after >= before
