"""What lies outside the declared scope is flagged, and how far outside decides how much."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.builtin.declared_policy import DeclaredPolicy
from scopedrift.simulator.world.policy import Grant, Scope

POLICY = Knowledge(policy={"a": Scope(frozenset({Grant("storage", "read", "red")}), frozenset({"ghcr.io"}))})
INSIDE = {"identity": "a", "service": "storage", "access": "read", "project": "red", "outcome": "success"}


@pytest.fixture
def scored(build, judge):
    def score(*events: dict, baseline: tuple[dict, ...] = ()) -> tuple[list[float], object]:
        before = [{"at": h, **INSIDE, **e} for h, e in enumerate(baseline)] or [{"at": 0, **INSIDE}]
        log = build([*before, *({"at": 50 + h, **INSIDE, **e} for h, e in enumerate(events))])
        detector = DeclaredPolicy()
        scores, batch = judge(detector, log, POLICY, fit=49)
        return scores.tolist(), lambda row: detector.explain(batch, row)

    return score


def test_the_further_outside_the_higher(scored) -> None:
    scores, explain = scored(
        {},
        {"access": "write"},
        {"project": "blue"},
        {"service": "secrets", "project": "blue"},
        {"image": "evil.example/x:1", "service": "secrets", "project": "blue"},
    )
    assert scores[0] == 0.0
    assert scores == sorted(set(scores))
    assert explain(2) == "outside the declared scope of a: read on storage in blue (success)"
    assert explain(4).endswith("read on secrets in blue and an image from evil.example (success)")


def test_what_was_denied_and_what_is_a_habit_counts_less(scored) -> None:
    other = {"project": "blue"}
    (plain, denied), _ = scored(other, {**other, "outcome": "denied"})
    (habit, _), explain = scored(other, {}, baseline=(other,))
    assert 0 < denied < plain and 0 < habit < plain
    assert explain(0).endswith("(success, as on earlier days)")


def test_yesterday_is_a_habit_and_today_is_not_yet(build, judge) -> None:
    log = build([{"at": 0, **INSIDE}, *({"at": at, **INSIDE, "project": "blue"} for at in (30, 31, 50))])
    first, again, tomorrow = judge(DeclaredPolicy(), log, POLICY, fit=25)[0]
    assert first == again > tomorrow > 0


def test_what_nobody_does_counts_more_than_what_many_do(build, judge) -> None:
    many = [{"at": n / 10, **INSIDE, "identity": f"i{n}", "project": "blue"} for n in range(9)]
    log = build([*many, {"at": 30, **INSIDE, "project": "blue"}, {"at": 31, **INSIDE, "project": "green"}])
    common, rare = judge(DeclaredPolicy(), log, POLICY, fit=25)[0]
    assert rare > 1.5 * common
    common, rare = judge(DeclaredPolicy(rare=0.0), log, POLICY, fit=25)[0]
    assert rare == common


def test_a_missing_part_gets_the_benefit_of_the_doubt(scored) -> None:
    (no_project, only_image), _ = scored({"project": None}, {"service": None, "access": None, "project": None})
    assert no_project == only_image == 0.0


def test_identities_without_a_scope_and_events_without_identity(scored) -> None:
    (stranger, nobody), explain = scored({"identity": "b"}, {"identity": None})
    assert 0 < stranger < 1 and np.isnan(nobody)
    assert explain(0) == "b has no declared scope"


def test_without_a_policy_it_abstains(build, judge) -> None:
    scores, _ = judge(DeclaredPolicy(), build([{"at": h, **INSIDE} for h in range(4)]), Knowledge(), fit=2)
    assert np.isnan(scores).all()


def test_a_refused_try_makes_no_habit(build, judge) -> None:
    def last(outcome: str) -> float:
        early = {"at": 30, **INSIDE, "project": "blue", "outcome": outcome}
        log = build([{"at": 0, **INSIDE}, early, {"at": 55, **INSIDE, "project": "blue"}])
        return float(judge(DeclaredPolicy(rare=0.0), log, POLICY, fit=25)[0][-1])

    assert last("denied") > last("success") > 0
