"""Does an incident ride on benign life as benign work does?

Each trait of an incident's events (what is constant or missing in its task, session, credential and workload, and how
old, silent and full these are) is held against its doubles.  The incident's place among them is uniform if it rides as
they do.  The test draws one of the set at random, in every set at once, and so keeps its rate of false alarms exactly,
Holm-adjusted over traits.

A change of address, principal or image within a task is evidence that a detector may use, as long as benign work
shows it, too: such a flag fails only if it is so rare in benign life that its alarms would be right too often.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from scopedrift.experiments.audit.observed import Observed
from scopedrift.experiments.audit.subject import ALPHA, ENOUGH, Row, Subject
from scopedrift.experiments.audit.traits import Family
from scopedrift.experiments.evaluation.statistics import adjust
from scopedrift.simulator.log.events import Array

DRAWS: Final = 20_000
MISSING_SHIFT: Final = 0.02
"""Distance of the mean place from 1/2 below which nobody could use what is missing (assumed)."""
LENGTH_SHIFT: Final = 0.1
"""The same of ages, silences and fullness: what an incident does in a task makes it somewhat longer (assumed)."""
PRECISE: Final = 0.2
"""Share of a flag's alarms that may be right: four look-alikes in benign life for each incident (assumed)."""


def columns_are_consistent(subject: Subject) -> Row:
    """No column is missing, changes within its task, session, credential or workload, for incidents alone."""
    expected = (
        f"what is missing stands within {MISSING_SHIFT} of the middle of the doubles, and no change raises alarms that "
        f"are right in over {PRECISE:.0%}; false alarms of this row: at most {ALPHA:.0%}"
    )
    shifts, p_values = _shifts(subject.observed, {"change", "missing"})
    if shifts is None:
        return Row("consistency", "too small", f"fewer than {ENOUGH} incidents with doubles", expected)
    guilty = {}
    for name, shift in shifts.items():
        alarms = [world.alarms.get(name, (0, 0)) for world in subject.observed]
        caught, false = (sum(side) for side in zip(*alarms, strict=True))
        if p_values[name] >= ALPHA:
            continue
        if name.endswith(" missing") and abs(shift) > MISSING_SHIFT:
            guilty[name] = f"{name}: mean place {0.5 + shift:.2f}"
        elif caught and shift > 0 and caught / (caught + false) > PRECISE:
            guilty[name] = f"{name}: {caught} incidents at {false} benign alarms"
    seen = "; ".join(guilty.values()) or f"{len(shifts)} traits that vary, none tells incidents from their doubles"
    return Row("consistency", "fail" if guilty else "pass", seen, expected)


def ages_are_alike(subject: Subject) -> Row:
    """Task, session, credential and workload are as old, as silent and as full as those of the doubles."""
    expected = (
        f"mean place among the doubles within {LENGTH_SHIFT} of 0.5, or not significantly away from it; "
        f"false alarms of this row: at most {ALPHA:.0%}"
    )
    shifts, p_values = _shifts(subject.observed, {"length"})
    if shifts is None:
        return Row("ages", "too small", f"fewer than {ENOUGH} incidents with doubles", expected)
    guilty = [name for name in shifts if p_values[name] < ALPHA and abs(shifts[name]) > LENGTH_SHIFT]
    worst = max(shifts, key=lambda name: abs(shifts[name]), default="")
    told = sorted(guilty, key=lambda name: -abs(shifts[name])) or [worst] * bool(worst)
    seen = "; ".join(f"{name}: mean place {0.5 + shifts[name]:.2f}" for name in told)
    return Row("ages", "fail" if guilty else "pass", seen or "nothing varies", expected)


def _shifts(
    worlds: Sequence[Observed], families: Collection[Family]
) -> tuple[dict[str, float] | None, dict[str, float]]:
    """By trait: the mean place of incidents among their doubles, less 1/2, and its adjusted p-value.

    Traits that are the same in every set are left out; `None` if too few incidents have doubles.
    """
    cases = [(world, _means(sets)) for world in worlds for sets in world.samples]
    if len(cases) < ENOUGH:
        return None, {}
    names = dict.fromkeys(name for world in worlds for name, family in world.families.items() if family in families)
    means = {n: np.stack([_of_trait(world, table, n) for world, table in cases]) for n in names}
    places = {name: _places(values) for name, values in means.items() if np.ptp(values, axis=1).any()}
    if not places:
        return {}, {}
    drawn = np.random.default_rng(0).integers(0, next(iter(places.values())).shape[1], (DRAWS, len(cases)))
    found, p_values = {}, []
    for name, place in places.items():
        found[name] = float(place[:, 0].mean())
        chance = np.abs(np.take_along_axis(place.T, drawn, axis=0).mean(axis=1))
        p_values.append((int((chance >= abs(found[name]) - 1e-12).sum()) + 1) / (DRAWS + 1))
    return found, dict(zip(places, adjust(p_values), strict=True))


def _means(sets: Sequence[Array]) -> Array:
    """The means of traits over the events of an incident, and of each of its doubles, of shape `(traits, members)`."""
    return np.stack([np.ascontiguousarray(each.T).mean(axis=1) for each in sets], axis=1)


def _of_trait(world: Observed, means: Array, name: str) -> Array:
    """The means of one trait, zeros if a world lacks it."""
    if name not in world.families:
        return np.zeros(means.shape[1])
    return np.asarray(means[list(world.families).index(name)], float)


def _places(values: Array) -> Array:
    """For each member of each set: the share of its set that it exceeds, ties by half, less 1/2."""
    ahead = (values[:, :, None] > values[:, None, :]).sum(axis=2)
    equal = (values[:, :, None] == values[:, None, :]).sum(axis=2) - 1
    return np.asarray((ahead + 0.5 * equal) / (values.shape[1] - 1) - 0.5)
