"""Does every technique that incidents use have benign behaviour that looks like it, in the log itself?

The surface of a technique is the operations that make up most of what it logged, without those that tasks start up
with or keep their credentials by.  Its look-alikes are the days on which a benign identity calls all of these in the
test window: those are counted, not what the catalogue intends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np

from scopedrift.experiments.audit.subject import Row, Subject
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.scenarios import catalogue
from scopedrift.simulator.log.events import DAY, EventBatch
from scopedrift.simulator.log.truth import SCOPE_DRIFT

SURFACE: Final = 0.25
"""Share of a technique's events from which an operation belongs to its surface (assumed)."""

EVEN: Final = 0.5
"""Where calls are so even that none has that share: this share of the most frequent one (assumed)."""


def every_technique_has_a_look_alike(subject: Subject) -> Row:
    """For each incident that uses a technique, a benign identity has a day with the same surface."""
    used: Counter[str] = Counter()
    alike: Counter[str] = Counter()
    for world in subject.worlds:
        for technique, incidents, days in _counted(world):
            used[technique] += incidents
            alike[technique] += days
    few = sorted(name for name in used if alike[name] < used[name])
    fewest = min(used, key=lambda name: alike[name] / used[name], default="")
    told = [f"{name}: {alike[name]} days for {used[name]} incidents" for name in few or [fewest] * bool(fewest)]
    return Row(
        "look-alikes",
        "fail" if few else "pass",
        f"{len(used) - len(few)} of {len(used)} techniques; {'; '.join(told) or 'none was used'}",
        "for each incident a benign identity-day with the technique's main operations; it draws nothing at random",
    )


def _counted(world: LabelledWorld) -> Iterator[tuple[str, int, int]]:
    """For each technique of a world: the incidents that use it, and the benign identity-days that look like it."""
    test, truth = Windows.of(world.scenario, world.log).test, world.truth
    batch = world.log.batch(test.start, test.stop)
    inside = (truth.label >= SCOPE_DRIFT) & (truth.event >= test.start) & (truth.event < test.stop)
    benign = np.flatnonzero(truth.labels(test.start, test.stop) < SCOPE_DRIFT)
    unit = batch["identity"].astype(np.int64) * 100_000 + batch["time"] // DAY
    operation, unit_of_benign = batch["operation"], unit[benign]
    called = operation[benign]
    for technique in np.unique(truth.technique[inside]).tolist():
        rows = inside & (truth.technique == technique)
        codes, counts = np.unique(operation[truth.event[rows] - test.start], return_counts=True)
        own = ~np.isin(codes, _started_with(batch, truth.techniques[technique]))
        codes, counts = codes[own], counts[own]
        surface = codes[counts >= min(SURFACE * counts.sum(), EVEN * counts.max(initial=0))]
        days: set[int] | None = None
        for code in surface.tolist():
            having = set(np.unique(unit_of_benign[called == code]).tolist())
            days = having if days is None else days & having
        yield truth.techniques[technique], len(np.unique(truth.incident[rows])), len(days or ())


def _started_with(batch: EventBatch, technique: str) -> list[int]:
    """The codes of operations that any task starts up with or keeps its credential by, but for the technique's own."""
    platform, flows = catalogue.platform(), [f for each in catalogue.families().values() for f in each.flows.values()]
    life = platform.credential_life
    flows += [
        *(kind.steps for kind in platform.credentials.values()),
        tuple(life.role.shares),
        tuple(life.exchange.shares),
    ]
    calls = {call for flow in flows for call in flow} - set(catalogue.techniques()[technique].activity.weights)
    names, known = batch.names("operation"), catalogue.operations()
    return [names.find(known[call].operation) for call in calls if call in known]
