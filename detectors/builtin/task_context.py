"""Task context: an operation is compared with what the declared purpose of its task needs.

A task says what it is for (its kind), and the platform knows which operations that kind needs.  An operation
outside that list is scored by what it could do; what such tasks did outside the lists on earlier days counts less,
since lists are incomplete, and so does what was denied; what few identities do at all counts more.  Events without a
known purpose are not judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import chunks, segments, texts
from scopedrift.detectors.toolkit.memo import Facts, Memo
from scopedrift.detectors.toolkit.prevalence import Prevalence
from scopedrift.simulator.log.events import DAY, EventBatch

_FACTS = ("task_kind", "operation", "access", "outcome")
_HABITS = ("task_kind", "operation", "identity", "outcome")
_ACCESS = {"read": 0.2, "auth": 0.5, "write": 0.4, "create": 0.5, "delete": 0.5, "admin": 0.7}


@dataclass
class TaskContext(Detector):
    """Scores operations that the declared purpose of their task does not need."""

    habit: float = param(0.3, 0.0, 1.0, doc="weight of an operation that such tasks did before")
    known: float = param(0.1, 0.0, 1.0, doc="the same, if this very identity did")
    denied: float = param(0.6, 0.0, 1.0, doc="weight of an attempt that was denied or failed")

    rare: float = param(0.3, 0.0, 1.0, doc="weight of how few identities do the operation at all, in bits")

    name = "task-context"
    needs = frozenset({"task_context"})

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Takes the needed operations and notes which others were habits."""
        self._tools = knowledge.task_tools or {}
        self._outside = Memo(_FACTS, self._distance)
        self._habit = Memo(_HABITS, self._discount)
        self._kinds: set[tuple[str | None, str | None]] = set()
        self._pairs: set[Facts] = set()
        self._today: set[Facts] = set()
        self._users = Prevalence()
        self._day = -1
        for part in chunks(history):
            self.score(part)
        self._settle()

    def score(self, batch: EventBatch) -> Scores:
        """Zero for what the task needs, more for what it does not; abstains without a known purpose."""
        scores = np.empty(len(batch))
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._day:
                self._settle()
                self._day = day
            part = batch.slice(start, stop)
            scores[start:stop] = self._outside.values(part) * self._habit.values(part)
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names purpose and operation."""
        kind, operation, _, outcome = texts(batch, _FACTS, np.array([row]))[0]
        needed = ", ".join(sorted(self._tools.get(kind or "", ()))[:5])
        return f"{operation} ({outcome or 'unknown outcome'}) is not what a {kind} task is for: it needs {needed}"

    def _settle(self) -> None:
        """At the end of a day, its violations become habits."""
        self._pairs |= self._today
        self._kinds |= {(kind, operation) for kind, operation, _ in self._today}
        self._today = set()
        self._users.settle()
        self._habit.forget()

    def _distance(self, facts: Facts) -> float:
        kind, operation, access, outcome = facts
        needed = self._tools.get(kind) if kind is not None else None
        if needed is None or operation is None:
            return float("nan")
        if operation in needed:
            return 0.0
        score = 1.0 + _ACCESS.get(access or "", 0.3)
        return score if outcome in (None, "success") else score * self.denied

    def _discount(self, facts: Facts) -> float:
        kind, operation, identity, outcome = facts
        succeeded = outcome in (None, "success")
        if succeeded:  # what was refused was not done, and makes no habit
            self._users.note(identity, operation)
        needed = self._tools.get(kind) if kind is not None else None
        if needed is None or operation in needed:
            return 1.0
        if succeeded:
            self._today.add((kind, operation, identity))
        rare = 1.0 + self.rare * self._users.bits(operation)
        if (kind, operation, identity) in self._pairs:
            return self.known * rare
        return (self.habit if (kind, operation) in self._kinds else 1.0) * rare
