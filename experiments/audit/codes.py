"""Does the numbering of texts tell injected events?

Codes are numbered by first arrival, so that their parity is arbitrary: a fair coin for each text.  What a text stands
for is behaviour, and incidents favour some; with a handful of texts (kinds of task), all incidents may share a parity
by luck.  So the unit is the code, not the incident: by Hoeffding's inequality for sums of fair coins, a mean area that
is d away from 1/2 has a chance of at most 2 exp(-d^2 / (2 sum a^2)), where a is what each code adds to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from scopedrift.simulator.log.events import Array

Strata = Sequence[tuple[Array, Array]]
"""An incident's events by kind, each with the other events that they are held against (positions)."""


def surplus(codes: Array, strata: Strata) -> dict[int, float]:
    """By code: how much larger its share is among an incident's events than among others of their kind.

    Kinds weigh by their pairs of events, as in Mann-Whitney's area.  Empty without any kind.
    """
    found: dict[int, float] = {}
    pairs = sum(len(own) * len(others) for own, others in strata)
    for own, others in strata:
        for rows, sign in ((own, 1.0), (others, -1.0)):
            values, counts = np.unique(codes[rows], return_counts=True)
            for code, share in zip(values.tolist(), (counts / len(rows)).tolist(), strict=True):
                found[code] = found.get(code, 0.0) + sign * share * len(own) * len(others) / pairs
    return found


def parity(worlds: Iterable[Sequence[Mapping[int, float]]]) -> tuple[float, float]:
    """The mean area of a code's parity over incidents, less 1/2, and the chance of one so large.

    `worlds` holds the surplus of each incident, world by world: a code means something else in each world.
    """
    shift, squares, incidents = 0.0, 0.0, 0
    for world in worlds:
        total: dict[int, float] = {}
        for incident in world:
            incidents += 1
            for code, more in incident.items():
                total[code] = total.get(code, 0.0) + more
        shift += sum(more for code, more in total.items() if code % 2) / 2
        squares += sum((more / 4) ** 2 for more in total.values())
    if not squares:
        return 0.0, 1.0
    return shift / incidents, min(1.0, 2.0 * math.exp(-(shift**2) / (2.0 * squares)))
