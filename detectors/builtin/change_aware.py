"""Change awareness: what the change calendar announces is discounted in another detector's scores.

An event is announced if it happens within a calendar entry's time, by an identity that the entry names (or any,
if it names none), and is what the entry newly allows: an access that its grants cover, or an image from one of
its registries; an entry that lists neither covers everything those identities do.  A discount never raises a score.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.loading import load
from scopedrift.detectors.toolkit.columns import column
from scopedrift.detectors.toolkit.memo import Facts, Memo
from scopedrift.simulator.log.events import HOUR, Array, EventBatch
from scopedrift.simulator.world.policy import CalendarEntry

_FACTS = ("identity", "service", "access", "project", "registry")


@dataclass
class ChangeAware(Detector):
    """Discounts announced changes in the scores of another detector."""

    detector: str = param("first-seen", doc="the detector whose scores are discounted")
    discount: float = param(0.1, 0.0, 1.0, doc="what is left of an announced event's score")
    margin: float = param(1.0, 0.0, 24.0, doc="hours by which a change may begin early or end late")

    name = "change-aware"
    needs = frozenset({"calendar"})

    def __post_init__(self) -> None:
        self._inner = load(self.detector)
        self.needs = frozenset({"calendar"}) | self._inner.needs

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Fits the inner detector and takes the calendar."""
        self._inner = load(self.detector)
        self._inner.fit(history, knowledge.limited(self._inner.needs))
        self._entries = [(entry, Memo(_FACTS, _Covers(entry), limit=100_000)) for entry in knowledge.calendar or ()]

    def score(self, batch: EventBatch) -> Scores:
        """The inner scores, discounted where the calendar explains the event."""
        scores = np.array(self._inner.score(batch), np.float64)
        announced = self._announced(batch) >= 0
        scores[announced] = np.minimum(scores[announced], scores[announced] * self.discount)
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """The inner explanation, and which announced change it may be."""
        reason = self._inner.explain(batch, row)
        entry = int(self._announced(batch)[row])
        return reason if entry < 0 else f"{reason} (announced: {self._entries[entry][0].kind})"

    def _announced(self, batch: EventBatch) -> Array:
        """The calendar entry that explains each event, or -1."""
        found = np.full(len(batch), -1)
        if not len(batch) or column(batch, "identity") is None:
            return found
        margin = round(self.margin * HOUR)
        time = batch["time"]
        first, last = int(time.min()), int(time.max())
        for number, (entry, covers) in enumerate(self._entries):
            if entry.start - margin > last or entry.end + margin < first:
                continue
            rows = np.flatnonzero((time >= entry.start - margin) & (time <= entry.end + margin))
            part = EventBatch({n: c[rows] for n, c in batch.columns.items()}, batch.vocabulary, batch.seen)
            found[rows[covers.values(part) > 0]] = number
        return found


class _Covers:
    """Whether a calendar entry explains an event."""

    def __init__(self, entry: CalendarEntry) -> None:
        self._entry = entry

    def __call__(self, facts: Facts) -> float:
        identity, service, access, project, registry = facts
        entry = self._entry
        if identity is None or (entry.identities and identity not in entry.identities):
            return 0.0
        if not entry.grants and not entry.registries:
            return 1.0
        if registry in entry.registries:
            return 1.0
        known = service or "", access or "", project or ""
        return float(any(grant.covers(*known) for grant in entry.grants))
