"""One-liners: rules of a single idea that nobody would call a detector.

If one of them solves a scenario, its results say nothing about detectors (Wu and Keogh's triviality).  Each is
judged as a detector would be: threshold at the alert budget from the calibration window, precision and recall
over incidents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.detectors.base import Detector, Scores
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.experiments.audit.subject import Row, Subject
from scopedrift.experiments.evaluation.evaluate import evaluate
from scopedrift.simulator.log.events import Array, EventBatch

SOLVED: Final = 0.9
"""Recall and precision at the alert budget from which a scenario counts as solved (assumed)."""


def _is(column: str, text: str) -> Callable[[EventBatch], Array]:
    return lambda batch: (batch[column] == batch.names(column).find(text)).astype(float)


@dataclass
class Stateless(Detector):
    """A score that is read off the event itself."""

    rule: Callable[[EventBatch], Array]

    def score(self, batch: EventBatch) -> Scores:
        """The rule's value."""
        return self.rule(batch)


@dataclass
class Rare(Detector):
    """How rare a value, or pair of values, was in the baseline window; 1 if it was never there."""

    columns: tuple[str, ...]

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Count."""
        keys, counts = np.unique(self._keys(history), return_counts=True)
        self._keys_known, self._counts = keys, counts

    def score(self, batch: EventBatch) -> Scores:
        """1 / (1 + how often)."""
        keys = self._keys(batch)
        at = np.minimum(np.searchsorted(self._keys_known, keys), max(len(self._keys_known) - 1, 0))
        known = len(self._keys_known) > 0 and self._keys_known[at] == keys
        return np.where(known, 1.0 / (1.0 + self._counts[at]), 1.0)

    def _keys(self, batch: EventBatch) -> Array:
        key = np.zeros(len(batch), np.int64)
        for name in self.columns:
            key = key * 3_000_017 + batch[name].astype(np.int64) + 1
        return key


@dataclass
class OutsideTask(Detector):
    """Whether the declared intent of the event's kind of task leaves its operation out."""

    needs = frozenset({"task_context"})

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Take the declarations."""
        self._tools = knowledge.task_tools or {}

    def score(self, batch: EventBatch) -> Scores:
        """1 where it does."""
        kinds, operations = batch.names("task_kind"), batch.names("operation")
        pairs = batch["task_kind"].astype(np.int64) * len(operations) + batch["operation"]
        known = (batch["task_kind"] >= 0) & (batch["operation"] >= 0)
        scores = np.zeros(len(batch))
        for pair in np.unique(pairs[known]).tolist():
            tools = self._tools.get(kinds[pair // len(operations)])
            if tools is not None and operations[pair % len(operations)] not in tools:
                scores[known & (pairs == pair)] = 1.0
        return scores


ONE_LINERS: Final[Mapping[str, Callable[[], Detector]]] = {
    "denied": lambda: Stateless(_is("outcome", "denied")),
    "failed": lambda: Stateless(_is("outcome", "error")),
    "many bytes": lambda: Stateless(lambda batch: batch["bytes"].astype(float)),
    "at night": lambda: Stateless(lambda batch: (batch["time"] // 3_600_000_000 % 24 < 5).astype(float)),
    "asks for credentials": lambda: Stateless(_is("access", "auth")),
    "administers": lambda: Stateless(_is("access", "admin")),
    "without a task": lambda: Stateless(lambda batch: (batch["task"] < 0).astype(float)),
    "rare operation": lambda: Rare(("operation",)),
    "rare resource": lambda: Rare(("resource",)),
    "rare source": lambda: Rare(("source",)),
    "rare registry": lambda: Rare(("registry",)),
    "new operation of the identity": lambda: Rare(("identity", "operation")),
    "new project of the identity": lambda: Rare(("identity", "project")),
    "new source of the identity": lambda: Rare(("identity", "source")),
    "outside the task's tools": OutsideTask,
}
"""Name and how to make it."""


def no_one_liner_solves_it(subject: Subject) -> Row:
    """No rule of one idea has high recall and high precision at the alert budget."""
    scores = {name: _judge(subject, make()) for name, make in ONE_LINERS.items()}
    best = max(scores, key=lambda name: min(scores[name]))
    solved = [name for name, found in scores.items() if min(found) >= SOLVED]
    seen = "; ".join(f"{n}: recall {scores[n][0]:.0%}, precision {scores[n][1]:.0%}" for n in solved or [best])
    return Row(
        "one-liners",
        "fail" if solved else "pass",
        f"{'solved by' if solved else 'the best of'} {len(solved or scores)}: {seen}",
        f"none with both at {SOLVED:.0%} or more",
    )


def _judge(subject: Subject, rule: Detector) -> tuple[float, float]:
    """Recall and precision over all worlds."""
    found = [evaluate(rule, world, name="one-liner").metrics for world in subject.worlds]
    incidents, detected, false = (
        sum(each[name] for each in found) for name in ("incidents", "detected", "false_positives")
    )
    return (detected / incidents if incidents else 0.0), (detected / (detected + false) if detected else 0.0)
