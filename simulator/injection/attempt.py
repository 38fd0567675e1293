"""An attempt of a technique: which of its calls are made, and which of them are refused.

A technique lists the calls that it needs and others that go with it.  What is not allowed is refused; the technique
fails if that is something it needs.  The stronger an adversary, the fewer calls it makes that the victim does not
make anyway, or that it knows would be refused, and the further it looks for targets that it may reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic

import numpy as np

from scopedrift.scenarios.catalogue import Targets, Technique
from scopedrift.simulator.injection.backend import Aim, Backend

AIMS: Final = 9
"""At strength 1 an adversary considers this many more targets than one, for one that it may reach (assumed)."""
FADING: Final = 2
"""Calls that a victim does not make fade with this power of what strength leaves (assumed)."""


@dataclass(frozen=True)
class Attempt(Generic[Aim]):
    """What a technique comes to, on what it aims at."""

    aim: Aim
    made: Mapping[str, float]
    """The calls that are made, with their weights; none unless it succeeds."""
    refused: Mapping[str, float]
    succeeds: bool
    in_entitlement: bool
    """Whether permissions, the identity's own or gained ones, cover all that was tried."""
    in_scope: bool
    """Whether its declared scope does."""


def attempt(
    backend: Backend[Aim], technique: Technique, targets: Targets, strength: float, rng: np.random.Generator
) -> Attempt[Aim]:
    """Aim at what the selectors name and see what is allowed; the strong look further for what is.

    A technique that repeats refusals looks for what is refused, whatever its strength.
    """
    for _ in range(1 + (AIMS if technique.refused else round(AIMS * strength))):
        found = _tried(backend, technique, backend.aim(targets), strength, rng)
        if found.refused if technique.refused else found.succeeds:
            break
    return found


def _tried(
    backend: Backend[Aim], technique: Technique, aim: Aim, strength: float, rng: np.random.Generator
) -> Attempt[Aim]:
    weights = _blended(backend, technique, strength, rng)
    aim, standings = backend.standings(weights, aim)
    made: dict[str, float] = {}
    refused: dict[str, float] = {}
    in_entitlement = in_scope = succeeds = True
    for (call, weight), standing in zip(weights.items(), standings, strict=True):
        needed = call in technique.needs
        if technique.refused:
            if standing.permitted and not standing.refused_before:
                continue
        elif not standing.permitted and not needed and rng.random() < strength:
            continue
        in_entitlement &= standing.entitled
        in_scope &= standing.declared
        succeeds &= standing.permitted or not needed
        (made if standing.permitted and not technique.refused else refused)[call] = weight
    succeeds &= not technique.refused
    return Attempt(aim, made if succeeds else {}, refused, succeeds, in_entitlement, in_scope)


def _blended(
    backend: Backend[Aim], technique: Technique, strength: float, rng: np.random.Generator
) -> dict[str, float]:
    """The technique's calls and their weights; what the victim does not do anyway fades with strength."""
    ordered, weights = bool(technique.activity.sequence), {}
    for call, weight in technique.activity.weights.items():
        if not backend.shows(call):
            continue
        if call in technique.needs or backend.usual(call):
            weights[call] = weight
        elif not ordered and strength < 1.0:
            weights[call] = round(weight * (1.0 - strength) ** FADING, 4)
        elif ordered and rng.random() >= strength:
            weights[call] = 1.0
    return {call: weight for call, weight in weights.items() if weight > 0}
