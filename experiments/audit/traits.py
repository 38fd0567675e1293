"""What can be told of every event without looking at what it does: its traits.

Traits are the age, silence and fullness of its task, session, credential and workload, what changed or was lost within
them, what is missing, and whether its credential was issued before.  Operation, resource, outcome and bytes, and what
follows from them (service, access, project, registry), are behaviour and no part of a trait.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np

from scopedrift.experiments.audit.trails import CREDENTIAL, ISSUANCE, SESSION, TASK, WORKLOAD, Group, Steps, Trail
from scopedrift.simulator.log.events import DAY, SECOND, Array, EventBatch

FOLLOWED: Final[Mapping[Group, tuple[str, ...]]] = {
    TASK: ("identity", "credential_kind", "workload", "task_kind", "on_behalf_of", "image", "source"),
    CREDENTIAL: ("identity", "credential_kind", "workload", "task_kind", "on_behalf_of", "image", "source"),
    SESSION: ("credential_kind", "workload", "task_kind", "on_behalf_of", "image", "task"),
    WORKLOAD: ("identity", "credential_kind", "task_kind", "on_behalf_of", "image", "source", "task"),
    ISSUANCE: (),
}
"""The groups, and the columns that ought to be as constant in them for incidents as for benign work."""
PRESENCE: Final = ("identity", "credential", "credential_kind", "workload", "task", "task_kind", "on_behalf_of")
"""Columns that a record may lack for reasons other than its operation."""
LOOKED_AT: Final = ("time", "stream", "operation", *dict.fromkeys((*PRESENCE, "image", "source")))
"""Columns that traits are made of."""

REPEATED: Final = 15 * SECOND
"""A credential that is issued again within this time was delivered twice, or asked for again at once (assumed)."""

OLD: Final = 7 * DAY
"""What is older counts as so old: what was there before the log has the age of the log, which only tells the time."""

Family = Literal["change", "missing", "length", "volume"]
"""How many calls a session, credential or workload makes is its *volume*: of these, only a task ends by itself."""


@dataclass(frozen=True)
class Traits:
    """The traits of consecutive events."""

    batch: EventBatch
    steps: Mapping[Group, Steps]

    @classmethod
    def of(cls, batch: EventBatch) -> Traits:
        """The traits of a whole log, or of its beginning."""
        return TraitTracker().traits(batch)

    def slice(self, start: int, stop: int) -> Traits:
        """Those of the events from `start` to `stop`."""
        return Traits(self.batch.slice(start, stop), {g: s.slice(start, stop) for g, s in self.steps.items()})

    @cached_property
    def columns(self) -> dict[str, tuple[Family, Array]]:
        """Every trait by name, with its family: a flag, or a number of microseconds or events."""
        found: dict[str, tuple[Family, Array]] = {}
        for group, steps in self.steps.items():
            if group is not ISSUANCE:
                found[f"{group.name}: age"] = ("length", np.minimum(steps.age, OLD))
                found[f"{group.name}: silence"] = ("length", steps.silence)
                found[f"{group.name}: fullness"] = ("length" if group is TASK else "volume", steps.fullness)
            found |= {f"{group.name}: {name} changes": ("change", flags) for name, flags in steps.changed.items()}
            gone = {name: flags for name, flags in steps.lost.items() if name in PRESENCE}
            found |= {f"{group.name}: {name} lost": ("change", flags) for name, flags in gone.items()}
        found |= {name: ("change", flags) for name, flags in self.issued_again().items()}
        held = [name for name in PRESENCE if name in self.batch.columns]
        return found | {f"{name} missing": ("missing", self.batch[name] < 0) for name in held}

    def issued_again(self) -> dict[str, Array]:
        """By kind of issuance: the events that issue a credential which was issued before."""
        steps = self.steps.get(ISSUANCE)
        if steps is None or "operation" not in self.batch.columns:
            return {}
        again, operation = (steps.fullness > 0) & (steps.silence > REPEATED), self.batch["operation"]
        names = self.batch.names("operation")
        kinds = np.unique(operation[again]).tolist()
        return {f"{names[code]} of the same credential again": again & (operation == code) for code in kinds}


class TraitTracker:
    """The traits of a stream, batch by batch."""

    def __init__(self, groups: Mapping[Group, tuple[str, ...]] = FOLLOWED) -> None:
        self._trails = {group: Trail(group, followed) for group, followed in groups.items()}

    def traits(self, batch: EventBatch) -> Traits:
        """The traits of the next events."""
        return Traits(batch, {group: trail.follow(batch) for group, trail in self._trails.items()})
