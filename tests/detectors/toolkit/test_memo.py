"""Values computed once for each combination of texts."""

from __future__ import annotations

from scopedrift.detectors.toolkit.memo import Memo


def test_each_combination_is_judged_once_even_across_batches(build) -> None:
    asked: list[tuple[str | None, ...]] = []

    def length(facts: tuple[str | None, ...]) -> float:
        asked.append(facts)
        return float(sum(len(fact or "") for fact in facts))

    log = build(
        [
            {"at": 0, "identity": "a", "operation": "get"},
            {"at": 1, "identity": "a", "operation": "get"},
            {"at": 2, "identity": "bb"},
            {"at": 3, "identity": "a", "operation": "get"},
        ]
    )
    memo = Memo(("identity", "operation"), length)
    assert [memo.values(batch).tolist() for batch in log.batches(2)] == [[4.0, 4.0], [2.0, 4.0]]
    assert asked == [("a", "get"), ("bb", None)]
    memo.forget()
    assert memo.values(log.batch(0, 1)).tolist() == [4.0]
    assert len(asked) == 3


def test_a_full_memo_starts_again_with_the_same_values(build) -> None:
    log = build([{"at": h, "identity": f"i{h}"} for h in range(30)])
    memo = Memo(("identity",), lambda facts: float(str(facts[0])[1:]), limit=5)
    assert [value for batch in log.batches(4) for value in memo.values(batch).tolist()] == list(range(30))


def test_derived_and_absent_columns_are_facts_too(build) -> None:
    batch = build([{"at": 0, "image": "ghcr.io/a:1"}, {"at": 1, "image": "quay.io/a:1"}]).batch(0, 2)
    memo = Memo(("registry", "project"), lambda facts: float(facts == ("ghcr.io", None)))
    assert memo.values(batch).tolist() == [1.0, 0.0]
