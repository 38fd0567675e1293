"""The week's rhythm: waits follow its weights exactly."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Week
from scopedrift.simulator.log.events import DAY, HOUR
from scopedrift.simulator.world.rhythm import WEEK, Rhythm

START = 1_767_571_200_000_000  # 2026-01-05, a Monday
HOURS = st.lists(st.floats(0.05, 20.0), min_size=24, max_size=24)
WEEKS = st.builds(Week, hours=HOURS, weekend=st.floats(0.1, 3.0), source=st.just("assumed"))
RHYTHMS = WEEKS.map(Rhythm)


def activity(rhythm, start, end):
    """The activity between two times, in microseconds of mean activity: summed piece by piece."""
    total, at = 0.0, start
    while at < end:
        stop = min(end, at + HOUR - at % HOUR)
        total += rhythm.at(at) * (stop - at)
        at = stop
    return total


@settings(max_examples=50)
@given(RHYTHMS, st.integers(0, 3 * WEEK), st.floats(0.0, 2.0 * WEEK))
def test_a_wait_lasts_as_long_as_its_work_takes_at_the_weights(rhythm, after, work):
    start = START + after
    wait = rhythm.wait(start, work)
    assert wait >= 1
    # to the microsecond, at the fastest hour's rate, and to the precision of a double over weeks
    tolerance = 2.0 * max(rhythm.weights) + 1e-9 * (work + WEEK)
    assert activity(rhythm, start, start + wait) == pytest.approx(work, abs=tolerance)


@settings(max_examples=30)
@given(RHYTHMS, st.integers(0, WEEK), st.floats(1.0, WEEK), st.floats(1.0, WEEK))
def test_waiting_twice_is_waiting_for_both(rhythm, after, one, other):
    start = START + after
    first = rhythm.wait(start, one)
    assert first + rhythm.wait(start + first, other) == pytest.approx(
        rhythm.wait(start, one + other), abs=3 + 1e-8 * WEEK / min(rhythm.weights)
    )


@settings(max_examples=30)
@given(RHYTHMS)
def test_the_mean_of_a_week_is_one(rhythm):
    assert np.mean(rhythm.weights) == pytest.approx(1.0)
    assert rhythm.wait(START, WEEK) == pytest.approx(WEEK, abs=10)


def test_the_calendar_is_that_of_the_world():
    hours = [1.0] * 24
    hours[9] = 5.0
    rhythm = Rhythm(Week(hours=hours, weekend=0.5, source="assumed"))
    weekday = datetime(2026, 1, 7, 9, 30, tzinfo=UTC)  # a Wednesday
    saturday = datetime(2026, 1, 10, 9, 30, tzinfo=UTC)
    at = [rhythm.at(int(day.timestamp()) * 1_000_000) for day in (weekday, saturday)]
    assert at[0] == pytest.approx(2 * at[1])
    assert rhythm.at(START + 9 * HOUR) == pytest.approx(5 * rhythm.at(START + 8 * HOUR))
    assert rhythm.at(START) == rhythm.at(START + WEEK) != rhythm.at(START + 5 * DAY)


def test_an_hour_without_activity_is_passed_over():
    rhythm = Rhythm(Week(hours=[0.0] * 8 + [1.0] * 16, weekend=1.0, source="assumed"))
    assert START + rhythm.wait(START + 2 * HOUR, 1.0) + 2 * HOUR >= START + 8 * HOUR


@pytest.mark.parametrize("name", sorted(catalogue.platform().rhythm))
def test_arrivals_follow_the_catalogues_rhythms(name):
    rhythm = Rhythm(catalogue.platform().rhythm[name])
    rng = np.random.default_rng(1)
    counts, now = np.zeros(168), START
    for gap in rng.exponential(HOUR / 20, 20 * 168 * 3):
        now += rhythm.wait(now, gap)
        counts[(now - START) % WEEK // HOUR] += 1
    expected = np.array(rhythm.weights) / 168 * counts.sum()
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert chi2 < 168 + 5 * np.sqrt(2 * 168)  # five standard deviations of a chi-square with 168 cells
