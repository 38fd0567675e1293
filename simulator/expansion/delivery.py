"""How records reach a detector: absent streams, delay, loss, duplication, clock skew, missing task context.

Every fault is drawn from a key of its own, so that switching one on changes nothing else.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.scenarios import Scenario
from scopedrift.scenarios.catalogue import Distribution
from scopedrift.simulator.expansion.activities import Operations
from scopedrift.simulator.log.events import ACCESS, STREAMS, Array
from scopedrift.simulator.randomness import TABLE, Quantiles, hash64, key

DELAY_SIGMA: Final = 0.5
"""Spread of the log-normal delivery delay: puts the 99th percentile at 3.2 times the median (CloudTrail: about
5 minutes, up to 15, from memory)."""

_LOST, _DUPLICATED, _DELAYED = 0, 16, 32


class Delivery:
    """The telemetry of a scenario as vectorised functions of operation, event hash and task."""

    def __init__(self, scenario: Scenario, seed: int, operations: Operations) -> None:
        specs = [scenario.telemetry[stream] for stream in STREAMS]
        self.key = np.uint64(key(seed, "telemetry"))
        self._stream = operations.stream
        enabled = np.array([spec.enabled for spec in specs])[operations.stream]
        data_events = np.array([spec.data_events for spec in specs])[operations.stream]
        self._recorded = enabled & (data_events | ~operations.data_event)
        bodies = np.array([spec.level != "Metadata" for spec in specs])[operations.stream]
        self.image = operations.image & bodies
        """Operations whose record carries the image (Kubernetes: audit level Request or above)."""
        ruling = (operations.access == ACCESS.index("admin")) & operations.image & ~bodies
        self.access = np.where(ruling, np.int32(ACCESS.index("create")), operations.access)
        """The access in each operation's record: only a body shows that a pod is privileged."""
        curve = np.array(Quantiles.of(Distribution(median=1.0, sigma=DELAY_SIGMA)).table)
        self._delay = (np.array([max(spec.delay, 1) for spec in specs])[:, None] * curve).astype(np.int64).ravel()
        self._loss = np.array([round(spec.loss * 65536) for spec in specs])[operations.stream]
        self._duplication = np.array([round(spec.duplication * 65536) for spec in specs])[operations.stream]
        self._skew = np.array([spec.skew for spec in specs], np.int64)[operations.stream]
        self._context = np.array([round(spec.task_context * 65536) for spec in specs], np.int64)[operations.stream]

    def faults(self, keys: Array, index: Array) -> Array:
        """The hash that decides the faults of events."""
        return hash64(keys ^ self.key, index)

    def kept(self, operation: Array, faults: Array) -> Array:
        """Which events are recorded at all."""
        recorded = self._recorded.take(operation)
        if self._loss.any():
            recorded &= (faults >> np.uint64(_LOST)).astype(np.uint16) >= self._loss.take(operation)
        return np.asarray(recorded)

    def duplicated(self, operation: Array, faults: Array) -> Array:
        """Which events are delivered a second time."""
        if not self._duplication.any():
            return np.zeros(len(operation), bool)
        return np.asarray((faults >> np.uint64(_DUPLICATED)).astype(np.uint16) < self._duplication.take(operation))

    def delay(self, operation: Array, faults: Array) -> Array:
        """Microseconds from event to arrival."""
        draw = (faults >> np.uint64(_DELAYED)).view(np.int64) & (TABLE - 1)
        # the low bits spread the tabulated delays, so that no two records share one by construction
        tabulated = self._delay.take(self._stream.take(operation) * TABLE + draw)
        return np.asarray(tabulated + (faults >> np.uint64(54)).view(np.int64))

    def skew(self, operation: Array, source: Array) -> Array:
        """Microseconds by which a source's clock is off: fixed for a source, within the stream's bound."""
        if not self._skew.any():
            return np.zeros(len(operation), np.int64)
        unit = (hash64(np.full(len(source), self.key), source) >> np.uint64(11)) * 2.0**-52 - 1.0
        return np.asarray((unit * self._skew[operation]).astype(np.int64))

    def context(self, operation: Array, task: Array) -> Array:
        """Which records carry their task: decided per task, so that a task is recorded whole or not at all."""
        share = self._context.take(operation)
        if (share >= 65536).all():
            return np.ones(len(operation), bool)
        return np.asarray((hash64(np.full(len(task), self.key), task) >> np.uint64(48)).astype(np.int64) < share)
