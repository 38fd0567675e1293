"""The ledger of injections: what each event's truth code means, and when each incident could first be seen."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scopedrift.simulator.log.events import MISSING, Array
from scopedrift.simulator.log.truth import LABELS, BenignChange, Incident, StageTruth, Truth
from scopedrift.simulator.world.organisation import World


@dataclass
class OpenIncident:
    """An incident while it runs: its truth so far."""

    record: Incident
    index: int
    stages: list[StageTruth] = field(default_factory=list)


class Ledger:
    """Hands out truth codes, collects the truth, and keeps it apart from the events."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._codes: dict[tuple[int, int, int, int], int] = {}
        self._meaning: list[tuple[int, int, int, int]] = [(0, MISSING, MISSING, MISSING)]
        self._techniques: dict[str, int] = {}
        self._incidents: list[OpenIncident] = []
        self._changes: list[BenignChange] = []
        self._positions: list[Array] = []
        self._noted: list[Array] = []
        self._first: dict[tuple[int, bool], int] = {}

    def code(self, label: str, index: int, stage: int = MISSING, technique: str = "") -> int:
        """The truth code of events that an injection causes."""
        number = MISSING
        if technique:
            number = self._techniques.setdefault(technique, len(self._techniques))
        meaning = (LABELS.index(label), index, stage, number)
        code = self._codes.get(meaning)
        if code is None:
            code = self._codes[meaning] = len(self._meaning)
            self._meaning.append(meaning)
        return code

    def open_incident(self, record: Incident) -> OpenIncident:
        """Begin the truth of an incident."""
        incident = OpenIncident(record, len(self._incidents))
        self._incidents.append(incident)
        return incident

    def add_change(self, change: BenignChange) -> int:
        """Note a benign change; returns its index."""
        self._changes.append(change)
        return len(self._changes) - 1

    def note(self, offset: int, times: Array, truth: Array) -> None:
        """Take the truth codes of a window that begins at position `offset` of the log."""
        at = np.flatnonzero(truth)
        if not len(at):
            return
        codes = truth[at]
        self._positions.append(at + offset)
        self._noted.append(codes)
        for code in np.unique(codes).tolist():
            label, index, stage, _ = self._meaning[code]
            if label >= LABELS.index("scope_drift"):
                first, case = int(times[at[codes == code]].min()), (index, stage == MISSING)
                self._first[case] = min(self._first.get(case, first), first)

    def truth(self) -> Truth:
        """Everything that was noted, once the simulation is over."""
        meaning = np.array(self._meaning, np.int64)
        positions = np.concatenate([np.empty(0, np.int64), *self._positions])
        codes = np.concatenate([np.empty(0, np.int64), *self._noted]).astype(np.int64)
        incidents = []
        for each in self._incidents:
            end = each.record.ended_at if each.record.ended_at >= 0 else self._world.scenario.end_us
            reason = each.record.end_reason or "horizon"
            record = replace(
                each.record,
                ended_at=end,
                end_reason=reason,
                first_observable_at=self._first.get((each.index, False), MISSING),
                primed_at=self._first.get((each.index, True), MISSING),
                stages=tuple(s if s.outcome != "skipped" and s.ended_at >= 0 else _closed(s, end) for s in each.stages),
            )
            incidents.append(record)
        return Truth(
            event=positions,
            label=meaning[codes, 0].astype(np.int8),
            incident=meaning[codes, 1].astype(np.int32),
            stage=meaning[codes, 2].astype(np.int16),
            technique=meaning[codes, 3].astype(np.int16),
            techniques=tuple(self._techniques),
            incidents=tuple(incidents),
            changes=tuple(self._changes),
        )


def _closed(stage: StageTruth, end: int) -> StageTruth:
    """A stage without an end of its own: it was skipped, or is not over at the end of the simulation."""
    return replace(stage, ended_at=stage.started_at if stage.outcome == "skipped" else end)
