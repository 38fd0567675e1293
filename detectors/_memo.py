"""What is computed once per distinct combination of texts, and remembered by the codes behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scopedrift.detectors._columns import column, texts
from scopedrift.detectors._hashing import Table, grown, mix
from scopedrift.simulator.events import DERIVED, Array, EventBatch

Facts = tuple[str | None, ...]


class Memo:
    """A function of the texts of some coded columns, called once for each combination that occurs."""

    def __init__(self, columns: Sequence[str], function: Callable[[Facts], float], *, limit: int = 1_000_000) -> None:
        self.columns = tuple(columns)
        self._sources = tuple(DERIVED[name][0] if name in DERIVED else name for name in columns)
        self._function = function
        self._limit = limit
        self.forget()

    def forget(self) -> None:
        """Drops every remembered value."""
        self._table = Table()
        self._values = np.empty(0)

    def values(self, batch: EventBatch) -> Array:
        """The function's value for each event."""
        codes = [column(batch, name) for name in self._sources]
        key = mix(np.zeros(len(batch), np.int64), *(-1 if c is None else c for c in codes))
        if len(self._table) > self._limit:
            self.forget()
        known = len(self._table)
        rows = self._table.add(key)
        if len(self._table) > known:
            self._values = grown(self._values, len(self._table))
            fresh = np.flatnonzero(rows >= known)
            at = fresh[np.unique(rows[fresh], return_index=True)[1]]
            facts = texts(batch, self.columns, at)
            self._values[known : len(self._table)] = [self._function(fact) for fact in facts]
        return np.asarray(self._values[rows])
