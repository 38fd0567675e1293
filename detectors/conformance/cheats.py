"""A stage for cheats: an evaluation as it looks from inside, with a truth that notes who reads it.

Some detectors cheat only where it pays: when the history is long, or when a frame of the caller is named as that of a
real evaluation is.  So they are shown a log of realistic size by a function of that name, which holds a world.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Final

import numpy as np

from scopedrift.detectors.conformance.candidate import MAX_COST, Candidate, as_scores, difference
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.conformance.watch import Watch
from scopedrift.simulator.log.events import Array

_BATCH: Final = 10_000
_EVENTS: Final = 60_000
"""Of the log of realistic size: as many as a small scenario has; a slow detector is shown a tenth."""


def attempted(candidate: Candidate) -> str:
    """What the detector did to see the truth; empty if it did nothing."""
    size = _EVENTS if candidate.cost < MAX_COST / 4 else _EVENTS // 10
    for log in (candidate.log, sample_log(size, days=30.0)):
        found = []
        for swap in (False, True):
            with Watch(len(log), swap=swap) as watch:
                world = SimpleNamespace(log=log, truth=watch.truth, seed=0, scenario=SimpleNamespace(name="core"))
                found.append(evaluate(candidate, world))
            if watch.seen:
                return f"it {watch.seen[0]}: expected it to use nothing but its batches and its knowledge"
        if message := difference(found[0], found[1], "scores follow the labels of a planted truth"):
            return message
    return ""


def evaluate(candidate: Candidate, world: SimpleNamespace) -> Array:
    """The scores of the second half of a world's log; named as what judges detectors is named."""
    truth, log = world.truth, world.log
    half = len(log) // 2
    detector = candidate.fitted(log.batch(0, half))
    scores = [as_scores(detector.score(batch)) for batch in log.batches(_BATCH, half)]
    del truth  # it was here for whoever walks up to this frame
    return np.concatenate(scores)
