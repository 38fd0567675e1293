"""Do incidents make their calls in another order than benign work does?

A technique that lists before it reads differs from one that reads before it lists by order alone.  That is a leak if
benign tasks do the one and incidents the other.  For every pair of operations, in each kind of task: how often is the
one first called before the other, in incidents and in benign tasks that make both calls?  The unit is the incident.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np

from scopedrift.experiments.audit.subject import ALPHA, ENOUGH, Row, Subject
from scopedrift.experiments.evaluation.statistics import adjust
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.simulator.log.events import Array, EventBatch
from scopedrift.simulator.log.truth import SCOPE_DRIFT

LEAST_TASKS: Final = 20
"""Benign tasks with both calls below which a pair is left out."""
SHIFT: Final = 0.3
"""Difference of the shares below which nobody could use an order (assumed)."""

Pair = tuple[str, str, str]
"""A kind of task, and two operations in alphabetical order."""


@dataclass
class _Counts:
    """How often the first operation of each pair came first, of how many."""

    first: Counter[Pair] = field(default_factory=Counter)
    of: Counter[Pair] = field(default_factory=Counter)

    def add(self, pair: Pair, first: float, of: float = 1) -> None:
        self.first[pair] += first  # type: ignore[assignment]
        self.of[pair] += of  # type: ignore[assignment]


def calls_are_in_order(subject: Subject) -> Row:
    """Pairs of calls come in the order in which benign tasks of the kind make them."""
    from scipy.stats import binomtest

    expected = (
        f"shares of orders within {SHIFT} of those of benign tasks, or not significantly away from them "
        f"(binomial, Holm over pairs; false alarms of this row: at most {ALPHA:.0%})"
    )
    incidents, benign = _Counts(), _Counts()
    for world in subject.worlds:
        _count(world, incidents, benign)
    pairs = [p for p, n in incidents.of.items() if n >= ENOUGH and benign.of[p] >= LEAST_TASKS]
    if not pairs:
        return Row("order", "too small", f"no pair of calls in {ENOUGH} incidents and {LEAST_TASKS} tasks", expected)
    shares = {p: (incidents.first[p] / incidents.of[p], (benign.first[p] + 0.5) / (benign.of[p] + 1)) for p in pairs}
    p_values = adjust([binomtest(round(incidents.first[p]), incidents.of[p], shares[p][1]).pvalue for p in pairs])
    away = {pair: shares[pair][0] - shares[pair][1] for pair in pairs}
    guilty = [p for p, chance in zip(pairs, p_values, strict=True) if chance < ALPHA and abs(away[p]) > SHIFT]
    told = sorted(guilty, key=lambda pair: -abs(away[pair])) or [max(pairs, key=lambda pair: abs(away[pair]))]
    seen = "; ".join(
        f"{a} before {b} in {shares[kind, a, b][0]:.0%} of {incidents.of[kind, a, b]} incidents, in "
        f"{shares[kind, a, b][1]:.0%} of benign tasks ({kind or 'no kind'})"
        for kind, a, b in told[:6]
    )
    return Row("order", "fail" if guilty else "pass", f"{len(pairs)} pairs; {seen}", expected)


def _count(world: LabelledWorld, incidents: _Counts, benign: _Counts) -> None:
    test = Windows.of(world.scenario, world.log).test
    batch = world.log.batch(test.start, test.stop)
    if not {"task", "operation", "task_kind"} <= set(batch.columns):
        return
    owner = world.truth.incident_of(test.start, test.stop)
    wanted: set[tuple[int, int, int]] = set()
    for incident in np.unique(owner[owner >= 0]).tolist():
        seen: dict[tuple[int, int, int], list[float]] = {}
        for kind, pair, sign in _orders(batch, np.flatnonzero(owner == incident)):
            seen.setdefault((kind, *pair), []).append(sign)
        wanted |= set(seen)
        for (kind, a, b), signs in seen.items():
            incidents.add(_text(batch, kind, a, b), float(np.mean(signs)))
    others = np.flatnonzero(world.truth.labels(test.start, test.stop) < SCOPE_DRIFT)
    firsts = _First.of(batch, others)
    for kind, a, b in wanted:
        before, of = firsts.order(kind, a, b)
        benign.add(_text(batch, kind, a, b), before, of)


def _text(batch: EventBatch, kind: int, a: int, b: int) -> Pair:
    operations = batch.names("operation")
    return batch.names("task_kind")[kind] if kind >= 0 else "", operations[a], operations[b]


def _orders(batch: EventBatch, rows: Array) -> Iterator[tuple[int, tuple[int, int], float]]:
    """For each task of an incident: its pairs of operations, and whether the alphabetically first came first."""
    rows = rows[np.argsort(batch["time"][rows], kind="stable")]
    names = batch.names("operation")
    first: dict[int, dict[int, int]] = {}
    kinds: dict[int, int] = {}
    columns = (batch[name][rows].tolist() for name in ("task", "operation", "task_kind"))
    for place, (task, operation, kind) in enumerate(zip(*columns, strict=True)):
        if task >= 0 and operation >= 0:
            first.setdefault(task, {}).setdefault(operation, place)
            kinds[task] = kind
    for task, places in first.items():
        for a, b in combinations(sorted(places, key=names.__getitem__), 2):
            yield kinds[task], (a, b), float(places[a] < places[b])


@dataclass(frozen=True)
class _First:
    """When each task first called each operation."""

    tasks: dict[tuple[int, int], tuple[Array, Array]]
    """By kind of task and operation: tasks, ascending, and the place of their first call in order of time."""

    @classmethod
    def of(cls, batch: EventBatch, rows: Array) -> _First:
        rows = rows[(batch["task"][rows] >= 0) & (batch["operation"][rows] >= 0)]
        rows = rows[np.argsort(batch["time"][rows], kind="stable")]
        task, operation, kind = (batch[name][rows] for name in ("task", "operation", "task_kind"))
        order = np.lexsort((np.arange(len(rows)), task, operation, kind))
        task, operation, kind = task[order], operation[order], kind[order]
        call = np.diff(operation, prepend=-2) != 0
        call |= np.diff(kind, prepend=-2) != 0
        fresh = call | (np.diff(task, prepend=-2) != 0)
        task, place, operation, kind = task[fresh], order[fresh], operation[fresh], kind[fresh]
        edges = np.flatnonzero(call[fresh])
        found = {}
        for low, high in zip(edges.tolist(), [*edges.tolist()[1:], len(task)], strict=True):
            found[int(kind[low]), int(operation[low])] = task[low:high], place[low:high]
        return cls(found)

    def order(self, kind: int, a: int, b: int) -> tuple[int, int]:
        """In how many tasks of the kind `a` was called before `b`, of how many that called both."""
        none = np.empty(0, np.int64)
        mine, other = (self.tasks.get((kind, each), (none, none)) for each in (a, b))
        _, left, right = np.intersect1d(mine[0], other[0], assume_unique=True, return_indices=True)
        return int((mine[1][left] < other[1][right]).sum()), len(left)
