"""Cold starts: events of an identity, a workload or an image that the baseline window did not have.

A newcomer has no history, so most detectors alert on its first hour; such false alarms are counted apart.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scopedrift.simulator.log.events import HOUR, EventBatch

COLD_START_US: Final = HOUR
"""How long a newcomer's cold start lasts after its first event."""
_ONSETS: Final = ("identity", "workload", "image")


class ColdStarts:
    """When the names that the baseline window did not have first arrived."""

    def __init__(self, history: EventBatch) -> None:
        self._known = {column: len(history.names(column)) for column in _ONSETS if column in history.columns}
        self._since: dict[str, list[int]] = {column: [] for column in self._known}

    def observe(self, batch: EventBatch) -> None:
        """Note the names that the stream shows for the first time in this batch: codes ascend by first arrival."""
        for column, since in self._since.items():
            met = self._known[column] + len(since)
            fresh = np.arange(met, len(batch.names(column)))
            if len(fresh) and len(batch):
                at = np.searchsorted(np.maximum.accumulate(batch[column]), fresh, side="left")
                since.extend(batch["arrived"][np.minimum(at, len(batch) - 1)].tolist())

    def is_cold(self, batch: EventBatch, row: int) -> bool:
        """Whether the event is a cold start: of an identity, a workload or an image."""
        now = int(batch["arrived"][row])
        for column, since in self._since.items():
            age = int(batch[column][row]) - self._known[column]
            if age >= 0 and now - since[age] <= COLD_START_US:
                return True
        return False
