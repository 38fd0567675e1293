"""A detector that judges nothing is broken, not careful: this is noticed while it runs."""

from __future__ import annotations

import numpy as np

from scopedrift.simulator.log.events import Array


class Abstentions:
    """Raises `RuntimeError` when the first `limit` scores of a detector were all NaN."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._silent = 0

    def judged(self, scores: Array) -> Array:
        """The scores, once they are counted."""
        if self._silent >= 0:
            self._silent = self._silent + len(scores) if np.isnan(scores).all() else -1
            if self._silent > self._limit:
                raise RuntimeError(f"abstained (NaN) on all of the first {self._silent:,} events: expected a score")
        return scores
