from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.scenarios.durations import (
    LONGEST,
    UNITS,
    format_duration,
    format_rate,
    parse_duration,
    parse_rate,
)


@given(st.integers(0, LONGEST))
def test_every_duration_survives_being_written(us: int) -> None:
    assert parse_duration(format_duration(us)) == us


@given(st.integers(0, 30_000), st.sampled_from(sorted(UNITS)), st.integers(0, 9))
def test_a_duration_is_its_number_times_its_unit(whole: int, unit: str, tenth: int) -> None:
    exact = Fraction(f"{whole}.{tenth}") * UNITS[unit]
    if exact.denominator == 1 and exact <= LONGEST:
        assert parse_duration(f"{whole}.{tenth}{unit}") == exact
    else:
        with pytest.raises(ValueError, match=r"whole microseconds|at most 36500d"):
            parse_duration(f"{whole}.{tenth}{unit}")


@pytest.mark.parametrize(
    ("us", "text"), [(0, "0s"), (14 * UNITS["d"], "14d"), (5_400_000_000, "90m"), (1_500, "1500us")]
)
def test_durations_are_written_in_their_largest_exact_unit(us: int, text: str) -> None:
    assert format_duration(us) == text


@pytest.mark.parametrize("value", ["90", "1.5", 90, 1.5, 0, "-3"])
def test_a_number_without_a_unit_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"a duration needs a unit, e\.g\. "):
        parse_duration(value)


def test_the_hint_repeats_the_number() -> None:
    with pytest.raises(ValueError, match=r"needs a unit, e\.g\. 90m"):
        parse_duration("90")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "m",
        "90 m",
        " 90m",
        "90m\n",
        "-5m",
        "1h30m",
        "90M",
        "90minutes",
        "٣m",
        "1e3s",
        None,
        True,
        [],
        "1" * 400 + "s",
    ],
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected a duration, e\.g\. 90m"):
        parse_duration(value)


@given(st.floats(0, 1e9))
def test_every_rate_survives_being_written(per_day: float) -> None:
    assert parse_rate(format_rate(per_day)) == per_day


@pytest.mark.parametrize(("text", "per_day"), [("1/day", 1), ("7/week", 1), ("0.5/h", 12), ("3/d", 3), ("1/min", 1440)])
def test_rates_are_per_day(text: str, per_day: float) -> None:
    assert parse_rate(text) == pytest.approx(per_day)


def test_a_rate_needs_a_period() -> None:
    with pytest.raises(ValueError, match=r"a rate needs a period, e\.g\. 2/day"):
        parse_rate(2)


@pytest.mark.parametrize(
    "value", ["2", "/day", "1/year", "-1/day", "1 /day", "nan/day", "inf/h", "1e400/day", None, True, "1/day\n"]
)
def test_what_is_no_rate_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate(value)
