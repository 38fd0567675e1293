"""What the audit keeps of a world: the traits of incidents and of their doubles, and what each flag would alarm on.

A world's traits are many times as large as its log; they are looked at once and let go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.audit.doubles import Case, cases
from scopedrift.experiments.audit.one_liners import RULES, untied
from scopedrift.experiments.audit.traits import LOOKED_AT, Family, Traits
from scopedrift.experiments.evaluation.alerts import Grouped, alerts, threshold_for_budget
from scopedrift.experiments.evaluation.matching import match
from scopedrift.experiments.evaluation.windows import LabelledWorld, Window, Windows
from scopedrift.simulator.log.events import MISSING, Array, EventBatch

SALT: Final = 0xD0B1E5
"""Doubles are drawn from the world's seed and this number."""


@dataclass(frozen=True)
class Observed:
    """One world, as far as the rows on traits look at it."""

    families: Mapping[str, Family]
    """The traits, by name; the columns of `samples` follow this order."""
    samples: tuple[tuple[Array, ...], ...]
    """For each incident that has doubles: the traits of its own events, then those of each double; each of shape
    `(events, traits)`, lengths as logarithms."""
    alarms: Mapping[str, tuple[int, int]]
    """By flag: the incidents that show it in the test window, and the benign alarms (one for each identity and
    cooldown, none beside an incident) that it would raise there."""

    outcomes: Mapping[str, tuple[int, int, int]]
    """By one-liner: the incidents of the test window, those that it detects at the alert budget, and false alarms."""

    @classmethod
    def of(cls, world: LabelledWorld) -> Observed:
        """Look at a world."""
        windows = Windows.of(world.scenario, world.log)
        test = windows.test
        traits = Traits.of(world.log.batch(0, test.stop))
        found = cases(world, np.random.default_rng([world.seed, SALT]))
        families = {name: family for name, (family, _) in traits.columns.items()}
        flags = {name: flag for name, (family, flag) in traits.columns.items() if family == "change"}
        return cls(
            families,
            _samples(traits.batch, found),
            _alarms(world, test, traits, flags),
            _outcomes(world, windows, traits),
        )


def _samples(batch: EventBatch, found: Sequence[Case]) -> tuple[tuple[Array, ...], ...]:
    """Traits of events as they happened: how late each arrives depends on its stream, and so on the call."""
    order = np.argsort(batch["time"], kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    columns = {name: batch[name][order] for name in LOOKED_AT if name in batch.columns}
    traits = Traits.of(EventBatch(columns, batch.vocabulary)).columns.values()
    samples = []
    for case in found:
        rows = place[np.concatenate(case.sets)]
        table = [
            np.log1p(values[rows]) if family in {"length", "volume"} else values[rows] for family, values in traits
        ]
        split = np.cumsum([len(each) for each in case.sets])[:-1]
        samples.append(tuple(np.split(np.array(table, np.float32).T, split)))
    return tuple(samples)


def _alarms(
    world: LabelledWorld, test: Window, traits: Traits, flags: Mapping[str, Array]
) -> dict[str, tuple[int, int]]:
    owner = world.truth.incident_of(test.start, test.stop)
    here = slice(test.start, test.stop)
    batch = traits.batch
    identity = batch["identity"][here] if "identity" in batch.columns else np.full(len(test), MISSING)
    unit = (
        identity.astype(np.int64) << 32 | (batch["arrived"][here] - test.began_us) // world.scenario.evaluation.cooldown
    )
    hit = np.unique(unit[owner >= 0])
    beside = np.unique(np.concatenate([hit - 1, hit, hit + 1]))  # where benign work changes back after an incident
    found = {}
    for name, flag in flags.items():
        rows = np.flatnonzero(flag[here])
        mine = owner[rows]
        benign = np.setdiff1d(unit[rows[mine < 0]], beside)
        found[name] = len(np.unique(mine[mine >= 0])), len(benign)
    return found


def _outcomes(world: LabelledWorld, windows: Windows, traits: Traits) -> dict[str, tuple[int, int, int]]:
    known = Knowledge.of(world.deployment, {"task_context"})
    baseline = traits.slice(windows.baseline.start, windows.baseline.stop)
    later = traits.slice(windows.calibration.start, windows.test.stop)
    return {
        name: _outcome(world, windows, later.batch, rule.learn(baseline, known)(later)) for name, rule in RULES.items()
    }


def _outcome(world: LabelledWorld, windows: Windows, batch: EventBatch, scores: Array) -> tuple[int, int, int]:
    """What an evaluation would say of the scores of calibration and test window, and no more."""
    terms = world.scenario.evaluation
    split = windows.test.start - windows.calibration.start
    none = np.full(len(batch), MISSING, np.int32)
    arrived, identity, scores = batch["arrived"], batch.columns.get("identity", none), untied(scores, batch)
    learnt = Grouped.of(arrived[:split], identity[:split], scores[:split], terms.cooldown)
    threshold = threshold_for_budget(learnt, terms.alert_budget * windows.calibration.days)
    arrived, identity, scores = arrived[split:], identity[split:], scores[split:]
    raised = alerts(arrived, identity, scores, threshold, terms.cooldown)
    found = match(raised, world.truth, windows.test, arrived=arrived, identity=identity, scores=scores)
    return len(found.detections), found.detected, int(np.count_nonzero(found.false_alarm))
