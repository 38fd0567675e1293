"""Ground truth, kept apart from the events and never given to a detector.

The truth table is sparse: one row for each event that an injection caused, by the event's position in the
log (order of arrival).  An event without a row is baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from scopedrift.simulator.log.events import Array

if TYPE_CHECKING:
    import pandas as pd

LABELS: Final = ("baseline", "benign_change", "scope_drift", "attack")
BASELINE, BENIGN_CHANGE, SCOPE_DRIFT, ATTACK = range(4)


@dataclass(frozen=True)
class StageTruth:
    """One stage of an incident as it happened.  Times are microseconds since 1970 UTC."""

    name: str
    technique: str
    started_at: int
    ended_at: int
    outcome: str
    """`success`, `denied`, `expired` (credential), `skipped`, or `horizon` (unfinished at the end)."""
    in_entitlement: bool
    """Whether permissions, the identity's own and those gained by earlier stages, cover everything that it tried."""
    in_scope: bool
    """Whether the declared scope (service, access, project, registry) covers it."""


@dataclass(frozen=True)
class Incident:
    """One injected instance of scope drift or of an attack chain: the unit of ground truth."""

    id: str
    label: str
    """`scope_drift` or `attack`."""
    template: str
    """Id of the chain or drift in the catalogue."""
    identity: str
    """The identity that acts first; a chain may move on to others."""
    workload: str
    family: str
    strength: float
    intent_at: int
    first_observable_at: int = -1
    """Event time of the first event of its stages; delay counts from here.  -1 without events."""
    impact_at: int = -1
    """When the stage that reaches its objective began; -1 if it never did."""
    ended_at: int = -1
    end_reason: str = ""
    """`completed`, `denied`, `expired`, `contained`, `horizon`, or `no victim`: nobody whom it could begin from."""
    stages: tuple[StageTruth, ...] = ()
    primed_at: int = -1
    """Event time of its first event that primed the baseline (stage -1); -1 without priming."""
    time_scale: float = 1.0
    """Factor that fits its waits of an hour or more into the test window; 1: as published."""
    enough: bool = True
    """Whether as much of it happened as its template says is needed to catch it."""

    @property
    def techniques(self) -> tuple[str, ...]:
        """What it did, in order of first use: names in the catalogue, which holds the standards' ids of each."""
        return tuple(dict.fromkeys(stage.technique for stage in self.stages if stage.outcome != "skipped"))

    @property
    def in_entitlement(self) -> bool:
        """Whether every stage stayed inside what the permissions allow."""
        return all(stage.in_entitlement for stage in self.stages)

    @property
    def in_scope(self) -> bool:
        """Whether every stage stayed inside the declared scope (service, access and project)."""
        return all(stage.in_scope for stage in self.stages)


@dataclass(frozen=True)
class BenignChange:
    """One sanctioned change of behaviour."""

    id: str
    kind: str
    start: int
    end: int
    announced: bool
    identities: tuple[str, ...]


@dataclass(frozen=True)
class Truth:
    """Which events were injected, and by what."""

    event: Array = field(default_factory=lambda: np.empty(0, np.int64))
    """Positions of the injected events in the log, ascending."""
    label: Array = field(default_factory=lambda: np.empty(0, np.int8))
    """Index into `LABELS`."""
    incident: Array = field(default_factory=lambda: np.empty(0, np.int32))
    """Index into `incidents`, or into `changes` where the label is benign_change."""
    stage: Array = field(default_factory=lambda: np.empty(0, np.int16))
    """Position of the stage in its incident; -1: before its stages, to prime the baseline."""
    technique: Array = field(default_factory=lambda: np.empty(0, np.int16))
    """Index into `techniques`, or -1."""
    techniques: tuple[str, ...] = ()
    incidents: tuple[Incident, ...] = ()
    changes: tuple[BenignChange, ...] = ()

    def frame(self) -> pd.DataFrame:
        """A pandas table, one row for each injected event, indexed by its position in the log (`event`).

        Columns: `label`, `incident` (id of the incident or benign change), `stage` (its position in the incident, -1
        before the first) and `technique`.
        """
        import pandas as pd

        owners = [[change.id for change in self.changes], [incident.id for incident in self.incidents]]
        rows = zip((self.label != BENIGN_CHANGE).tolist(), self.incident.tolist(), strict=True)
        texts = {
            "label": [LABELS[label] for label in self.label.tolist()],
            "incident": [owners[injected][at] for injected, at in rows],
            "stage": self.stage,
            "technique": [self.techniques[at] if at >= 0 else None for at in self.technique.tolist()],
        }
        table = pd.DataFrame(texts, index=pd.Index(self.event, name="event"))
        return table.astype(dict.fromkeys(("label", "incident", "technique"), "category"))

    def incidents_frame(self) -> pd.DataFrame:
        """A pandas table, one row for each incident: the fields of `Incident`, with UTC times (missing: NaT)."""
        return _frame([{**vars(each), "stages": len(each.stages)} for each in self.incidents], Incident)

    def changes_frame(self) -> pd.DataFrame:
        """A pandas table, one row for each benign change: the fields of `BenignChange`, with UTC times."""
        return _frame([{**vars(each), "identities": len(each.identities)} for each in self.changes], BenignChange)

    def labels(self, start: int, stop: int) -> Array:
        """The label (index into `LABELS`) of each event from position `start` to `stop`."""
        dense = np.zeros(stop - start, np.int8)
        first, last = np.searchsorted(self.event, [start, stop])
        dense[self.event[first:last] - start] = self.label[first:last]
        return dense

    def incident_of(self, start: int, stop: int) -> Array:
        """For each event from `start` to `stop`: the index of its incident, or -1 (benign changes: -1)."""
        return self._owners(start, stop, self.label >= SCOPE_DRIFT)

    def change_of(self, start: int, stop: int) -> Array:
        """For each event from `start` to `stop`: the index of its benign change, or -1."""
        return self._owners(start, stop, self.label == BENIGN_CHANGE)

    def _owners(self, start: int, stop: int, rows: Array) -> Array:
        dense = np.full(stop - start, -1, np.int32)
        rows = rows & (self.event >= start) & (self.event < stop)
        dense[self.event[rows] - start] = self.incident[rows]
        return dense


def _frame(rows: list[dict[str, object]], kind: type[Incident | BenignChange]) -> pd.DataFrame:
    import pandas as pd

    table = pd.DataFrame(rows, columns=[field.name for field in fields(kind)])
    for name in table.columns:
        if name.endswith("_at") or name in ("start", "end"):
            table[name] = pd.to_datetime(table[name].where(table[name] >= 0), unit="us", utc=True)
    return table
