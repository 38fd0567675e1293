"""A learned attacker: gradient boosting on everything but behaviour.

It is trained on the traits of two worlds and tested on a third: an incident's events against those of some of its
doubles, which have the same identity and kind of task.  The null is the same procedure with another double labelled as
if it were the incident: labels that are permuted event by event would be too easy to beat, since the events of one
run resemble each other.  Every area is the mean of one area per incident.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from scopedrift.experiments.audit.observed import Observed
from scopedrift.experiments.audit.subject import ALPHA, ENOUGH, Row, Subject
from scopedrift.simulator.log.events import Array

NULLS: Final = 8
"""Doubles that are labelled in turn as if they were incidents."""
CONTROLS: Final = slice(12, 15)
"""The doubles that all of them are held against."""
FOLDS: Final = 2
"""Worlds that are tested at most, each with the two that follow it for training."""


def no_attacker_learns_to_tell(subject: Subject) -> Row:
    """Gradient boosting on what is no behaviour does no better on incidents than on their doubles."""
    expected = (
        f"an area of at most the upper bound of {NULLS} runs on doubles (prediction by Student's t; "
        f"false alarms of this row: {ALPHA:.0%})"
    )
    worlds = subject.observed
    if len(worlds) < 3 or sum(len(world.samples) for world in worlds) < ENOUGH:
        return Row("attacker", "too small", f"{len(worlds)} worlds, three are needed", expected)
    area, null = areas(worlds)
    bound = upper_bound(null)
    seen = f"area {area:.3f}; doubles {null.mean():.3f} on average, upper bound {bound:.3f}"
    return Row("attacker", "pass" if area <= bound else "fail", seen, expected)


def areas(worlds: Sequence[Observed]) -> tuple[float, Array]:
    """The mean area on incidents, and that of each double in their place."""
    names = list(dict.fromkeys(name for world in worlds for name in world.families))
    tables = [_aligned(world, names) for world in worlds]
    tested = range(min(len(tables), FOLDS))
    found = [float(np.mean([_fold(tables[at:] + tables[:at], member) for at in tested])) for member in range(NULLS + 1)]
    return found[0], np.array(found[1:])


def upper_bound(null: Array) -> float:
    """What one more area of the same kind exceeds with a chance of `ALPHA`, if they are about normal."""
    from scipy.stats import t

    spread = float(null.std(ddof=1)) * math.sqrt(1.0 + 1.0 / len(null))
    return float(null.mean()) + float(t.ppf(1.0 - ALPHA, len(null) - 1)) * spread


EVENTS: Final = 40
"""Events of one run that are looked at, at most."""

Table = list[tuple[Array, ...]]


def _aligned(world: Observed, names: Sequence[str]) -> Table:
    """Samples with the same columns in every world; what a world does not know is 0."""
    place = {name: at for at, name in enumerate(world.families)}
    held = [at for at, name in enumerate(names) if name in place]
    taken = [place[names[at]] for at in held]

    def spread(sample: Array) -> Array:
        sample = sample[np.linspace(0, len(sample) - 1, min(len(sample), EVENTS)).astype(np.int64)]
        wide = np.zeros((len(sample), len(names)), np.float32)
        wide[:, held] = sample[:, taken]
        return wide

    return [tuple(spread(sample) for sample in sets) for sets in world.samples]


def _fold(tables: Sequence[Table], member: int) -> float:
    """The mean area over the incidents of the first world, of a model of the two that follow it."""
    from scipy.stats import mannwhitneyu
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    rows, labels, weights = [], [], []
    test, first, second = tables[:3]
    for sets in (*first, *second):
        for label, sample in ((1, sets[member]), (0, np.concatenate(sets[CONTROLS]))):
            rows.append(sample)
            labels.append(np.full(len(sample), label))
            weights.append(np.full(len(sample), 1.0 / len(sample)))
    model = HistGradientBoostingClassifier(max_iter=30, max_leaf_nodes=15, early_stopping=False, random_state=0)
    found = []
    with threadpool_limits(1):  # small tables: threads would wait for each other
        model.fit(np.concatenate(rows), np.concatenate(labels), sample_weight=np.concatenate(weights) * len(rows))
        for sets in test:
            own, others = (model.decision_function(each) for each in (sets[member], np.concatenate(sets[CONTROLS])))
            found.append(float(mannwhitneyu(own, others).statistic) / (len(own) * len(others)))
    return float(np.mean(found)) if found else 0.5
