"""The plan of an incident: which stages, which techniques, at what tempo, and when; drawn before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.scenarios.catalogue import Pace, Stage, Technique, Template
from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.injection.tempo import Tempo
from scopedrift.simulator.log.events import MISSING

SURVEYED: Final = (3, 8)
"""Possible victims that are compared, at strength 0 and 1 (assumed): who intrudes takes what is of use."""
OUTSIDE: Final = 0.25
"""Chance at strength 0 that a stolen credential is used from elsewhere (assumed); none at strength 1."""
PRIMED_FROM: Final = 0.5
"""The strength from which adversaries may act before the test window, to be learned as normal (assumed)."""
PRIMED_AFTER, PRIMED_SPAN = 0.3, 0.4
"""When they begin to: after this share of the time before the test window, within that much of it (assumed)."""


@dataclass(frozen=True)
class IncidentPlan:
    """One incident before it begins."""

    name: str
    spec: IncidentSpec
    stages: tuple[Stage, ...]
    """Where its template leaves a choice, the chosen ones."""
    tempo: Tempo
    at: int
    """When it begins, in intent; microseconds since 1970 UTC."""
    test_begins: int
    """When the test window begins: priming is over by then."""
    primed_at: int = MISSING
    """When it begins to prime the baseline; -1: it does not."""

    @property
    def surveyed(self) -> int:
        """How many possible victims are compared."""
        least, most = SURVEYED
        return least + round(self.spec.strength * (most - least))

    @property
    def outside(self) -> float:
        """The chance that a stolen credential is used from elsewhere."""
        return OUTSIDE * (1.0 - self.spec.strength)

    @property
    def events(self) -> float:
        """How many it may be expected to have if all goes well."""
        return sum(math.sqrt(low * high) for low, high in (stage.events for stage in self.stages))

    @property
    def stage_length(self) -> float:
        """How long a stage may be expected to take with the wait before it; microseconds."""
        return self.tempo.expected(lengths(self.stages)) / max(len(self.stages), 1)

    def techniques(self, after: int = -1) -> list[Technique]:
        """The technique of each stage after that number."""
        return [stage.technique for stage in self.stages[after + 1 :]]


def lengths(stages: Sequence[Stage]) -> list[Pace]:
    """The wait before each stage, and how long it takes, in order."""
    return [pace for stage in stages for pace in (stage.wait, stage.pace)]


def choose_stages(template: Template, rng: np.random.Generator) -> tuple[Stage, ...]:
    """The stages of an incident: of alternatives, one by their shares."""
    return tuple(_one_of(alternatives, rng) for alternatives in template.stages)


def _one_of(alternatives: Sequence[Stage], rng: np.random.Generator) -> Stage:
    if len(alternatives) == 1:
        return alternatives[0]
    edges = np.cumsum([stage.share for stage in alternatives])
    return alternatives[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def primed_at(strength: float, begin: int, end: int, rng: np.random.Generator) -> int:
    """When an incident begins to prime the time from `begin` to `end`, or -1: the stronger, the likelier."""
    chance, moment = (float(draw) for draw in rng.random(2))
    if chance < patience(strength):
        return begin + round((PRIMED_AFTER + PRIMED_SPAN * moment) * (end - begin))
    return MISSING


def patience(strength: float) -> float:
    """Of 1, how far an adversary goes to be learned as normal; below 0, not at all."""
    return (strength - PRIMED_FROM) / (1.0 - PRIMED_FROM)
