"""The learned attacker is at chance on doubles, and finds what no single trait shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scopedrift.experiments.audit import Subject, attacker
from scopedrift.experiments.audit.doubles import DOUBLES
from scopedrift.experiments.audit.observed import Observed
from scopedrift.simulator.log.events import Array

Draw = Callable[[np.random.Generator, bool], Array]


def worlds(draw: Draw, seed: int = 0, count: int = 3) -> list[Observed]:
    """Worlds of 12 incidents with doubles; `draw` gives the traits of one run."""
    rng = np.random.default_rng(seed)
    families = {"task: age": "length", "task: silence": "length"}
    made = []
    for _ in range(count):
        samples = tuple(tuple(draw(rng, member == 0) for member in range(DOUBLES + 1)) for _ in range(12))
        made.append(Observed(families, samples, {}, {}))  # type: ignore[arg-type]
    return made


def alike(rng: np.random.Generator, own: bool) -> Array:
    """Events of one run resemble each other, as they do in life."""
    return rng.normal(rng.normal(0, 2, 2), 1.0, (int(rng.integers(3, 30)), 2))


def together(rng: np.random.Generator, own: bool) -> Array:
    """Each trait alone says nothing; of incidents both have the same sign."""
    values = rng.normal(0, 1.0, (20, 2))
    values[:, 1] = np.abs(values[:, 1]) * np.sign(values[:, 0]) * (1 if own else rng.choice([-1, 1], 20))
    return values


def observed(subject: Subject, made: list[Observed]) -> Subject:
    again = replace(subject)
    again.__dict__["observed"] = made
    return again


def test_an_attacker_is_at_chance_on_runs_of_the_same_kind(subject: Subject) -> None:
    row = attacker.no_attacker_learns_to_tell(observed(subject, worlds(alike)))
    assert row.verdict == "pass" and "area" in row.seen and "false alarms" in row.expected


def test_an_attacker_finds_what_no_single_trait_shows(subject: Subject) -> None:
    row = attacker.no_attacker_learns_to_tell(observed(subject, worlds(together)))
    assert row.verdict == "fail"
    assert float(row.seen.split()[1].rstrip(";")) > 0.7


def test_two_worlds_are_too_few(subject: Subject) -> None:
    assert attacker.no_attacker_learns_to_tell(observed(subject, worlds(alike, count=2))).verdict == "too small"


def test_its_bound_is_exceeded_as_rarely_as_stated() -> None:
    rng = np.random.default_rng(0)
    areas = rng.normal(0.5, 0.03, (2_000, attacker.NULLS + 1))
    beyond = sum(area[0] > attacker.upper_bound(area[1:]) for area in areas)
    assert 5 <= beyond <= 40


def test_worlds_with_other_traits_are_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attacker, "NULLS", 2)
    first, *others = worlds(alike)
    renamed = replace(first, families={"task: silence": "length", "new": "change"})
    area, null = attacker.areas([renamed, *others])
    assert 0.0 <= area <= 1.0 and len(null) == 2
