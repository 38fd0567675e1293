"""Seeds: how they are written, and that no world serves two purposes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scopedrift.scenarios.claim import load_claims
from scopedrift.scenarios.documents import ScenarioError
from scopedrift.scenarios.seeds import (
    described,
    fit_for_results,
    parse_seeds,
    range_of,
    ranges,
    written,
)
from scopedrift.scenarios.suite import load_suite

SUITE = {"name": "mine", "scenarios": ["core-week"], "detectors": ["rate"]}


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        (3, (0, 1, 2)),
        ("3", (0, 1, 2)),
        ("100-102", (100, 101, 102)),
        ("3,5", (3, 5)),
        ("7-7", (7,)),
        ("1, 8-9", (1, 8, 9)),
        ([4, 2], (4, 2)),
    ],
)
def test_seeds_are_a_count_a_range_or_a_list(text, seeds) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "wrong", [0, -1, True, 2.0, "", "many", "5-3", "1,,2", "-3", "1,1", [], [1, 1], [-1], "0-9999999999", 100_001, None]
)
def test_anything_else_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_seeds(wrong)


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20, unique=True))
def test_what_is_written_reads_back(seeds) -> None:
    assert parse_seeds(written(seeds)) == tuple(seeds)


def test_no_world_serves_two_purposes() -> None:
    every = [seed for found in ranges().values() for seed in found.seeds]
    assert len(every) == len(set(every))
    assert list(ranges()) == ["development", "calibration", "validation", "published"]
    assert described((99, 100)) == "99 to 100 (development, calibration)"


def test_a_frozen_suite_on_development_worlds_is_refused() -> None:
    load_suite({**SUITE, "seeds": 2})
    with pytest.raises(ScenarioError, match="seed 0 is a development world"):
        load_suite({**SUITE, "seeds": 2, "frozen": {"core-week": "abc"}})
    with pytest.raises(ScenarioError, match="seed 100 is a calibration world"):
        load_suite({**SUITE, "seeds": "100-101", "frozen": {"core-week": "abc"}})
    load_suite({**SUITE, "seeds": "1000-1001", "frozen": {"core-week": "abc"}})


def test_claims_are_tested_on_published_worlds() -> None:
    assert {range_of(seed) for claim in load_claims() for seed in claim.seeds} == {"published"}


def test_results_on_published_worlds_only() -> None:
    assert fit_for_results((1000, 20_000)) == (1000, 20_000)
    with pytest.raises(ValueError, match="expected seeds of another range"):
        fit_for_results((1000, 3))
