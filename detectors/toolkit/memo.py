"""Functions of texts, computed once for each distinct combination and cached by its codes.

>>> from scopedrift.detectors.conformance.sample import sample_log
>>> from scopedrift.detectors.toolkit.memo import Memo
>>> writes = Memo(("access",), lambda facts: float(facts[0] in ("write", "create", "delete")))
>>> values = writes.values(sample_log(200).batch(0, 200))
>>> values.shape, sorted(set(values.tolist()))
((200,), [0.0, 1.0])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from scopedrift.detectors.toolkit.columns import column, texts
from scopedrift.detectors.toolkit.distinct import Remembered
from scopedrift.detectors.toolkit.hashing import mix
from scopedrift.simulator.log.events import DERIVED, Array, EventBatch

Facts = tuple[str | None, ...]
"""The texts of some columns of one event; `None` where missing."""


class Memo:
    """A function of the texts of some coded columns, called once for each combination.

    Beyond `limit` combinations, every value is forgotten.
    """

    def __init__(self, columns: Sequence[str], function: Callable[[Facts], float], *, limit: int = 1_000_000) -> None:
        self.columns = tuple(columns)
        self._sources = tuple(DERIVED[name][0] if name in DERIVED else name for name in columns)
        self._function = function
        self._remembered = Remembered(limit)

    def forget(self) -> None:
        """Drops every remembered value."""
        self._remembered.forget()

    def values(self, batch: EventBatch) -> Array:
        """The function's value for each event: float64 of shape `(len(batch),)`."""
        codes = [column(batch, name) for name in self._sources]
        key = mix(np.zeros(len(batch), np.int64), *(-1 if c is None else c for c in codes))

        def called(at: Array) -> Array:
            return np.array([self._function(facts) for facts in texts(batch, self.columns, at)], np.float64)

        return self._remembered.answers(key, called)
