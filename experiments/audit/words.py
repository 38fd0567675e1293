"""Do incidents use words that nobody else does?

New for the victim is behaviour; new for everybody gives an incident away.  Of operations there is no tolerance: each
one that an incident uses occurs in benign life of the same world, so a list of attackers' calls finds nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from scopedrift.detectors.toolkit.columns import column
from scopedrift.experiments.audit.subject import Row, Subject
from scopedrift.experiments.evaluation.windows import LabelledWorld
from scopedrift.simulator.log.truth import SCOPE_DRIFT

WORDS: Final = (
    *("stream", "credential_kind", "task_kind", "service", "operation", "access", "project", "registry", "source"),
)
"""Columns whose values somebody benign must share."""
OWN_WORDS: Final = 0.05
"""Share of incident events whose value, other than the operation, may be theirs alone (assumed: chance keeps a rare
benign use out of a log)."""


def words_are_ordinary(subject: Subject) -> Row:
    """What incidents call, from where and with what, benign work of somebody calls too."""
    shares: dict[str, list[float]] = {}
    operations: Counter[str] = Counter()
    for world in subject.worlds:
        injected = max(int(np.count_nonzero(world.truth.label >= SCOPE_DRIFT)), 1)
        for name in WORDS:
            own = _own_words(world, name)
            shares.setdefault(name, []).append(sum(own.values()) / injected)
            operations.update(dict.fromkeys(own, 1) if name == "operation" else {})
    means = {name: float(np.mean(found)) for name, found in shares.items() if name != "operation"}
    foreign = [f"{name} of {means[name]:.1%} of their events" for name in means if means[name] > OWN_WORDS]
    worlds = len(subject.worlds)
    foreign += [f"operation {name} in {times} of {worlds} worlds" for name, times in sorted(operations.items())]
    worst = max(means, key=lambda name: means[name], default="none")
    seen = "; ".join(foreign) or f"no operation, {worst} of {means.get(worst, 0.0):.1%} of their events"
    return Row(
        "words",
        "fail" if foreign else "pass",
        f"only incidents use: {seen}",
        f"no operation, and of {len(WORDS) - 1} other columns at most {OWN_WORDS:.0%}; it draws nothing at random",
    )


def _own_words(world: LabelledWorld, name: str) -> Counter[str]:
    """The texts of a column that no benign event of the log has: how many events of incidents have each."""
    at = world.truth.event[world.truth.label >= SCOPE_DRIFT]
    mine: Counter[int] = Counter()
    benign: set[int] = set()
    start = 0
    for batch in world.log.batches(500_000):
        first, last = np.searchsorted(at, [start, start + len(batch)])
        rows = at[first:last] - start
        start += len(batch)
        codes = column(batch, name)
        if codes is None:
            return Counter()
        mine.update(codes[rows].tolist())
        benign.update(np.unique(np.delete(codes, rows)).tolist())
    names = world.log.vocabulary[name]
    return Counter({names[code]: count for code, count in mine.items() if code >= 0 and code not in benign})
