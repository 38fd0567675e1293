"""The kind of workload of an identity, guessed from its behaviour, and the family that simulates it.

The family is the one that it resembles in what it calls (`resemblance`), else the one that stands for its kind.
The rules for kinds are few, in order, and say what they go by.  Thresholds are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.simulator.log.events import DAY, HOUR, MINUTE, Array
from scopedrift.simulator.own_logs.profile.resemblance import Mix, nearest
from scopedrift.simulator.own_logs.profile.statistics import ENOUGH, Columns

FAMILIES: Final[Mapping[str, str]] = {
    "provider service": "housekeeping",
    "rare": "housekeeping",
    "timed": "housekeeping",
    "agent": "agents",
    "explorer": "runners",
    "steady service": "inference",
    "long job": "training",
    "short task": "serverless",
}
"""The family of each kind in a twin, if no family resembles the identity."""
AGENT: Final = 0.2
"""Minimum share of events in the stream of agents for an identity to be an agent (assumed)."""
VARIED: Final = 1.5
"""Operations divided by the square root of events, above which no single program does them all (assumed)."""
REGULAR: Final = 0.5
"""Coefficient of variation of gaps below which something runs by the clock (assumed)."""
STEADY: Final = 0.7
"""Share of the hours of a day or more in which a service acts (assumed)."""
LONG: Final = 50
"""Minimum events of a mean burst for a job rather than a task (assumed)."""


@dataclass(frozen=True)
class Habits:
    """What one identity does."""

    name: str
    kind: str
    family: str
    events: int
    events_per_day: float
    operations: int
    resources: int
    sources: int
    failed: float
    """Share of its events that were refused or failed."""
    active_hours: float
    """Share of the hours between its first and last event that have one."""
    burst: float
    """Events of a mean burst (without a pause of five minutes)."""


def habits(columns: Columns, days: float) -> list[Habits]:
    """The habits of every identity, the busiest first."""
    identity = columns["identity"]
    order = np.lexsort((columns["time"], identity))
    cuts = np.flatnonzero(np.diff(identity[order])) + 1
    data = {
        n: columns[n] for n in ("time", "service", "operation", "resource", "source", "stream", "outcome", "identity")
    }
    found = [_habits(columns, data, rows, days) for rows in np.split(order, cuts) if len(rows)]
    return sorted(found, key=lambda each: (-each.events, each.name))


def _habits(columns: Columns, data: Mapping[str, Array], rows: Array, days: float) -> Habits:
    times, success = data["time"][rows], columns.vocabulary["outcome"].find("success")
    gaps = np.diff(times)
    outcomes = data["outcome"][rows]
    name = columns.vocabulary["identity"][int(data["identity"][rows[0]])]
    operations = _different(data["operation"][rows])
    active = len(np.unique(times // HOUR)) / (int(times[-1] // HOUR - times[0] // HOUR) + 1)
    burst = len(rows) / (int((gaps > 5 * MINUTE).sum()) + 1)
    agent = columns.vocabulary["stream"].find("agent")
    share = float((data["stream"][rows] == agent).mean()) if agent >= 0 else 0.0
    kind = _kind(name, len(rows), operations, gaps, active, burst, share)
    return Habits(
        name=name,
        kind=kind,
        family=nearest(_mix(columns, data, rows)) or FAMILIES[kind],
        events=len(rows),
        events_per_day=round(len(rows) / days, 2),
        operations=operations,
        resources=_different(data["resource"][rows]),
        sources=_different(data["source"][rows]),
        failed=round(float(((outcomes != success) & (outcomes >= 0)).mean()), 4),
        active_hours=round(active, 3),
        burst=round(burst, 1),
    )


def _mix(columns: Columns, data: Mapping[str, Array], rows: Array) -> Mix:
    """How often it calls each operation of each service."""
    pairs = data["service"][rows].astype(np.int64) << 32 | data["operation"][rows]
    known, counts = np.unique(pairs[pairs >= 0], return_counts=True)
    services, operations = columns.vocabulary["service"], columns.vocabulary["operation"]
    keys = [(services[pair >> 32], operations[pair & 0xFFFFFFFF]) for pair in known.tolist()]
    return dict(zip(keys, counts.tolist(), strict=True))


def _different(codes: Array) -> int:
    return len(np.unique(codes[codes >= 0]))


def _kind(name: str, events: int, operations: int, gaps: Array, active: float, burst: float, agent: float) -> str:
    if name.endswith(".amazonaws.com") or (name.startswith("system:") and ":serviceaccount:" not in f"{name}:"):
        return "provider service"
    if events < ENOUGH:
        return "rare"
    if agent > AGENT:
        return "agent"
    if gaps.any() and gaps.std() / gaps.mean() < REGULAR:
        return "timed"
    if operations / events**0.5 > VARIED:
        return "explorer"
    if active >= STEADY and gaps.sum() >= DAY:
        return "steady service"
    return "long job" if burst >= LONG else "short task"
