"""Task context: an operation is compared with what the declared purpose of its task needs.

A task says what it is for (its kind), and the platform knows which operations that kind needs.  An operation
outside that list is scored by what it could do; what the baseline did outside the lists already counts less,
since lists are incomplete, and so does what was denied.  Events without a known purpose are not judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors._columns import texts
from scopedrift.detectors._memo import Facts, Memo
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.events import EventBatch

_FACTS = ("task_kind", "operation", "access", "outcome")
_HABITS = ("task_kind", "operation", "identity")
_ACCESS = {"read": 0.2, "auth": 0.5, "write": 0.4, "create": 0.5, "delete": 0.5, "admin": 0.7}


@dataclass
class TaskContext(Detector):
    """Scores operations that the declared purpose of their task does not need."""

    habit: float = param(0.3, 0.0, 1.0, doc="weight of an operation that this kind of task did in the baseline")
    known: float = param(0.1, 0.0, 1.0, doc="the same, if this very identity did it in such a task")
    denied: float = param(0.6, 0.0, 1.0, doc="weight of an attempt that was denied or failed")

    name = "task-context"
    needs = frozenset({"task_context"})

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Takes the allowed operations and notes which others were habits."""
        self._tools = knowledge.task_tools or {}
        self._outside = Memo(_FACTS, self._distance)
        self._habit = Memo(_HABITS, self._discount)
        self._kinds: set[tuple[str | None, str | None]] = set()
        self._pairs: set[Facts] = set()
        Memo(_HABITS, self._note).values(history)

    def score(self, batch: EventBatch) -> Scores:
        """Zero for what the task needs, up to 1.7 for what it does not; abstains without a known purpose."""
        return np.asarray(self._outside.values(batch) * self._habit.values(batch))

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names purpose and operation."""
        kind, operation, _, outcome = texts(batch, _FACTS, np.array([row]))[0]
        needed = ", ".join(sorted(self._tools.get(kind or "", ()))[:5])
        return f"{operation} ({outcome or 'unknown outcome'}) is not what a {kind} task is for: it needs {needed}"

    def _note(self, facts: Facts) -> float:
        self._kinds.add((facts[0], facts[1]))
        self._pairs.add(facts)
        return 0.0

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
        if facts in self._pairs:
            return self.known
        return self.habit if (facts[0], facts[1]) in self._kinds else 1.0
