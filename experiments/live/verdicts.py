"""What became of each alert of another system: counted or not, why, and what it is about.

An alert that points at no event, or was raised before its record existed, is not counted: no figure can hold it.  It is
not forgotten, either: the tables made here show each.  Of several records, an alert is about those that existed when it
was raised, and about no others: a list of what is still to come would find incidents before they begin.

Units: times in microseconds, -1 where there is none; positions count from the start of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from scopedrift.experiments.evaluation.matching import injected
from scopedrift.experiments.evaluation.tables import Row
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.experiments.live.alert_files import AlertDelivery
from scopedrift.experiments.live.alert_formats import OutsideAlert
from scopedrift.experiments.live.clock import TOLERANCE, Clock, judge_clock
from scopedrift.experiments.live.pointing import NOTHING, Pointed
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import MISSING, SECOND, Array
from scopedrift.simulator.log.truth import BENIGN_CHANGE, SCOPE_DRIFT

EARLY, LATE = "raised before its record existed", "raised after the world ended"
AHEAD = "some of its records did not exist yet"
REPEATED, UNREADABLE = "repeats another alert", "could not be read"
SEVERAL_WHO, SEVERAL_WHAT, RIVALS = "several identities", "several incidents", "other events fit as well"
WINDOWS: Final = ("baseline", "calibration", "test")
_BATCH: Final = 500_000


@dataclass(frozen=True)
class PointedEvents:
    """The events that alerts point at, or that fit as well; arrays have one entry an event."""

    position: Array
    """Ascending."""
    time: Array
    arrived: Array
    identity: Array
    incident: Array
    """Index of the incident that it belongs to, or -1."""
    label: Array

    @classmethod
    def of(cls, world: LabelledWorld, pointed: Sequence[Pointed]) -> PointedEvents:
        """Look up all that is needed of the events of a world that alerts point at."""
        position = np.unique([at for each in pointed for at in (*each.positions, *each.rivals)]).astype(np.int64)
        time, identity = _columns(world.log, position)
        label, injection = injected(world.truth, position)
        incident = np.where(label >= SCOPE_DRIFT, injection, -1)
        return cls(position, time, world.log.arrived[position], identity, incident, label)

    def rows(self, positions: Sequence[int]) -> Array:
        """The entries of some positions."""
        return np.searchsorted(self.position, np.asarray(positions, np.int64))


def _columns(log: EventLog, position: Array) -> tuple[Array, Array]:
    """Time and identity of the events at these positions."""
    times, people, begin = [np.empty(0, np.int64)], [np.empty(0, np.int32)], 0
    for batch in log.batches(_BATCH):
        first, last = np.searchsorted(position, [begin, begin + len(batch)])
        here = position[first:last] - begin
        times.append(batch["time"][here])
        people.append(batch["identity"][here] if "identity" in batch.columns else np.full(len(here), MISSING, np.int32))
        begin += len(batch)
    return np.concatenate(times), np.concatenate(people)


@dataclass(frozen=True)
class OutsideVerdict:
    """One alert, what it points at, and whether it is counted."""

    alert: OutsideAlert
    place: str
    pointed: Pointed
    happened: int
    """When the first event that it points at happened."""
    uncounted: str
    """Why it is in no figure; empty if it is."""
    doubts: tuple[str, ...] = ()
    """What is doubtful about when it was raised."""

    @property
    def outcome(self) -> str:
        """How it was matched, or why it is not counted."""
        return self.uncounted or self.pointed.by


def verdicts_of(
    delivery: AlertDelivery, pointed: Mapping[OutsideAlert, Pointed], events: PointedEvents, ended: int
) -> tuple[list[OutsideVerdict], Clock]:
    """The verdict on each alert, and what the times of all of them are worth; `ended` is the end of the test window."""
    times = {alert: events.time[events.rows(each.positions)] for alert, each in pointed.items() if each.positions}
    clock = judge_clock(
        np.array([alert.raised for alert in times], np.int64),
        np.array([each.min() for each in times.values()], np.int64),
        ended,
    )
    found = []
    for alert, place in delivery.alerts.items():
        each, told = pointed[alert], times.get(alert)
        if told is None:
            found.append(OutsideVerdict(alert, place, each, -1, NOTHING))
            continue
        first, timed, doubt = int(told.min()), clock.useful and alert.raised >= 0, []
        there = told <= alert.raised + TOLERANCE if timed else np.ones(len(told), bool)
        if there.any() and not there.all():
            doubt.append(AHEAD)
            each = replace(each, positions=tuple(np.asarray(each.positions)[there].tolist()))
        if timed and alert.raised > ended:
            doubt.append(LATE)
        found.append(OutsideVerdict(alert, place, each, first, "" if there.any() else EARLY, tuple(doubt)))
    return found, clock


def doubts(verdict: OutsideVerdict, events: PointedEvents) -> list[str]:
    """What is doubtful about what an alert points at."""
    rows, rivals = events.rows(verdict.pointed.positions), events.rows(verdict.pointed.rivals)
    incidents = set(events.incident[rows].tolist())
    several = len(set(events.identity[rows].tolist())) > 1
    unlike = bool(set(events.incident[rivals].tolist()) - incidents)
    return [
        *verdict.doubts,
        *([SEVERAL_WHO] if several else []),
        *([SEVERAL_WHAT] if len(incidents - {-1}) > 1 else []),
        *([RIVALS] if unlike else []),
    ]


@dataclass(frozen=True)
class Account:
    """The verdicts on all alerts of one system, as rows of tables."""

    verdicts: Sequence[OutsideVerdict]
    events: PointedEvents
    delivery: AlertDelivery
    windows: Windows

    @cached_property
    def in_test(self) -> list[bool]:
        """For each verdict: whether the alert is about the test window."""
        return [self._window(each) == "test" for each in self.verdicts]

    def matching(self) -> list[Row]:
        """One row for each way in which alerts were matched or not, most alerts first."""
        counts, tested, example = Counter[str](), Counter[str](), dict[str, str]()
        for each, here in zip(self.verdicts, self.in_test, strict=True):
            for outcome in (each.outcome, *(f"of these: {doubt}" for doubt in doubts(each, self.events))):
                counts[outcome] += 1
                tested[outcome] += here
                example.setdefault(outcome, f"{each.place}: {each.pointed.why}" if each.pointed.why else each.place)
        rows: list[Row] = [
            {"outcome": name, "alerts": count, "in_test": tested[name], "example": example[name]}
            for name, count in sorted(counts.items(), key=lambda pair: (pair[0].startswith("of these"), -pair[1]))
        ]
        report = self.delivery.report
        skipped, samples = sum(report.skipped.values()), [str(each) for each in report.samples]
        samples += [f"{file}: {problem}" for file, problem in report.unreadable]
        for name, count in ((REPEATED, self.delivery.repeated), (UNREADABLE, skipped + len(report.unreadable))):
            if count:
                rows.append({"outcome": name, "alerts": count, "example": samples[0] if name == UNREADABLE else ""})
        return rows

    def alerts(self, world: LabelledWorld) -> list[Row]:
        """One row for each alert."""
        people, incidents = world.log.vocabulary["identity"], world.truth.incidents
        found: list[Row] = []
        for each in self.verdicts:
            rows = self.events.rows(each.pointed.positions)
            who = dict.fromkeys(code for code in self.events.identity[rows].tolist() if code >= 0)
            what = dict.fromkeys(index for index in self.events.incident[rows].tolist() if index >= 0)
            delay = (each.alert.raised - each.happened) / SECOND if min(each.alert.raised, each.happened) >= 0 else None
            change = bool((self.events.label[rows] == BENIGN_CHANGE).any())
            found.append(
                {
                    "place": each.place,
                    "rule": ", ".join(each.alert.rules),
                    "level": each.alert.level,
                    "score": each.alert.score,
                    "raised_at": each.alert.raised,
                    "happened_at": each.happened,
                    "delay_s": delay,
                    "outcome": each.outcome,
                    "note": "; ".join(filter(None, (each.pointed.why, *doubts(each, self.events)))),
                    "window": self._window(each),
                    "events": len(rows),
                    "identity": ", ".join(people[code] for code in who),
                    "incident": ", ".join(incidents[at].id for at in what) or ("benign change" if change else ""),
                    "reason": each.alert.reason,
                }
            )
        return found

    def _window(self, verdict: OutsideVerdict) -> str:
        """The last window with an event that an alert points at; if it points at none, that of when it was raised."""
        at = np.asarray(verdict.pointed.positions)
        moment = max(verdict.alert.happened, verdict.alert.raised)
        for name in reversed(WINDOWS):
            window = getattr(self.windows, name)
            if ((window.start <= at) & (at < window.stop)).any():
                return name
            if not len(at) and window.began_us <= moment < window.ended_us:
                return name
        return ""
