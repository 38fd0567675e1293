"""One-liners: rules of a single idea that nobody would call a detector, all in one table.

Those that look at no behaviour (only at traits: how old, silent and full something is, and what changes, is lost or is
issued again within it) must be at chance.  The five of `ATTACKS` found a third of all incidents in an early version of
this benchmark.  Each rule can be run as a detector: `OneLiner("task silent for long")`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scopedrift.detectors.base import Detector, Scores
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import column
from scopedrift.detectors.toolkit.hashing import mix, splitmix
from scopedrift.experiments.audit.trails import CREDENTIAL, ISSUANCE, SESSION, TASK, WORKLOAD, Group
from scopedrift.experiments.audit.traits import FOLLOWED, Traits, TraitTracker
from scopedrift.simulator.log.events import HOUR, MISSING, Array, EventBatch

TIE: Final = 1e-6
"""Ties are broken at random, by less than this, so that a rule with few distinct scores can spend a budget in part."""

Score = Callable[[Traits], Array]
Learn = Callable[[Traits, Knowledge], Score]
"""From the baseline window to a score of later events: 0 is inconspicuous."""


@dataclass(frozen=True)
class SimpleRule:
    """A rule of one idea."""

    learn: Learn
    behavioural: bool = True
    groups: tuple[Group, ...] = ()
    """The trails that it looks at."""


def _plain(score: Score) -> Learn:
    return lambda traits, knowledge: score


def _values(batch: EventBatch, name: str) -> Array:
    values = column(batch, name)
    return np.full(len(batch), MISSING) if values is None else values


def _is(name: str, text: str) -> SimpleRule:
    return SimpleRule(_plain(lambda traits: _values(traits.batch, name) == traits.batch.names(name).find(text)))


def _rare(*names: str) -> SimpleRule:
    """How rare a value, or several together, was in the baseline window; 1 if it was never there."""

    def keys(batch: EventBatch) -> Array:
        return mix(*(_values(batch, name) for name in names))

    def learn(history: Traits, knowledge: Knowledge) -> Score:
        known, counts = np.unique(keys(history.batch), return_counts=True)

        def score(traits: Traits) -> Array:
            wanted = keys(traits.batch)
            at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
            if not len(known):
                return np.ones(len(wanted))
            return np.where(known[at] == wanted, 1.0 / (1.0 + counts[at]), 1.0)

        return score

    return SimpleRule(learn)


def _changes(group: Group, *names: str) -> SimpleRule:
    """How many of some columns differ from what the group had."""

    def score(traits: Traits) -> Array:
        found = traits.steps[group].changed
        flags = [found[name] for name in names if name in found] or [np.zeros(len(traits.batch))]
        return np.asarray(np.sum(flags, axis=0))

    return SimpleRule(_plain(score), behavioural=False, groups=(group,))


def _lost(group: Group, name: str) -> SimpleRule:
    def score(traits: Traits) -> Array:
        return traits.steps[group].lost.get(name, np.zeros(len(traits.batch)))

    return SimpleRule(_plain(score), behavioural=False, groups=(group,))


def _beyond(group: Group, what: str, times: float = 1.0) -> SimpleRule:
    """An age, silence or fullness as a multiple of the greatest that the kind of task had in the baseline window."""

    def learn(history: Traits, knowledge: Knowledge) -> Score:
        kinds = _values(history.batch, "task_kind")
        most = np.ones(int(kinds.max(initial=MISSING)) + 2)
        np.maximum.at(most, kinds + 1, getattr(history.steps[group], what))

        def score(traits: Traits) -> Array:
            kinds = _values(traits.batch, "task_kind") + 1
            known = kinds < len(most)
            values = getattr(traits.steps[group], what) / most[np.where(known, kinds, 0)]
            return np.where(known & (values > times), np.log1p(values), 0.0)

        return score

    return SimpleRule(learn, behavioural=False, groups=(group,))


def _again(traits: Traits) -> Array:
    found = [flags for name, flags in traits.issued_again().items() if name.startswith("Fetch")]
    return np.asarray(np.any(found or [np.zeros(len(traits.batch))], axis=0))


def _outside_task(history: Traits, knowledge: Knowledge) -> Score:
    """Whether the declared intent of the event's kind of task leaves its operation out."""
    tools = knowledge.task_tools or {}

    def score(traits: Traits) -> Array:
        batch = traits.batch
        kind, operation = _values(batch, "task_kind"), _values(batch, "operation")
        kinds, operations = batch.names("task_kind"), batch.names("operation")
        pairs, place = np.unique(np.stack([kind, operation]), axis=1, return_inverse=True)

        def outside(kind: int, operation: int) -> bool:
            declared = tools.get(kinds[kind]) if kind >= 0 else None
            return declared is not None and operation >= 0 and operations[operation] not in declared

        return np.array([outside(*pair) for pair in pairs.T.tolist()], bool)[place.reshape(-1)]

    return score


ATTACKS: Final = (
    "nobody behind the task any more",
    "task silent for long",
    "task changes identity, address or principal",
    "credential fetched again",
    "task twice as old as any",
)
"""The rules of the review that attacked this benchmark."""

RULES: Final[Mapping[str, SimpleRule]] = {
    ATTACKS[0]: _lost(TASK, "on_behalf_of"),
    ATTACKS[1]: _beyond(TASK, "silence"),
    ATTACKS[2]: _changes(TASK, "identity", "source", "on_behalf_of"),
    ATTACKS[3]: SimpleRule(_plain(_again), behavioural=False, groups=(ISSUANCE,)),
    ATTACKS[4]: _beyond(TASK, "age", 2.0),
    "task fuller than any": _beyond(TASK, "fullness"),
    "task changes image": _changes(TASK, "image"),
    "task changes address": _changes(TASK, "source"),
    "task changes identity": _changes(TASK, "identity"),
    "credential changes address": _changes(CREDENTIAL, "source"),
    "credential changes identity or workload": _changes(CREDENTIAL, "identity", "workload"),
    "credential changes image": _changes(CREDENTIAL, "image"),
    "credential silent for long": _beyond(CREDENTIAL, "silence"),
    "credential older than any": _beyond(CREDENTIAL, "age"),
    "credential fuller than any": _beyond(CREDENTIAL, "fullness"),
    "workload silent for long": _beyond(WORKLOAD, "silence"),
    "workload changes identity": _changes(WORKLOAD, "identity"),
    "workload changes image": _changes(WORKLOAD, "image"),
    "session changes image": _changes(SESSION, "image"),
    "session changes workload": _changes(SESSION, "workload"),
    "session fuller than any": _beyond(SESSION, "fullness"),
    "arrives late": SimpleRule(_plain(lambda t: (t.batch["arrived"] - t.batch["time"]) / HOUR), behavioural=False),
    "without a task": SimpleRule(_plain(lambda t: _values(t.batch, "task") < 0), behavioural=False),
    "denied": _is("outcome", "denied"),
    "failed": _is("outcome", "error"),
    "many bytes": SimpleRule(_plain(lambda t: np.log1p(np.maximum(_values(t.batch, "bytes"), 0)))),
    "at night": SimpleRule(_plain(lambda t: t.batch["time"] // HOUR % 24 < 5)),
    "asks for credentials": _is("access", "auth"),
    "administers": _is("access", "admin"),
    "deletes": _is("access", "delete"),
    "creates": _is("access", "create"),
    "rare operation": _rare("operation"),
    "rare resource": _rare("resource"),
    "rare source": _rare("source"),
    "rare registry": _rare("registry"),
    "rare image": _rare("image"),
    "new operation of the identity": _rare("identity", "operation"),
    "new project of the identity": _rare("identity", "project"),
    "new source of the identity": _rare("identity", "source"),
    "new registry of the identity": _rare("identity", "registry"),
    "new operation of the kind of task": _rare("task_kind", "operation"),
    "new project of the kind of task": _rare("task_kind", "project"),
    "outside the task's tools": SimpleRule(_outside_task),
}
"""Every rule by name."""


@dataclass
class OneLiner(Detector):
    """A rule of the table as a detector."""

    rule: str
    needs = frozenset({"task_context"})
    _score: Score | None = field(default=None, init=False, repr=False)

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Follow the trails through the baseline window, and learn what the rule needs of it."""
        rule = RULES[self.rule]
        self._tracker = TraitTracker({group: FOLLOWED[group] for group in rule.groups})
        self._score = rule.learn(self._tracker.traits(history), knowledge)

    def score(self, batch: EventBatch) -> Scores:
        """The rule's score, ties broken at random."""
        assert self._score is not None
        return untied(self._score(self._tracker.traits(batch)), batch)


def untied(scores: Array, batch: EventBatch) -> Array:
    """Scores above 0, told from each other by a number that follows from the event alone."""
    drawn = splitmix(mix(*(_values(batch, name) for name in ("time", "arrived", "task", "credential", "resource"))))
    above = np.asarray(scores, float)
    return np.where(above > 0, above + TIE * (drawn >> np.uint64(11)) * 2.0**-53, 0.0)
