"""Comparisons and the order of detectors: tests hold their level, multiplicity matches scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scopedrift.experiments.evaluation.statistics import (
    adjust,
    differing,
    minimum_detectable_effect,
    paired_difference,
    rank_table,
    sample_label,
)
from scopedrift.reports.metrics import METRICS


def cells(recalls: dict[str, list[int]], incidents: int = 10, scenario: str = "s") -> pd.DataFrame:
    """One cell per detector and seed with so many incidents detected."""
    return pd.DataFrame(
        [
            {
                "scenario": scenario,
                "seed": seed,
                "detector": detector,
                "status": "ok",
                "detected": found,
                "incidents": incidents,
                "recall": found / incidents,
                "false_positives": 2 + seed % 3,
                "test_days": 4.0,
                "identities": 10,
                "average_precision": found / 20,
                "detected_before_impact": 0.5,
            }
            for detector, per_seed in recalls.items()
            for seed, found in enumerate(per_seed)
        ]
    )


def test_paired_difference() -> None:
    table = cells({"a": [8, 7, 9, 8, 7, 9, 8, 8], "b": [3, 2, 4, 3, 2, 4, 3, 3]})
    found = paired_difference(table, "a", "b", "recall")
    assert found.estimate == pytest.approx(0.5) and found.low == pytest.approx(0.5)
    assert found.p_value == pytest.approx(2 / 2**8)  # exact: only all or none exchanged are as extreme
    assert found.worlds == 8 and "too small" in found.sample
    same = paired_difference(table, "a", "a", "recall")
    assert same.estimate == 0 and same.p_value == 1


def test_the_exchange_test_holds_its_level() -> None:
    rng = np.random.default_rng(4)
    wrong = 0
    for case in range(200):
        table = cells({name: rng.binomial(10, 0.5, 10).tolist() for name in ("a", "b")})
        wrong += paired_difference(table, "a", "b", "recall", replicates=50, seed=case).p_value < 0.05
    assert wrong / 200 <= 0.09


def test_random_exchanges_agree_with_a_t_test() -> None:
    rng = np.random.default_rng(5)
    a, b = rng.binomial(10, 0.6, 20), rng.binomial(10, 0.5, 20)
    found = paired_difference(cells({"a": a.tolist(), "b": b.tolist()}), "a", "b", "recall")
    assert found.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.05)


def test_only_worlds_that_both_finished_are_compared() -> None:
    table = cells({"a": [8, 8, 8], "b": [1, 1, 1]})
    table.loc[(table["detector"] == "b") & (table["seed"] == 2), "status"] = "failed"
    assert paired_difference(table, "a", "b", "recall").worlds == 2
    alone = paired_difference(table[table["detector"] == "a"], "a", "b", "recall")
    assert alone.worlds == 0 and np.isnan(alone.estimate) and np.isnan(alone.p_value)


def test_ratios_are_pooled_and_medians_refused() -> None:
    table = cells({"a": [1, 10]})
    table["incidents"] = [1, 20]
    top, bottom = METRICS["recall"].pooled(table)
    assert top.sum() / bottom.sum() == 11 / 21  # and not the mean of 1 and 1/2
    table["average_precision"] = [np.nan, 0.4]
    top, bottom = METRICS["average_precision"].pooled(table)
    assert top.sum() / bottom.sum() == 0.4
    with pytest.raises(ValueError, match="restricted_mean"):
        METRICS["time_to_detect_median_s"].pooled(table)


@pytest.mark.parametrize(
    ("detectors", "worlds", "found"), [(2, 5, False), (2, 6, True), (15, 5, False), (15, 12, True), (15, 24, True)]
)
def test_a_best_detector_is_found_as_soon_as_worlds_allow(detectors: int, worlds: int, found: bool) -> None:
    rng = np.random.default_rng(1)
    counts = {f"d{i:02}": rng.integers(0, 2, worlds).tolist() for i in range(1, detectors)}
    table = rank_table(cells({"d00": [10] * worlds, **counts}), "recall")
    assert table["detector"].iloc[0] == "d00" and (table["tied_with"].iloc[0] == "") == found
    assert table["minimum_detectable"].notna().all() == found, "what cannot be found is not promised"


def pairs_of(table: pd.DataFrame) -> list[tuple[str, str]]:
    return list(itertools.combinations(sorted(table["detector"].unique()), 2))


def apart(table: pd.DataFrame, metric: str = "recall") -> set[tuple[str, str]]:
    """The pairs that differ at 5 %."""
    return {pair for pair, p in differing(table, pairs_of(table), metric)[0].items() if p < 0.05}


def in_all_orders(table: pd.DataFrame) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Step-down and single-step p-values by their definition, from every exchange of names."""
    done = table[table["status"] == "ok"]
    count = {(row.detector, row.scenario, row.seed): (row.detected, row.incidents) for row in done.itertuples()}
    worlds = sorted({(scenario, seed) for _, scenario, seed in count})
    drawn: dict[tuple[str, str], list[float]] = {}
    for a, b in pairs_of(table):
        own = [world for world in worlds if (a, *world) in count and (b, *world) in count]
        drawn[a, b] = []
        for flips in itertools.product([False, True], repeat=len(worlds)):
            sides = [[0, 0], [0, 0]]
            for world in own:
                first, second = (b, a) if flips[worlds.index(world)] else (a, b)
                for side, name in zip(sides, (first, second), strict=True):
                    side[0] += count[(name, *world)][0]
                    side[1] += count[(name, *world)][1]
            drawn[a, b].append(abs(sides[0][0] / sides[0][1] - sides[1][0] / sides[1][1]))
        spread = np.sqrt(np.mean(np.square(drawn[a, b])))
        drawn[a, b] = [each / spread for each in drawn[a, b]]
    size = {pair: each[0] for pair, each in drawn.items()}  # the first exchange is none
    step: dict[tuple[str, str], float] = {}
    for pair in sorted(size, key=lambda pair: -size[pair]):
        rivals = [drawn[other] for other in size if size[other] <= size[pair]]
        p = float(np.mean(np.max(rivals, axis=0) >= size[pair] - 1e-9))
        step[pair] = max([p, *step.values()])
    return step, {pair: float(np.mean(np.max(list(drawn.values()), axis=0) >= size[pair] - 1e-9)) for pair in size}


def test_p_values_of_all_pairs_are_those_of_every_exchange() -> None:
    differ = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        rates = {"a": 0.2, "b": 0.45, "c": 0.5, "d": 0.85}  # the better ones stand last
        near = cells({name: rng.binomial(10, rate, 4).tolist() for name, rate in rates.items()}, scenario="near")
        far = cells({name: rng.binomial(20, rate, 4).tolist() for name, rate in rates.items()}, 20, scenario="far")
        table = pd.concat([near, far], ignore_index=True)
        table.loc[(table["detector"] == "c") & (table["seed"] == 1), "status"] = "failed"
        found, _ = differing(table, pairs_of(table), "recall")
        expected, single = in_all_orders(table)
        assert found == pytest.approx(expected)
        differ += expected != pytest.approx(single)
    assert differ, "stepping down makes a difference"


def test_random_exchanges_are_many_and_the_same_for_all_pairs() -> None:
    table = cells({name: [2 + 6 * (name > "b")] * 16 for name in "abcd"})
    table["detected"] += table["seed"] % 2 * (table["detector"] == "d")
    p_values, _ = differing(table, pairs_of(table), "recall")
    assert all(p < 1e-3 for pair, p in p_values.items() if pair not in (("a", "b"), ("c", "d")))
    assert p_values["c", "d"] == pytest.approx(2 * 0.5**8, abs=0.003), "no pair of its size is beside it"


def test_a_difference_that_exchanges_leave_undefined_is_not_judged() -> None:
    table = cells({"a": [9] * 8, "b": [0] * 8, "c": [1] * 8})
    table.loc[table["detector"] == "b", "false_positives"] = 0
    p_values, _ = differing(table, pairs_of(table), "precision")
    assert list(p_values) == [("a", "c")]


def test_among_equal_detectors_none_is_called_better_more_often_than_stated() -> None:
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(100):
        share = rng.beta(0.6, 2, 8)  # worlds differ a lot, and one detector has luck in each of them
        shares = np.tile(share, (6, 1))
        shares[rng.integers(0, 6, 8), np.arange(8)] = 0.9
        table = cells({f"d{i}": each.tolist() for i, each in enumerate(rng.binomial(10, shares))})
        wrong += bool(apart(table))
    assert wrong <= 10  # of 100 at 5 %: more with a chance of 1 %


def test_two_detectors_are_judged_as_if_alone() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        table = cells({name: rng.binomial(10, rate, 8).tolist() for name, rate in (("a", 0.6), ("b", 0.4))})
        alone = paired_difference(table, "a", "b", "recall").p_value < 0.05
        assert apart(table) == ({("a", "b")} if alone else set())


def test_a_world_that_one_detector_lacks_counts_for_the_others() -> None:
    table = cells({"a": [9] * 7, "b": [1] * 7, "c": [1] * 7})
    table.loc[(table["detector"] == "c") & (table["seed"] < 4), "status"] = "failed"
    assert apart(table) == {("a", "b")}


def test_the_difference_that_is_promised_is_found_four_times_of_five() -> None:
    rng = np.random.default_rng(9)
    names = ["a", "b", "c", "d"]
    promised = np.mean(
        [rank_table(_normal(rng, names, 0.0), "recall")["minimum_detectable"].iloc[0] for _ in range(10)]
    )
    found = [("a", "b") in apart(_normal(rng, names, promised)) for _ in range(100)]
    assert 65 <= sum(found) <= 95


def _normal(rng: np.random.Generator, names: list[str], effect: float) -> pd.DataFrame:
    """Cells of detectors whose recalls vary by world as a normal does; the first is better by `effect`."""
    found = {name: (rng.normal(500 + 1_000 * effect * (name == names[0]), 60, 12)).tolist() for name in names}
    return cells(found, incidents=1_000)


def test_minimum_detectable_effect_is_found_with_the_stated_power() -> None:
    rng = np.random.default_rng(6)
    effect = minimum_detectable_effect(stats.norm.ppf((np.arange(20) + 0.5) / 20))
    tests = stats.ttest_1samp(rng.normal(effect, 1.0, (4_000, 20)), 0.0, axis=1)
    assert np.mean(tests.pvalue < 0.05) == pytest.approx(0.8, abs=0.06)
    assert np.isnan(minimum_detectable_effect(np.array([0.1])))


def test_adjusted_p_values() -> None:
    p = [0.01, 0.04, float("nan"), 0.03, 0.005]
    assert adjust(p).tolist() == pytest.approx([0.03, 0.06, np.nan, 0.06, 0.02], nan_ok=True)
    assert len(adjust([])) == 0 and np.isnan(adjust([np.nan])).all()


def test_sample_labels() -> None:
    assert sample_label(30, 5) == ""
    assert sample_label(29) == "sample too small (29 units, under 30)"
    assert sample_label(100, 4) == "sample too small (4 positives, under 5)"


def test_detectors_stand_by_their_metric_and_equals_share_a_rank() -> None:
    best, good, poor = [9, 8, 9, 8] * 4, [8, 9, 8, 8] * 4, [2, 3, 1, 2] * 4
    table = rank_table(cells({"poor": poor, "good": good, "best": best}), "recall").set_index("detector")
    assert table["rank"].to_dict() == {"best": 1, "good": 2, "poor": 3}
    assert table.loc["best", "tied_with"] == "good" and table.loc["good", "tied_with"] == "best"
    assert table.loc["poor", "tied_with"] == "" and table.loc["poor", "mean_rank"] == 3
    one = rank_table(cells({"a": [9], "b": [9], "c": [1]}), "recall")
    assert one["rank"].tolist() == [1, 1, 3] and one["worlds"].tolist() == [1, 1, 1]


def test_ties_are_broken_by_f1_and_lower_can_be_better() -> None:
    noisy = cells({"noisy": [5] * 16, "quiet": [5] * 16}).assign(test_days=1.0)
    noisy["false_positives"] = noisy["false_positives_per_day"] = np.where(noisy["detector"] == "noisy", 9, 1)
    assert rank_table(noisy, "false_positives_per_day")["detector"].tolist() == ["quiet", "noisy"]
    by_recall = rank_table(noisy, "recall").set_index("detector")
    assert by_recall["rank"].to_dict() == {"quiet": 1, "noisy": 2}, "the same recall at fewer false alarms"
