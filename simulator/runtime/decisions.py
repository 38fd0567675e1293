"""The run-time policy decision point: each stage is checked against the declared scope before it is recorded.

It is a filter on stage rows.  In mode `log`, a row passes and is followed by a record of each kind of resource that
the policy would deny, in the stream `runtime` under the service `policy`.  In mode `enforce`, the calls that the
policy denies, and only those, end as denied.  An announced change updates the policy when it begins, an unannounced
one does not; an identity that no policy knows may do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec.structs import replace

from scopedrift.scenarios.catalogue import ActivitySpec, Operation
from scopedrift.simulator.expansion.numbers import DECISIONS
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.expansion.rows import DENIED, StageRow
from scopedrift.simulator.expansion.tables import Actor
from scopedrift.simulator.log.events import MISSING, SECOND, registry_of
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import UNGUARDED, CalendarEntry, Deployment, Grant, Scope

PER_STAGE: Final = 64
"""Numbers of decisions on one stage."""


class DecisionPoint:
    """Decides on every stage, by `mode`: `log` or `enforce`."""

    def __init__(self, world: SimulatedWorld, recorder: Recorder, mode: str) -> None:
        self._world = world
        self._recorder = recorder
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

    def decide(self, row: StageRow, now: int) -> list[StageRow]:
        """The rows to record for a stage that is asked for at the time `now`."""
        self._update(now)
        refused = self._refused(row)
        if not refused:
            return [row]
        if self._enforce:
            return [replace(row, refused=self._recorder.refuse(refused))]
        return [row, *self._denials(row, refused)] if row.events > 0 else []

    def denies(
        self, identity: int, operation: Operation, places: Iterable[str], registry: str | None, now: int
    ) -> bool:
        """Whether it denies a call on resources of some projects, with an image from a registry, at the time `now`."""
        self._update(now)
        return self._enforce and not self._covers(identity, operation, places, registry)

    def _denials(self, row: StageRow, refused: Iterable[int]) -> Iterator[StageRow]:
        """A record for each kind of resource that an operation is refused on."""
        caller = self._world.actors[row.holder.actor]
        asked = {self._pool(caller, self._world.operations.all[code].slot, row.data) for code in refused}
        for number, pool in enumerate(sorted(asked)):
            yield replace(
                row,
                activity=self._decision.code,
                holder=replace(row.holder, actor=self._world.actors.variant(row.holder.actor, "request", pool)),
                duration=min(row.duration, SECOND),
                events=1,
                stage=DECISIONS.at(PER_STAGE * row.stage + number),
                outcome=DENIED,
                data=MISSING,
                span=0,
                clump=1,
            )

    def _update(self, now: int) -> None:
        """Take over the announced changes that have begun."""
        codes = self._world.names["identity"]
        while self._coming and self._coming[-1].start <= now:
            entry = self._coming.pop()
            for name in entry.identities or self._world.identities:
                self._allow(codes.find(name), Scope(entry.grants, entry.registries))
            self._known.clear()

    def _allow(self, identity: int, scope: Scope) -> None:
        grants, registries = self._scopes.setdefault(identity, (set(), set()))
        grants |= scope.grants
        registries |= scope.registries

    def _refused(self, row: StageRow) -> tuple[int, ...]:
        """The operations of a stage that its caller may not call there."""
        case = (row.activity, row.holder.actor, row.data)
        known = self._known.get(case)
        if known is None:
            caller = self._world.actors[row.holder.actor]
            registry = registry_of(self._world.names["image"][caller.image]) if caller.image >= 0 else None
            refused = set()
            for operation in self._world.activities.coded(row.activity).operations:
                pool = self._pool(caller, operation.slot, row.data)
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
