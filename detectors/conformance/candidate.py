"""What conformance checks are run on: a way to make the detector, a made-up log, and what they compare.

A `Candidate` shows the first half of its log as history and the second half as the stream to score.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from scopedrift.detectors.base import Detector
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, DAY, HOUR, TIMES, Array, EventBatch, Vocabulary

MAX_COST: Final = 200.0
"""Most that scoring an event may cost, in readings of the event: about a millisecond of a processor (assumed)."""
_READINGS: Final = 10


@dataclass(frozen=True)
class Candidate:
    """What is checked: a way to make fresh detectors, and what they are shown."""

    make: Callable[[], Detector]
    log: EventLog
    knowledge: Knowledge
    spec: str = ""
    """How the command line names the detector, if it does."""
    max_cost: float = MAX_COST
    """Most that scoring may cost (see `cost`)."""
    max_bytes_per_event: float = 6.0
    """Most that memory may grow on a steady stream."""
    max_seconds: float = 180.0
    """For one check; a detector that hangs must not hang the check."""
    names: Mapping[str, list[str]] = field(init=False)
    """The log's names, columns and the knowledge (`pristine`), before any detector was shown them."""
    columns: Mapping[str, Array] = field(init=False)
    pristine: Knowledge = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", self.log.vocabulary.texts())
        whole = self.log.batch(0, len(self.log))
        object.__setattr__(self, "columns", {name: column.copy() for name, column in whole.columns.items()})
        object.__setattr__(self, "pristine", copy.deepcopy(self.knowledge))

    @cached_property
    def half(self) -> int:
        """Where the history ends and scoring begins."""
        return len(self.log) // 2

    @cached_property
    def history(self) -> EventBatch:
        """The first half of the log."""
        return self.log.batch(0, self.half)

    @cached_property
    def stream(self) -> EventBatch:
        """The second half of the log, as one batch."""
        return self.log.batch(self.half, len(self.log))

    def fitted(self, history: EventBatch | None = None) -> Detector:
        """A fresh detector, fitted with the knowledge that it asks for."""
        detector = self.make()
        detector.fit(self.history if history is None else history, self.known_to(detector))
        return detector

    def known_to(self, detector: Detector) -> Knowledge:
        """The knowledge limited to what the detector needs."""
        return self.knowledge.limited(detector.needs)

    @cached_property
    def scores(self) -> Array:
        """Scores of the stream in one batch."""
        return as_scores(self.fitted().score(self.stream))

    @cached_property
    def cost(self) -> float:
        """Processor time of scoring in batches of 1,000, as a multiple of what reading the same events once costs.

        Both are measured in turn, in this process, so that a slow or busy machine changes little.  What a detector
        waits for, such as a service, does not count.
        """
        log = sample_log(6000)
        detector = self.make()
        detector.fit(log.batch(0, 3000), self.known_to(detector))
        scoring = reading = 0.0
        for batch in log.batches(1000, 3000):
            began = time.process_time()
            for _ in range(_READINGS):
                _read(batch)
            middle = time.process_time()
            detector.score(batch)
            reading += (middle - began) / _READINGS
            scoring += time.process_time() - middle
        return scoring / reading


def _read(batch: EventBatch) -> int:
    """The yardstick of `cost`: a plain loop that reads every event once."""
    known = 0
    for event in batch:
        facts = (event.identity, event.service, event.operation, event.access, event.resource, event.project)
        known += len(facts) - facts.count(None)
    return known


def as_scores(scores: object) -> Array:
    """Scores as an array; raises `TypeError` if they are no numbers."""
    array = np.asarray(scores)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"scores must be real numbers, not {array.dtype}: expected floats, NaN to abstain")
    return array.astype(np.float64)


def own_copy(batch: EventBatch) -> EventBatch:
    """The batch with copies of its columns."""
    return EventBatch({n: c.copy() for n, c in batch.columns.items()}, batch.vocabulary, batch.seen)


def with_other_future(candidate: Candidate, cut: int) -> EventBatch:
    """The stream with other events from row `cut` on: other values, some of names that did not exist before."""
    rng = np.random.default_rng(1)
    seen = candidate.log.batch(candidate.half, candidate.half + cut).seen
    texts = candidate.log.vocabulary.texts()
    names: dict[str, Iterable[str]] = {
        n: [*known[: seen.get(n, len(known))], *(f"other-{n}-{i}" for i in range(100))] for n, known in texts.items()
    }
    vocabulary = Vocabulary(names)
    columns: dict[str, Array] = {}
    for name, column in candidate.stream.columns.items():
        columns[name] = changed = column.copy()
        later = changed[cut:]
        if name in CODED:
            later[:] = rng.integers(0, len(vocabulary[name]), len(later))
        elif name == "arrived":
            later += np.cumsum(rng.integers(0, HOUR, len(later)))
        elif name == "time":
            later[:] = rng.permutation(later) + DAY
        else:
            later[:] = 3 * rng.permutation(later) + 1
    return EventBatch(columns, vocabulary)


def without(batch: EventBatch, gone: Iterable[str], absent: bool) -> EventBatch:
    """The batch without some columns (`absent`), or with nothing in them."""
    lacking = frozenset(gone) - frozenset(TIMES)
    columns: Mapping[str, Array] = {
        n: np.full_like(c, -1) if n in lacking else c for n, c in batch.columns.items() if not (absent and n in lacking)
    }
    return EventBatch(columns, batch.vocabulary, batch.seen)


def wrong_shape(scores: Array, length: int, what: str) -> str:
    """Empty if there is one finite (or NaN) score per event."""
    if scores.shape != (length,):
        return f"{what} gave scores of shape {scores.shape}: expected ({length},)"
    return f"{what} gave infinite scores: expected finite numbers or NaN" if np.isinf(scores).any() else ""


def difference(wanted: Array, found: Array, what: str) -> str:
    """Empty if the scores agree (apart from rounding)."""
    if wanted.shape != found.shape:
        return f"{what}: shapes {wanted.shape} and {found.shape}; expected the same"
    differ = ~np.isclose(wanted, found, rtol=1e-9, atol=1e-12, equal_nan=True)
    if not differ.any():
        return ""
    row = int(np.argmax(differ))
    first = f"first event {row} with {wanted[row]:g} against {found[row]:g}"
    return f"{what}: {int(differ.sum())} of {len(wanted)} events, {first}; expected the same"
