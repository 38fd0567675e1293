"""What the calendar announces is discounted; what it does not announce is not."""

from __future__ import annotations

import numpy as np
import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.builtin.change_aware import ChangeAware
from scopedrift.simulator.log.events import HOUR
from scopedrift.simulator.world.policy import CalendarEntry, Grant


@pytest.fixture
def known(start: int) -> Knowledge:
    def at(hour: float) -> int:
        return start + round(hour * HOUR)

    move = CalendarEntry("registry-migration", at(100), at(110), frozenset({"a"}), registries=frozenset({"quay.io"}))
    access = CalendarEntry("new-dataset", at(100), at(110), frozenset(), frozenset({Grant("s3", "read", "blue")}))
    return Knowledge(calendar=(move, access))


def pull(at: float, who: str, registry: str) -> dict:
    return {"at": at, "identity": who, "image": f"{registry}/app:1"}


def score(build, judge, known: Knowledge, event: dict) -> tuple[float, float, str]:
    history = [{"at": h, "identity": who, "image": "ghcr.io/app:1"} for h in range(90) for who in "ab"]
    log = build([*history, event])
    detector = ChangeAware()
    (found,), batch = judge(detector, log, known, fit=95)
    (plain,), _ = judge(ChangeAware(), log, Knowledge(calendar=()), fit=95)
    return float(found), float(plain), detector.explain(batch, 0)


def test_an_announced_change_is_discounted_and_named(build, judge, known) -> None:
    found, plain, said = score(build, judge, known, pull(105, "a", "quay.io"))
    assert plain > 1 and found == pytest.approx(0.1 * plain)
    assert said.endswith("(announced: registry-migration)") and "quay.io" in said


@pytest.mark.parametrize(
    "event",
    [
        pull(105, "a", "docker.evil.example"),
        pull(105, "b", "quay.io"),
        pull(120, "a", "quay.io"),
        {"at": 105, "identity": "a", "service": "s3", "access": "write", "project": "blue"},
    ],
    ids=["another registry", "another identity", "too late", "another access"],
)
def test_what_was_not_announced_counts_in_full(build, judge, known, event) -> None:
    found, plain, said = score(build, judge, known, event)
    assert found == plain > 0 and "announced" not in said


def test_an_entry_for_everybody_covers_what_its_grants_cover(build, judge, known) -> None:
    event = {"at": 105, "identity": "b", "service": "s3", "access": "read", "project": "blue"}
    found, plain, said = score(build, judge, known, event)
    assert 0 < found < plain and "new-dataset" in said


def test_a_discount_never_raises_a_score_and_nan_stays(build, judge, known) -> None:
    log = build([{"at": 0, "identity": "a"}, {"at": 105, "image": "quay.io/x:1"}])
    assert np.isnan(judge(ChangeAware(), log, known, fit=1)[0]).all()


def test_it_needs_what_the_inner_detector_needs() -> None:
    assert ChangeAware(detector="declared-policy").needs == {"calendar", "policy"}
    assert ChangeAware().needs == {"calendar"}
