"""The statistics of a log: volume, identities, operations, hours, novelty, sharing, failures, burstiness.

All are of events with an identity.  Shares are 0 to 1.  *Novelty* is the share of events of the second half (by
arrival) whose pair of identity and operation, or identity and resource, the first half does not have.
*Burstiness* is (s - m) / (s + m) of the gaps between an identity's events (Goh and Barabasi, EPL 2008): -1 for
a clock, 0 for chance, towards 1 for bursts; the median over identities with enough events.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, DTYPES, HOUR, MISSING, Array

ENOUGH: Final = 10
"""Events of an identity from which gaps and habits are read."""
SHOWN: Final = 12
"""Number of categories of a mix to keep; the others become one."""
OTHERS: Final = "others"

Statistics = Mapping[str, Any]
"""By name: a number, or shares by category."""


class Columns:
    """The columns of a log's events that tell an identity; what the log lacks is missing everywhere.

    `span` (from, to) selects events by time.
    """

    def __init__(self, log: EventLog, span: tuple[int, int] | None = None) -> None:
        batch = log.batch(0, len(log))
        known = batch.columns.get("identity", np.full(len(batch), MISSING)) >= 0
        if span is not None:
            known = known & (batch["time"] >= span[0]) & (batch["time"] < span[1])
        self.rows = np.flatnonzero(known)
        self._batch = batch
        self.vocabulary = log.vocabulary

    def __getitem__(self, name: str) -> Array:
        if name not in self._batch.columns:
            return np.full(len(self.rows), MISSING, DTYPES[name])
        return np.asarray(self._batch[name][self.rows])

    def __len__(self) -> int:
        return len(self.rows)

    def shares(self, name: str) -> dict[str, float]:
        """The share of each text of a column, most frequent first; missing ones are left out."""
        codes = self[name]
        counts = np.bincount(codes[codes >= 0], minlength=1)
        order = np.argsort(-counts, kind="stable")
        order = order[counts[order] > 0]
        total = max(int(counts.sum()), 1)
        shares = {self.vocabulary[name][code]: round(float(counts[code]) / total, 4) for code in order[:SHOWN].tolist()}
        if len(order) > SHOWN:
            shares[OTHERS] = round(float(counts[order[SHOWN:]].sum()) / total, 4)
        return shares


def days_of(columns: Columns) -> float:
    """How long the log lasts; a second at least."""
    times = columns["time"]
    return max(float(times.max() - times.min()) / DAY, 1 / 86_400) if len(columns) else 1 / 86_400


def statistics(log: EventLog, span: tuple[int, int] | None = None) -> Statistics:
    """All statistics of a log (in a span of time).

    Raises `ValueError` if no event in it has an identity.
    """
    columns = Columns(log, span)
    if not len(columns):
        raise ValueError("no event has an identity")
    identity, times = columns["identity"], columns["time"]
    counts = np.bincount(identity[identity >= 0])
    counts = np.sort(counts[counts > 0])
    outcome = columns.shares("outcome")
    pairs = {name: _paired(identity, columns[name]) for name in ("operation", "resource", "workload")}
    days = days_of(columns) if span is None else (span[1] - span[0]) / DAY
    return {
        "days": round(days, 4),
        "events_per_day": round(len(columns) / days, 1),
        "identities": len(counts),
        "events_per_identity_day": {
            "median": round(float(np.median(counts)) / days, 2),
            "p90": round(float(np.quantile(counts, 0.9)) / days, 2),
        },
        "busiest_identity": round(float(counts[-1] / counts.sum()), 4),
        "operations": len(np.unique(columns["operation"])),
        "operations_per_identity": _per_identity(pairs["operation"], identity),
        "resources_per_identity": _per_identity(pairs["resource"], identity),
        "shared": round(_shared(pairs["workload"]), 4),
        "new_operations": round(_new(pairs["operation"]), 4),
        "new_resources": round(_new(pairs["resource"]), 4),
        "errors": outcome.get("error", 0.0),
        "denied": outcome.get("denied", 0.0),
        "burstiness": round(_burstiness(identity, times), 3),
        "streams": columns.shares("stream"),
        "services": columns.shares("service"),
        "access": columns.shares("access"),
        "hours": _hours(times),
    }


def _paired(identity: Array, other: Array) -> Array:
    """Pairs of identity and another code as one number; -1 where the other is missing."""
    return np.where(other >= 0, identity.astype(np.int64) << 32 | other, MISSING)


def _per_identity(pairs: Array, identity: Array) -> float:
    return round(len(np.unique(pairs[pairs >= 0])) / len(np.unique(identity)), 2)


def _shared(pairs: Array) -> float:
    """The share of identities that more than one workload uses, among those with a known workload."""
    owners, workloads = np.unique(np.unique(pairs[pairs >= 0]) >> 32, return_counts=True)
    return float((workloads > 1).sum()) / max(len(owners), 1)


def _new(pairs: Array) -> float:
    half = len(pairs) // 2
    later = pairs[half:][pairs[half:] >= 0]
    return float((~np.isin(later, pairs[:half])).mean()) if len(later) else 0.0


def _burstiness(identity: Array, times: Array) -> float:
    order = np.lexsort((times, identity))
    found = []
    for own in np.split(times[order], np.flatnonzero(np.diff(identity[order])) + 1):
        gaps = np.diff(own)
        if len(own) >= ENOUGH and gaps.any():
            found.append((gaps.std() - gaps.mean()) / (gaps.std() + gaps.mean()))
    return float(np.median(found)) if found else 0.0


def _hours(times: Array) -> dict[str, float]:
    """The share of events by quarter of the day (UTC)."""
    quarter = times % DAY // (6 * HOUR)
    counts = np.bincount(quarter, minlength=4) / max(len(times), 1)
    return {f"{6 * i:02}-{6 * i + 6:02}": round(float(share), 4) for i, share in enumerate(counts.tolist())}
