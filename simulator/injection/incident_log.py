"""The incident log: what each event's truth code means, and when each incident could first be seen.

Whatever is injected, into a simulated world or a real log, marks its events with a code of this log; the truth is
made of it once all events have their places.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from scopedrift.scenarios.catalogue import Enough
from scopedrift.simulator.log.events import MISSING, Array
from scopedrift.simulator.log.truth import LABELS, BenignChange, Incident, StageTruth, Truth


@dataclass
class OpenIncident:
    """An incident while it runs: its truth so far.  Times are microseconds since 1970 UTC."""

    record: Incident
    index: int
    enough: Enough
    stages: list[StageTruth] = field(default_factory=list)

    def begin(self, stage: str, technique: str, now: int, outcome: str = "horizon") -> None:
        """A stage begins; what is not over by the horizon keeps that outcome."""
        self.stages.append(StageTruth(stage, technique, now, MISSING, outcome, True, True))

    def tried(self, in_entitlement: bool, in_scope: bool) -> None:
        """The stage tried something: whether permissions cover all of it, and whether the declared scope does."""
        stage = self.stages[-1]
        self.stages[-1] = replace(
            stage, in_entitlement=stage.in_entitlement and in_entitlement, in_scope=stage.in_scope and in_scope
        )

    def over(self, now: int, outcome: str) -> None:
        """The stage is over."""
        self.stages[-1] = replace(self.stages[-1], ended_at=now, outcome=outcome)


class IncidentLog:
    """Hands out truth codes, collects the truth, and keeps it apart from the events."""

    def __init__(self, end: int, known: Truth | None = None) -> None:
        """Incidents that are not over by `end` end there; `known` is the truth of a log that has some already."""
        self._end = end
        self._known = known or Truth()
        self._codes: dict[tuple[int, int, int, int], int] = {}
        self._meaning: list[tuple[int, int, int, int]] = [(0, MISSING, MISSING, MISSING)]
        self._techniques = {name: number for number, name in enumerate(self._known.techniques)}
        self._incidents: list[OpenIncident] = []
        self._changes: list[BenignChange] = []
        self._positions: list[Array] = []
        self._noted: list[Array] = []
        self._first: dict[tuple[int, bool], int] = {}
        self._counts: dict[int, Counter[int]] = {}

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

    def open_incident(self, record: Incident, enough: Enough) -> OpenIncident:
        """Begin the truth of an incident, and say how much of it has to happen."""
        incident = OpenIncident(record, len(self._known.incidents) + len(self._incidents), enough)
        self._incidents.append(incident)
        return incident

    def withdraw(self) -> None:
        """The incident that was opened last did not take place."""
        self._incidents.pop()

    def add_change(self, change: BenignChange) -> int:
        """Note a benign change; returns its index."""
        self._changes.append(change)
        return len(self._known.changes) + len(self._changes) - 1

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
                if stage != MISSING:
                    self._counts.setdefault(index, Counter())[stage] += int(np.count_nonzero(codes == code))

    def truth(self, moved: Array | None = None) -> Truth:
        """Everything that was noted, once all is over; events that were known before are now at `moved`."""
        known = self._known
        meaning = np.array(self._meaning, np.int64)
        codes = np.concatenate([np.empty(0, np.int64), *self._noted]).astype(np.int64)
        event = np.concatenate([known.event if moved is None else moved, *self._positions])
        order = np.argsort(event, kind="stable")
        columns = {
            name: np.concatenate([old, meaning[codes, place].astype(old.dtype)])[order]
            for place, name in enumerate(("label", "incident", "stage", "technique"))
            for old in [getattr(known, name)]
        }
        return Truth(
            event=event[order],
            **columns,
            techniques=tuple(self._techniques),
            incidents=(*known.incidents, *map(self._closed, self._incidents)),
            changes=(*known.changes, *self._changes),
        )

    def _closed(self, incident: OpenIncident) -> Incident:
        record = incident.record
        end = record.ended_at if record.ended_at >= 0 else self._end
        counts, needed = self._counts.get(incident.index, Counter()), incident.enough
        return replace(
            record,
            ended_at=end,
            end_reason=record.end_reason or "horizon",
            first_observable_at=self._first.get((incident.index, False), MISSING),
            primed_at=self._first.get((incident.index, True), MISSING),
            enough=len(counts) >= needed.stages and counts.total() >= needed.events,
            stages=tuple(stage if stage.ended_at >= 0 else _closed(stage, end) for stage in incident.stages),
        )


def _closed(stage: StageTruth, end: int) -> StageTruth:
    """A stage without an end of its own: it was skipped, or is not over at the end of the simulation."""
    return replace(stage, ended_at=stage.started_at if stage.outcome == "skipped" else end)
