"""Half-space trees: counts are those of a walk from the root, windows follow each other, and odd hours stand out."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scopedrift.detectors.builtin.half_space_trees import HalfSpaceTrees, worth
from scopedrift.detectors.conformance.runner import assert_conforms
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.knowledge import Knowledge

READ = {"service": "s3", "operation": "GetObject", "access": "read"}
SECRET = {"service": "secrets", "operation": "GetSecretValue", "access": "read"}


def walked(mass: list[int], leaf: int, small: float) -> float:
    """As River walks: down from the root, counts doubled level by level, until a count is small."""
    height = len(mass).bit_length() - 1
    total = 0.0
    for level in range(height + 1):
        size = len(mass) >> level
        part = leaf // size
        count = sum(mass[part * size : (part + 1) * size])
        total += count * 2.0**level
        if level < height and count < small:
            break
    return total


@settings(max_examples=60)
@given(st.integers(1, 5), st.data())
def test_the_worth_of_a_leaf_is_that_of_a_walk(height, data) -> None:
    mass = data.draw(st.lists(st.integers(0, 50), min_size=1 << height, max_size=1 << height))
    small = data.draw(st.integers(0, 60))
    found = worth(np.array([mass]), small)[0]
    assert found.tolist() == [walked(mass, leaf, small) for leaf in range(1 << height)]


def test_every_leaf_is_a_box_of_its_own() -> None:
    trees = HalfSpaceTrees(trees=3, height=4)
    trees._grow(5, np.random.default_rng(0))
    leaves = trees._descended(np.random.default_rng(1).integers(0, 32, (4000, 5)))
    assert leaves.min() >= 0 and leaves.max() < 16
    assert all(len(np.unique(column)) > 8 for column in leaves.T)


def test_an_hour_unlike_the_others_stands_out(build, judge) -> None:
    steady = [{"at": h + n / 40, "identity": who, **READ} for who in ("a", "b") for h in range(60) for n in range(20)]
    burst = [{"at": 59.6 + n / 400, "identity": "a", **SECRET} for n in range(60)]
    detector = HalfSpaceTrees()
    scores, batch = judge(detector, build([*steady, *burst]), fit=48)
    odd = np.array([operation == "GetSecretValue" for (operation,) in batch.pairs("operation")])
    assert scores[odd].max() > scores[~odd].max()
    assert "secret" in detector.explain(batch, int(np.argmax(scores)))


def test_counts_of_one_window_judge_the_next() -> None:
    log = sample_log(2400)
    detector = HalfSpaceTrees(window=256)
    detector.fit(log.batch(0, 600), Knowledge())
    first = detector._worth
    judged = 0
    for batch in log.batches(100, 600):
        detector.score(batch)
        judged += int(np.count_nonzero(batch["identity"] >= 0))
        assert detector._seen == judged % 256
        assert detector._mass.sum() == detector.trees * detector._seen
        assert (detector._worth is first) == (judged < 256)


def test_trees_are_drawn_from_the_seed() -> None:
    log = sample_log(1200)
    found = []
    for seed in (1, 1, 2):
        detector = HalfSpaceTrees()
        detector.fit(log.batch(0, 600), Knowledge(seed=seed))
        found.append(np.nan_to_num(detector.score(log.batch(600, 1200))))
    assert (found[0] == found[1]).all() and (found[0] != found[2]).any()


def test_with_short_windows_it_keeps_the_contract() -> None:
    assert_conforms("half-space-trees(window=256)")
