"""Which workload family an identity resembles most in what it calls: cosine of its mix of operations and theirs.

Held against each activity of a family in the catalogue and against all of them together, since some families have an
identity for each activity; what fetches credentials is left out, since all do that.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import sqrt
from typing import Final

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import ActivitySpec

LEAST: Final = 0.3
"""Below this, an identity resembles no family (assumed)."""
START: Final = ("credential", "auth")

Mix = Mapping[tuple[str, str], float]
"""Weights by service and operation."""


def nearest(mix: Mix) -> str:
    """The family, or an empty text if there is none like it."""
    likeness = {family: max(cosine(mix, each) for each in mixes) for family, mixes in families().items()}
    best = max(likeness, key=lambda family: likeness[family])
    return best if likeness[best] >= LEAST else ""


@cache
def families() -> Mapping[str, list[Mix]]:
    """The mixes of every family: all its activities together, and each."""
    return {
        name: [_mix(given), *(_mix({activity: spec}) for activity, spec in given.items())]
        for name, given in ((each.name, each.activities) for each in catalogue.families().values())
    }


def _mix(activities: Mapping[str, ActivitySpec]) -> Mix:
    operations = catalogue.operations()
    whole: dict[tuple[str, str], float] = {}
    for spec in activities.values():
        total = sum(spec.weights.values())
        for name, weight in spec.weights.items():
            operation = operations.get(name)
            if operation is not None and operation.access not in START:
                key = (operation.service, operation.operation)
                whole[key] = whole.get(key, 0.0) + weight / total
    return whole


def cosine(one: Mix, other: Mix) -> float:
    """Between 0 (nothing in common) and 1 (the same mix)."""
    both = sum(weight * other.get(key, 0.0) for key, weight in one.items())
    lengths = sqrt(sum(w * w for w in one.values())) * sqrt(sum(w * w for w in other.values()))
    return both / lengths if lengths else 0.0
