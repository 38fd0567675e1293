"""Order of arrival: how events are sorted, and how the world's codes are numbered as a log shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from scopedrift.simulator.expansion.rows import BLOCK
from scopedrift.simulator.expansion.tables import Tables
from scopedrift.simulator.log.events import CODED, MISSING, Array


def arrival_order(arrived: Array, tie: Array) -> Array:
    """The order by (arrived, tie): one sort of a packed key, and a repair of the rare equal neighbours."""
    base = int(arrived.min())
    spare = 63 - max(int(arrived.max()) - base, 1).bit_length()
    packed = ((arrived - base) << spare) | (tie >> np.uint64(64 - spare)).astype(np.int64)
    order = np.argsort(packed)
    ordered = packed[order]
    if (ordered[1:] == ordered[:-1]).any():
        return np.lexsort((tie, arrived))
    return order


class ArrivalCodes:
    """Renumbers the world's codes in order of first arrival, so that a code reveals nothing."""

    def __init__(self, tables: Tables, add: Callable[[str, str], int]) -> None:
        self._tables = tables
        self._add = add
        self._codes = {column: np.full(1, MISSING, np.int32) for column in CODED}

    def translate(self, columns: Mapping[str, Array]) -> None:
        """Replaces the codes of a window by arrival codes, in place."""
        for name in CODED:
            known = self._known(name)
            for first in range(0, len(columns[name]), BLOCK):
                block = columns[name][first : first + BLOCK]
                mapped = known.take(block)
                if mapped.min() < MISSING:
                    self._add_new(name, known, block[mapped < MISSING])
                    mapped = known.take(block)
                block[:] = mapped

    def _known(self, name: str) -> Array:
        """The arrival code of each of a column's codes, -2 for those not seen yet; the last entry is for -1."""
        known, names = self._codes[name], self._tables.names[name]
        if len(known) < len(names) + 1:
            grown = np.full(len(names) + 1, -2, np.int32)
            grown[: len(known) - 1] = known[:-1]
            grown[-1] = MISSING
            known = self._codes[name] = grown
        return known

    def _add_new(self, name: str, known: Array, new: Array) -> None:
        """Number codes by their first place in `new`."""
        codes, first = np.unique(new, return_index=True)
        for code in codes[np.argsort(first)].tolist():
            known[code] = self._add(name, self._tables.names[name][code])
