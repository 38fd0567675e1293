"""Does an incident ride on benign life as benign work does?

Each trait of an incident's events (what is constant or missing in its task, session, credential and workload, and how
old, silent and full these are) is held against its doubles.  The incident's place among them is uniform if it rides as
they do.  The test draws one of the set at random, in every set at once, and so keeps its rate of false alarms exactly,
Holm-adjusted over traits.  Lengths are also judged event by event, by the area that tells an incident's events from
those of its doubles: that is what a threshold could gain.

A change of address, principal or image within a task is evidence that a detector may use, as long as benign work
shows it, too: such a flag fails only if it is so rare in benign life that its alarms would be right too often.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.experiments.audit.observed import Observed
from scopedrift.experiments.audit.subject import ALPHA, ENOUGH, Row, Subject
from scopedrift.experiments.audit.traits import Family
from scopedrift.experiments.evaluation.statistics import adjust
from scopedrift.simulator.log.events import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

DRAWS: Final = 20_000
MISSING_SHIFT: Final = 0.02
"""Distance of an incident's mean place among its doubles from 1/2 below which nobody could use it (assumed)."""
PLACE_SHIFT: Final = 0.2
"""The same of ages, silences and fullness: what an incident does in a task changes them a little (assumed)."""
AREA_SHIFT: Final = 0.1
"""The same of the area that tells its single events from those of its doubles by one of them (assumed)."""
PRECISE: Final = 0.2
"""Share of a flag's alarms that may be right: four look-alikes in benign life for each incident (assumed)."""


def columns_are_consistent(subject: Subject) -> Row:
    """No column is missing, changes within its task, session, credential or workload, for incidents alone."""
    expected = (
        f"what is missing stands within {MISSING_SHIFT} of the middle of the doubles, and no change raises alarms that "
        f"are right in over {PRECISE:.0%}; false alarms of this row: at most {ALPHA:.0%}"
    )
    shifts, p_values = _shifts(subject.observed, {"change", "missing"}, _places)
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
    """Task, session, credential and workload are as old and as silent, tasks as full, as those of the doubles."""
    expected = (
        f"mean place among the doubles within {PLACE_SHIFT} of 0.5 and mean area against their events within "
        f"{AREA_SHIFT}, or not significantly away from it; false alarms of this row: at most {2 * ALPHA:.0%}"
    )
    told: list[tuple[float, bool, str]] = []
    for what, measure, most in (("place", _places, PLACE_SHIFT), ("area", _areas, AREA_SHIFT)):
        shifts, p_values = _shifts(subject.observed, {"length"}, measure)
        if shifts is None:
            return Row("ages", "too small", f"fewer than {ENOUGH} incidents with doubles", expected)
        for name, shift in shifts.items():
            share = abs(shift) / most
            told.append((share, share > 1.0 and p_values[name] < ALPHA, f"{name}: mean {what} {0.5 + shift:.2f}"))
    told.sort(reverse=True)
    guilty = [text for _, found, text in told if found]
    seen = "; ".join(guilty or [text for _, _, text in told[:1]])
    return Row("ages", "fail" if guilty else "pass", seen or "nothing varies", expected)


def _shifts(
    worlds: Sequence[Observed], families: Collection[Family], measure: Callable[[Sequence[Array]], Array]
) -> tuple[dict[str, float] | None, dict[str, float]]:
    """By trait: what the measure says of incidents on average, and its adjusted p-value.

    Traits that are the same in every set are left out; `None` if too few incidents have doubles.
    """
    names = list(dict.fromkeys(n for world in worlds for n, family in world.families.items() if family in families))
    cases = [_aligned(world, names, measure(sets)) for world in worlds for sets in _only(world, families)]
    if len(cases) < ENOUGH:
        return None, {}
    told = np.stack(cases)
    vary = np.flatnonzero(told.any(axis=(0, 2)))
    found = {names[at]: float(told[:, at, 0].mean()) for at in vary}
    table = np.moveaxis(told[:, vary], 1, 2).reshape(-1, len(vary))
    chance = np.abs(_drawn(len(cases), told.shape[2]) @ table / len(cases))
    as_large = (chance >= np.abs(list(found.values())) - 1e-12).sum(axis=0)
    return found, dict(zip(found, adjust((as_large + 1) / (DRAWS + 1)), strict=True)) if found else {}


@lru_cache(maxsize=4)
def _drawn(cases: int, members: int) -> csr_array:
    """One member of each case, `DRAWS` times: a one for each in a row of shape `(cases * members)`."""
    from scipy.sparse import csr_array

    drawn = np.random.default_rng(0).integers(0, members, (DRAWS, cases)) + members * np.arange(cases)
    ends = np.arange(0, drawn.size + 1, cases)
    return csr_array((np.ones(drawn.size), drawn.ravel(), ends), shape=(DRAWS, cases * members))


def _only(world: Observed, families: Collection[Family]) -> Iterator[list[Array]]:
    """The samples of a world, with the traits of some families alone."""
    held = [place for place, family in enumerate(world.families.values()) if family in families]
    for sets in world.samples:
        yield [each[:, held] for each in sets]


def _aligned(world: Observed, names: Sequence[str], told: Array) -> Array:
    """What a world's traits measure, with zeros for those that it lacks."""
    place = {name: at for at, name in enumerate(name for name in world.families if name in set(names))}
    return np.stack([told[place[name]] if name in place else np.zeros(told.shape[1]) for name in names])


def _places(sets: Sequence[Array]) -> Array:
    """By trait and member: the share of the set whose mean it exceeds, ties by half, less 1/2."""
    means = np.stack([np.ascontiguousarray(each.T).mean(axis=1) for each in sets], axis=1)
    ahead = (means[:, :, None] > means[:, None, :]).sum(axis=2)
    equal = (means[:, :, None] == means[:, None, :]).sum(axis=2) - 1
    return np.asarray((ahead + 0.5 * equal) / (means.shape[1] - 1) - 0.5)


def _areas(sets: Sequence[Array]) -> Array:
    """By trait and member: the area that tells its events from those of the others, less 1/2."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate(sets), axis=0)
    sizes = np.array([len(each) for each in sets])
    means = np.add.reduceat(ranks, np.cumsum(sizes) - sizes, axis=0) / sizes[:, None]
    return np.asarray(((means - (sizes[:, None] + 1) / 2) / (len(ranks) - sizes)[:, None] - 0.5).T)
