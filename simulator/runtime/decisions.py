"""The run-time policy decision point: each request is held against the declared scope before it is made.

A stage of a task asks for all that it may call as it begins.  `log` notes what it would deny, one record for each
kind of resource, in the stream `runtime` under the service `policy`.  `enforce` denies it: the refused
calls of a stage, and only those, end as denied.  An announced change updates the policy when it begins, an
unannounced one does not; an identity that no policy knows may do nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from scopedrift.scenarios.catalogue import ActivitySpec, Operation
from scopedrift.simulator.expansion.expand import DENIED, NORMAL, Recorder
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.log.events import MISSING, SECOND, registry_of
from scopedrift.simulator.world.policy import UNGUARDED, CalendarEntry, Deployment, Grant, Scope

if TYPE_CHECKING:
    from scopedrift.simulator.world.organisation import World

DECISIONS: Final = 1 << 40
"""Stage numbers from here on are decision records: 64 for each stage."""


class DecisionPoint:
    """Decides on every stage that is emitted, by `mode`: `log` or `enforce`."""

    def __init__(self, world: World, recorder: Recorder, mode: str, clock: Callable[[], int]) -> None:
        self._world = world
        self._recorder = recorder
        self._clock = clock
        self._enforce = mode == "enforce"
        self._scopes: dict[int, tuple[set[Grant], set[str]]] = {}
        self._coming: list[CalendarEntry] = []
        self._known: dict[tuple[int, int, int], tuple[int, ...]] = {}
        self._decision = world.activities.add(
            "policy/decision", ActivitySpec(sequence=("policy.decision",), spread="even")
        )

    def load(self, deployment: Deployment) -> None:
        """Take over the declared policy, and the changes that will update it."""
        codes = self._world.names["identity"]
        for name, scope in deployment.policy.items():
            self._allow(codes.find(name), scope)
        self._coming = sorted(deployment.calendar, key=lambda entry: entry.start, reverse=True)

    def emit(
        self,
        activity: int,
        actor: int,
        start: int,
        duration: int,
        count: int,
        job: int,
        stage: int,
        session: int = 0,
        anchor: int = 0,
        epoch: int = -1,
        outcome: int = NORMAL,
        truth: int = 0,
        behalf: int = MISSING,
        data: int = MISSING,
        span: int = 0,
        clump: int = 1,
    ) -> None:
        """`Recorder.emit`, decided upon."""
        self._update()
        refused = self._refused(activity, actor, data)
        if refused and self._enforce:
            outcome += self._recorder.refuse(refused)
        self._recorder.emit(
            activity, actor, start, duration, count, job, stage,
            session, anchor, epoch, outcome, truth, behalf, data, span, clump,
        )  # fmt: skip
        if refused and not self._enforce and count > 0:
            caller = self._world.actors[actor]
            asked = {self._pool(caller, self._world.operations.all[code].slot, data) for code in refused}
            for number, pool in enumerate(sorted(asked)):
                self._recorder.emit(
                    self._decision.code, self._world.actors.variant(actor, "request", pool), start,
                    min(duration, SECOND), 1, job, DECISIONS + 64 * stage + number, session, anchor, epoch,
                    DENIED, truth, behalf,
                )  # fmt: skip

    def denies(self, identity: int, operation: Operation, places: Iterable[str], registry: str | None) -> bool:
        """Whether it denies a call on resources of some projects, with an image from a registry, as things stand."""
        self._update()
        return self._enforce and not self._covers(identity, operation, places, registry)

    def _update(self) -> None:
        """Take over the announced changes that have begun."""
        codes = self._world.names["identity"]
        while self._coming and self._coming[-1].start <= self._clock():
            entry = self._coming.pop()
            for name in entry.identities or self._world.identities:
                self._allow(codes.find(name), Scope(entry.grants, entry.registries))
            self._known.clear()

    def _allow(self, identity: int, scope: Scope) -> None:
        grants, registries = self._scopes.setdefault(identity, (set(), set()))
        grants |= scope.grants
        registries |= scope.registries

    def _refused(self, activity: int, actor: int, data: int) -> tuple[int, ...]:
        """The operations of an activity that its caller may not call there."""
        case = (activity, actor, data)
        known = self._known.get(case)
        if known is None:
            caller = self._world.actors[actor]
            registry = registry_of(self._world.names["image"][caller.image]) if caller.image >= 0 else None
            refused = set()
            for operation in self._world.activities.coded(activity).operations:
                pool = self._pool(caller, operation.slot, data)
                places = self._world.projects_of(pool) or {self._world.names["project"][caller.project]}
                if not self._covers(caller.identity, operation, places, registry):
                    refused.add(self._world.operations.codes[operation.name])
            known = self._known[case] = tuple(sorted(refused))
        return known

    def _covers(self, identity: int, operation: Operation, places: Iterable[str], registry: str | None) -> bool:
        if operation.service in UNGUARDED:
            return True
        grants, registries = self._scopes.get(identity, (set(), set()))
        if operation.image and registry is not None and registry not in registries:
            return False
        return all(Grant(operation.service, operation.access, place) in grants for place in places)

    def _pool(self, caller: Actor, slot: str, data: int) -> int:
        return data if data >= 0 and slot == "dataset" else caller.pools.get(slot, MISSING)
