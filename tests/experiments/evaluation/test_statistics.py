"""Intervals cover, tests hold their level, multiplicity matches scipy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score

from scopedrift.experiments.evaluation.statistics import (
    adjust,
    bootstrap_average_precision,
    cluster_bootstrap,
    identity_histograms,
    minimum_detectable_effect,
    paired_difference,
    percentile_interval,
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


def test_the_cluster_bootstrap_agrees_with_scipy_and_is_deterministic() -> None:
    rng = np.random.default_rng(0)
    for case in range(4):
        values = rng.normal(size=25)
        found = cluster_bootstrap(values, np.ones(25), replicates=4_000, seed=case)
        theirs = stats.bootstrap((values,), np.mean, n_resamples=4_000, method="percentile", rng=case)
        assert found.estimate == pytest.approx(values.mean())
        assert [found.low, found.high] == pytest.approx(list(theirs.confidence_interval), abs=0.05)
        assert found == cluster_bootstrap(values, np.ones(25), replicates=4_000, seed=case)


def test_the_interval_covers_a_true_ratio() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for case in range(300):
        size = rng.integers(1, 20, 30)
        found = cluster_bootstrap(rng.binomial(size, 0.3), size, replicates=500, seed=case)
        hits += found.low <= 0.3 <= found.high
    assert 0.88 <= hits / 300 <= 0.99


def test_one_cluster_has_no_interval() -> None:
    found = cluster_bootstrap(np.array([1.0]), np.array([2.0]))
    assert found.estimate == 0.5 and np.isnan(found.low) and np.isnan(found.high)
    assert np.isnan(cluster_bootstrap(np.empty(0), np.empty(0)).estimate)
    assert np.isnan(percentile_interval(np.array([np.nan]))[0])


def test_histograms_give_exact_average_precision_and_identity_clusters() -> None:
    rng = np.random.default_rng(2)
    for case in range(200):
        n = 200
        scores, positive = rng.integers(0, 20, n).astype(float), rng.random(n) < 0.15
        positive[0] = True
        identity = rng.integers(-1, 8, n).astype(np.int32)
        found = bootstrap_average_precision(identity_histograms(scores, positive, identity), replicates=50, seed=case)
        assert found.estimate == pytest.approx(average_precision_score(positive, scores))
        assert found.low <= found.high
        if case < 20:  # each replicate is what scikit-learn says of the resampled identities
            histograms = identity_histograms(scores, positive, identity)
            chosen = rng.integers(0, 9, 9)
            rows = np.concatenate([np.flatnonzero(identity + 1 == who) for who in chosen])
            if positive[rows].any():
                from scopedrift.experiments.evaluation.statistics import _average_precision

                weights = np.bincount(chosen, minlength=9)[None, :].astype(float)
                value = _average_precision(
                    weights, histograms.positive.astype(float), histograms.negative.astype(float)
                )
                assert value[0] == pytest.approx(average_precision_score(positive[rows], scores[rows]))


def test_histograms_with_fewer_bins_come_close() -> None:
    rng = np.random.default_rng(3)
    positive = rng.random(20_000) < 0.05
    scores = rng.normal(size=20_000) + 2 * positive
    identity = rng.integers(0, 40, 20_000)
    estimate = bootstrap_average_precision(identity_histograms(scores, positive, identity), replicates=10).estimate
    assert estimate == pytest.approx(average_precision_score(positive, scores), abs=0.01)


def test_histograms_without_positives() -> None:
    found = bootstrap_average_precision(identity_histograms(np.ones(4), np.zeros(4, bool), np.zeros(4, int)))
    assert np.isnan(found.estimate)


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


@pytest.mark.parametrize(("detectors", "worlds", "ranks"), [(2, 5, [1, 1]), (2, 6, [1, 2]), (15, 24, [1] + [2] * 14)])
def test_a_best_detector_is_found_as_soon_as_worlds_allow(detectors: int, worlds: int, ranks: list[int]) -> None:
    rng = np.random.default_rng(1)
    counts = {f"d{i:02}": rng.integers(0, 2, worlds).tolist() for i in range(1, detectors)}
    table = rank_table(cells({"d00": [10] * worlds, **counts}), "recall")
    assert sorted(table["rank"]) == ranks
    assert table["minimum_detectable"].notna().all() == (ranks[-1] > 1), "what cannot be found is not promised"


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


def test_rank_table_ties_what_cannot_be_told_apart() -> None:
    best, good, poor = [9, 8, 9, 8] * 4, [8, 9, 8, 9] * 4, [2, 3, 1, 2] * 4
    table = rank_table(cells({"poor": poor, "good": good, "best": best}), "recall")
    assert table.set_index("detector")["rank"].to_dict() == {"best": 1, "good": 1, "poor": 3}
    assert table.set_index("detector").loc["best", "tied_with"] == "good"
    assert table.set_index("detector").loc["poor", "mean_rank"] == 3
    noisy = cells({"noisy": [5] * 16, "quiet": [5] * 16}).assign(test_days=1.0)
    noisy["false_positives"] = noisy["false_positives_per_day"] = np.where(noisy["detector"] == "noisy", 9, 1)
    assert rank_table(noisy, "false_positives_per_day")["detector"].tolist() == ["quiet", "noisy"], "lower is better"
    one = rank_table(cells({"a": [9], "b": [1]}), "recall")
    assert one["rank"].tolist() == [1, 1] and one["worlds"].tolist() == [1, 1]
