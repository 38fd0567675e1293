"""Incidents that ride as their doubles do pass; each way in which they might not is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scopedrift.experiments.audit import Subject, consistency, observed
from scopedrift.experiments.audit.observed import Observed
from scopedrift.simulator.log.events import HOUR, MINUTE

Edited = Callable[..., Subject]


@pytest.fixture
def edited(edited: Edited, monkeypatch: pytest.MonkeyPatch) -> Edited:
    """Without the one-liners, which no row here asks."""
    monkeypatch.setattr(observed, "RULES", {})
    return edited


def test_doubles_of_incidents_ride_as_they_should(clean: Subject) -> None:
    for check in (consistency.columns_are_consistent, consistency.ages_are_alike):
        row = check(clean)
        assert row.verdict == "pass" and row.seen and "false alarms" in row.expected


def _nobody(columns: dict[str, Any], bad: Any) -> None:
    columns["on_behalf_of"][:] = 1
    columns["on_behalf_of"][bad] = -1


def _no_workload(columns: dict[str, Any], bad: Any) -> None:
    columns["workload"][bad] = -1


def _elsewhere(columns: dict[str, Any], bad: Any) -> None:
    columns["source"][bad[::2]] = (columns["source"][bad[::2]] + 1) % (columns["source"].max() + 1)


def _somebody_else(columns: dict[str, Any], bad: Any) -> None:
    columns["identity"][bad[::2]] = (columns["identity"][bad[::2]] + 1) % (columns["identity"].max() + 1)


def _another_kind_of_task(columns: dict[str, Any], bad: Any) -> None:
    columns["task_kind"][bad[::2]] = (columns["task_kind"][bad[::2]] + 1) % (columns["task_kind"].max() + 1)


@pytest.mark.parametrize(
    ("edit", "seen"),
    [
        (_nobody, "task: on_behalf_of lost"),
        (_no_workload, "workload missing"),
        (_elsewhere, "task: source changes"),
        (_somebody_else, "task: identity changes"),
        (_another_kind_of_task, "task: task_kind changes"),
    ],
)
def test_a_planted_inconsistency_is_caught(clean: Subject, edited: Edited, edit: Any, seen: str) -> None:
    row = consistency.columns_are_consistent(edited(clean, edit))
    assert row.verdict == "fail"
    assert seen in row.seen


def test_what_changes_in_benign_life_as_often_passes(clean: Subject, edited: Edited) -> None:
    def restless(columns: dict[str, Any], bad: Any) -> None:
        rng = np.random.default_rng(0)
        move = rng.random(len(columns["source"])) < 0.2
        columns["source"][move] = rng.integers(0, 40, int(move.sum()))

    assert consistency.columns_are_consistent(edited(clean, restless)).verdict == "pass"


def test_a_credential_that_only_incidents_fetch_again_is_caught(clean: Subject, edited: Edited) -> None:
    issuance = iter([world.log.vocabulary["stream"].find("issuance") for world in clean.worlds])

    def fetched_again(columns: dict[str, Any], bad: Any) -> None:
        stream = next(issuance)
        columns["operation"][bad] = columns["operation"][columns["stream"] == stream][0]
        columns["stream"][bad] = stream
        columns["time"][bad] += np.arange(len(bad)) % 7 * MINUTE

    row = consistency.columns_are_consistent(edited(clean, fetched_again))
    assert row.verdict == "fail" and "of the same credential again" in row.seen


def _late(columns: dict[str, Any], bad: Any) -> None:
    columns["time"][bad] += 9 * HOUR


def _in_one_task(columns: dict[str, Any], bad: Any) -> None:
    columns["task"][bad] = columns["task"][bad[0]]


def _on_one_credential(columns: dict[str, Any], bad: Any) -> None:
    columns["credential"][bad] = columns["credential"][bad[0]]


@pytest.mark.parametrize(
    ("edit", "seen"),
    [(_late, "credential: silence"), (_in_one_task, "task: age"), (_on_one_credential, "credential: age")],
)
def test_a_ride_on_what_is_dead_or_overfull_is_caught(clean: Subject, edited: Edited, edit: Any, seen: str) -> None:
    row = consistency.ages_are_alike(edited(clean, edit))
    assert row.verdict == "fail"
    assert seen in row.seen


def test_a_handful_of_incidents_proves_nothing(clean: Subject) -> None:
    few = replace(clean, worlds=[])
    for check in (consistency.columns_are_consistent, consistency.ages_are_alike):
        assert check(few).verdict == "too small"


def test_false_alarms_are_as_rare_as_stated(clean: Subject) -> None:
    """Any double in its incident's place is as good as another: of 200 clean audits, at most 5 % are false."""
    rng = np.random.default_rng(0)

    def shuffled(world: Observed) -> Observed:
        samples = []
        for sets in world.samples:
            chosen = int(rng.integers(1, len(sets)))
            samples.append((sets[chosen], *(each for place, each in enumerate(sets) if place not in (0, chosen))))
        return replace(world, samples=tuple(samples), alarms=dict.fromkeys(world.alarms, (1, 0)))

    false = 0
    for _ in range(200):
        again = replace(clean)
        again.__dict__["observed"] = [shuffled(world) for world in clean.observed]
        false += not all(row(again).ok for row in (consistency.columns_are_consistent, consistency.ages_are_alike))
    assert false <= 10


def test_an_area_tells_single_events_apart_and_none_where_all_are_alike() -> None:
    rising = [np.arange(low, low + 6, dtype=float)[:, None] for low in (10, 0, 0)]
    assert consistency._areas(rising)[0].tolist() == pytest.approx([0.5, -0.25, -0.25])
    assert not consistency._areas([np.ones((4, 2))] * 3).any()
