"""Declared policy: every access is compared with what the identity was declared to do.

Policy-as-code in its plain form: a scope is a set of grants (service, access, project; `*` for any) and of
image registries.  An access that no grant covers is scored by how far out it lies: another kind of access to
a known resource area, an adjacent project, a foreign service, or neither.  What was done out of scope on earlier
days counts less, and so does what was denied; what few identities do at all (this access to this service in this
project) counts more.  Each distinct combination is evaluated once a day and remembered by its codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import chunks, column, segments, texts
from scopedrift.detectors.toolkit.memo import Facts, Memo
from scopedrift.detectors.toolkit.prevalence import Prevalence
from scopedrift.simulator.log.events import DAY, EventBatch
from scopedrift.simulator.world.policy import ANY, Scope

_FACTS = ("identity", "service", "access", "project", "registry", "outcome")
_ACCESS = {"read": 0.0, "auth": 0.03, "write": 0.05, "create": 0.07, "delete": 0.09, "admin": 0.11}


@dataclass
class DeclaredPolicy(Detector):
    """Scores accesses outside the identity's declared scope, by how far outside they are."""

    habit: float = param(0.3, 0.0, 1.0, doc="weight of a violation that earlier days already showed")
    denied: float = param(0.6, 0.0, 1.0, doc="weight of an attempt that was denied or failed")
    unknown_identity: float = param(0.5, 0.0, 1.0, doc="score of an identity without a declared scope")
    rare: float = param(0.3, 0.0, 1.0, doc="weight of how few identities do such a thing at all, in bits")
    registry: float = param(0.8, 0.0, 2.0, doc="score of an image from a registry outside the scope")

    name = "declared-policy"
    needs = frozenset({"policy"})

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Takes the policy and notes which violations are already habits."""
        self._policy = knowledge.policy
        self._habits: set[Facts] = set()
        self._today: set[Facts] = set()
        self._users = Prevalence()
        self._memo = Memo(_FACTS, self._evaluate)
        self._day = -1
        for part in chunks(history):
            self.score(part)
        self._settle()

    def score(self, batch: EventBatch) -> Scores:
        """Zero inside the scope, more outside; abstains on events that the policy cannot judge."""
        if not self._policy or column(batch, "identity") is None:
            return np.full(len(batch), np.nan)
        scores = np.empty(len(batch))
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._day:
                self._settle()
                self._day = day
            scores[start:stop] = self._memo.values(batch.slice(start, stop))
        return scores

    def _settle(self) -> None:
        """At the end of a day, its violations become habits."""
        self._habits |= self._today
        self._today = set()
        self._users.settle()
        self._memo.forget()

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names what no grant covers."""
        facts = texts(batch, _FACTS, np.array([row]))[0]
        identity, service, access, project, registry, outcome = facts
        scope = (self._policy or {}).get(identity or "")
        if scope is None:
            return f"{identity} has no declared scope"
        reasons = []
        if _distance(scope, service, access, project):
            reasons.append(f"{access or 'an access'} on {service or 'a service'} in {project or 'some project'}")
        if registry is not None and registry not in scope.registries:
            reasons.append(f"an image from {registry}")
        habit = ", as on earlier days" if facts[:-1] in self._habits else ""
        how = f"{outcome or 'unknown outcome'}{habit}"
        return f"outside the declared scope of {identity}: {' and '.join(reasons)} ({how})"

    def _evaluate(self, facts: Facts) -> float:
        policy: Mapping[str, Scope] = self._policy or {}
        identity, service, access, project, registry, outcome = facts
        if identity is None:
            return float("nan")
        scope = policy.get(identity)
        if scope is None:
            score = self.unknown_identity
        else:
            score = _distance(scope, service, access, project)
            if registry is not None and registry not in scope.registries:
                score += self.registry
        succeeded = outcome in (None, "success")
        if succeeded:  # what was refused was not done, and makes no habit
            self._users.note(identity, facts[1:4])
        if score > 0:
            if succeeded:
                self._today.add(facts[:-1])
            score += _ACCESS.get(access or "", 0.0)
            score *= 1.0 + self.rare * self._users.bits(facts[1:4])
        score *= self.habit if facts[:-1] in self._habits else 1.0
        return score if succeeded else score * self.denied


def _distance(scope: Scope, service: str | None, access: str | None, project: str | None) -> float:
    """How far an access lies outside the scope (0: covered); a missing part is given the benefit of the doubt."""
    same_service = same_project = same_place = False
    for grant in scope.grants:
        at_service = service is None or grant.service in (ANY, service)
        at_project = project is None or grant.project in (ANY, project)
        if at_service and at_project:
            if access is None or grant.access in (ANY, access):
                return 0.0
            same_place = True
        same_service |= at_service
        same_project |= at_project
    if service is None and access is None and project is None:
        return 0.0  # nothing to judge: only an image, perhaps
    if same_place:
        return 0.4
    if same_service:
        return 0.6
    return 0.7 if same_project else 0.9
