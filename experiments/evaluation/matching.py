"""From alerts to verdicts: which incidents were detected and when, and what every false alarm was about.

An alert is a false alarm exactly if the event that *opened* it belongs to no incident: a noisy alert that happens to
swallow an incident's event pays once and gains once, and an alert before an incident's first event is always
false.  An incident is detected when the first flagged event that belongs to it arrives; by alerts of another system,
when the first alert on one of its events is raised.

Units: times and delays are microseconds; -1 stands for "never".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.experiments.evaluation.alerts import Alerts
from scopedrift.experiments.evaluation.windows import Window
from scopedrift.simulator.log.events import Array
from scopedrift.simulator.log.truth import BENIGN_CHANGE, SCOPE_DRIFT, Incident, Truth


@dataclass(frozen=True)
class StageHits:
    """What was flagged of one stage of an incident, in the test window."""

    stage: int
    events: int
    flagged: int
    flagged_at: int
    """When the first of its flagged events was; -1 if none was."""


@dataclass(frozen=True)
class Detection:
    """What became of one incident that could be detected in the test window."""

    index: int
    """Its position in `truth.incidents`."""
    incident: Incident
    events: int
    """Its events in the test window."""
    flagged: int
    score: float
    """The highest score of its events: it is detected at every threshold below.  NaN if none was scored."""
    detected_at: int
    delay_us: int
    """From `first_observable_at` to detection, never below 0 (clocks of sources may run ahead)."""
    delay_events: int
    """How many of its events arrived before the one that gave it away."""
    follow_up_us: int
    """How long it could be detected: to the horizon if it was still running then; otherwise, being over and
    unseen, it counts as undetected for as long as a test window lasts."""
    stages_passed: int
    """Stages that were over by detection, or by its end if it was missed."""
    before_impact: bool
    """Detected before its objective's stage began (or without its ever beginning)."""
    alerts: int
    """Alerts that it opened; those beyond the first are duplicates."""
    stages: tuple[StageHits, ...]

    @property
    def detected(self) -> bool:
        """Whether any of its events was flagged."""
        return self.detected_at >= 0


@dataclass(frozen=True)
class Matching:
    """Alerts of the test window held against the truth; arrays have one entry per alert."""

    detections: tuple[Detection, ...]
    unobserved: int
    """Incidents without an event in the test window: nothing to detect, so no miss."""
    incomplete: int
    """Incidents of which too little happened to expect that anybody catches them: neither caught nor missed."""
    warm_up: int
    """Incidents that began before the test window: neither caught nor missed."""
    incident: Array
    """Index of the incident whose event opened the alert, or -1."""
    cause: tuple[str, ...]
    """For false alarms: the kind of a benign change; `before incident`, `during incident` or `after incident` for
    ordinary behaviour of an identity at most one cooldown before, between, or at most one cooldown after its
    incident events; `baseline` for all other.  Empty for true alerts."""
    change: Array
    """Index of the benign change whose event opened the alert, or -1."""

    @property
    def false_alarm(self) -> Array:
        """Which alerts were opened by an event of no incident."""
        return np.asarray(self.incident < 0)

    @property
    def detected(self) -> int:
        """How many incidents were detected."""
        return sum(detection.detected for detection in self.detections)

    @property
    def duplicates(self) -> int:
        """True alerts beyond the first of each incident."""
        true = self.incident[self.incident >= 0]
        return len(true) - len(np.unique(true))


def match(
    alerts: Alerts,
    truth: Truth,
    test: Window,
    *,
    arrived: Array,
    identity: Array,
    scores: Array,
    raised_at: Array | None = None,
) -> Matching:
    """Hold the alerts of the test window against the truth; arrays and alert positions begin at `test.start`.

    `raised_at` holds when the alert on each flagged event was raised; without it, that is when the event arrived.
    """
    known = arrived if raised_at is None else raised_at
    events = _IncidentEvents.of(truth, test, arrived, known, scores > alerts.threshold, scores)
    label, injection = injected(truth, alerts.opening + test.start)
    opened_by = np.where(label >= SCOPE_DRIFT, injection, -1)
    opened = np.bincount(opened_by + 1, minlength=len(truth.incidents) + 1)
    detections, unobserved, incomplete, warm_up = [], 0, 0, 0
    for index, incident in enumerate(truth.incidents):
        rows = np.flatnonzero(events.incident == index)
        if 0 <= incident.first_observable_at < test.began_us:
            warm_up += 1
        elif incident.first_observable_at < 0 or not len(rows):
            unobserved += 1
        elif not incident.enough:
            incomplete += 1
        else:
            detections.append(_detection(index, incident, events, rows, test, int(opened[index + 1])))
    cause = _near_incidents(alerts, events, identity)
    for row in np.flatnonzero(label == BENIGN_CHANGE).tolist():
        cause[row] = truth.changes[injection[row]].kind
    cause[opened_by >= 0] = ""
    change = np.where(label == BENIGN_CHANGE, injection, -1)
    return Matching(tuple(detections), unobserved, incomplete, warm_up, opened_by, tuple(cause.tolist()), change)


def injected(truth: Truth, position: Array) -> tuple[Array, Array]:
    """Label, and index of the incident or change, of the events at these positions (0 and -1: background)."""
    if not len(truth.event):
        return np.zeros(len(position), np.int8), np.full(len(position), -1)
    row = np.minimum(np.searchsorted(truth.event, position), len(truth.event) - 1)
    there = truth.event[row] == position
    return np.where(there, truth.label[row], 0), np.where(there, truth.incident[row], -1)


@dataclass(frozen=True)
class _IncidentEvents:
    """The incident events of the test window, in order of arrival."""

    position: Array
    incident: Array
    stage: Array
    arrived: Array
    raised_at: Array
    """When the alert on it was raised; means nothing for an event that is not flagged."""
    score: Array
    flagged: Array

    @classmethod
    def of(
        cls, truth: Truth, test: Window, arrived: Array, raised_at: Array, flagged: Array, scores: Array
    ) -> _IncidentEvents:
        here = (truth.event >= test.start) & (truth.event < test.stop) & (truth.label >= SCOPE_DRIFT)
        at = truth.event[here] - test.start
        return cls(at, truth.incident[here], truth.stage[here], arrived[at], raised_at[at], scores[at], flagged[at])

    def first_flagged(self, rows: Array) -> int:
        """The row among `rows` whose alert was raised first (the earlier event, if several were); -1: none is."""
        flagged = rows[self.flagged[rows]]
        return int(flagged[np.argmin(self.raised_at[flagged])]) if len(flagged) else -1


def _detection(
    index: int, incident: Incident, events: _IncidentEvents, rows: Array, test: Window, alerts: int
) -> Detection:
    first = events.first_flagged(rows)
    found = first >= 0
    detected_at = int(events.raised_at[first]) if found else -1
    scored = events.score[rows][~np.isnan(events.score[rows])]
    running = incident.end_reason == "horizon"
    seen_until = detected_at if found else incident.ended_at
    return Detection(
        index=index,
        incident=incident,
        events=len(rows),
        flagged=int(np.count_nonzero(events.flagged[rows])),
        score=float(scored.max()) if len(scored) else float("nan"),
        detected_at=detected_at,
        delay_us=max(detected_at - incident.first_observable_at, 0) if found else -1,
        delay_events=int(np.searchsorted(rows, first)) if found else -1,
        follow_up_us=test.ended_us - (incident.first_observable_at if running else test.began_us),
        stages_passed=sum(s.outcome != "skipped" and 0 <= s.ended_at <= seen_until for s in incident.stages),
        before_impact=found and (incident.impact_at < 0 or detected_at < incident.impact_at),
        alerts=alerts,
        stages=tuple(_stage_hits(stage, events, rows) for stage in np.unique(events.stage[rows]).tolist()),
    )


def _stage_hits(stage: int, events: _IncidentEvents, rows: Array) -> StageHits:
    here = rows[events.stage[rows] == stage]
    first = events.first_flagged(here)
    raised_at = int(events.raised_at[first]) if first >= 0 else -1
    return StageHits(stage, len(here), int(np.count_nonzero(events.flagged[here])), raised_at)


def _near_incidents(alerts: Alerts, events: _IncidentEvents, identity: Array) -> Array:
    """`baseline`, or how each alert stands to the incidents of its identity."""
    cause = np.full(len(alerts), "baseline", object)
    cooldown_us = alerts.cooldown_us
    at, actor = alerts.opened_at, identity[events.position]
    for index, code in np.unique(np.column_stack([events.incident, actor]), axis=0).tolist():
        if code < 0:
            continue
        span = events.arrived[(events.incident == index) & (actor == code)]
        first, last = int(span[0]), int(span[-1])
        theirs = alerts.identity == code
        unexplained = theirs & (cause == "baseline")
        cause[unexplained & (first - cooldown_us <= at) & (at < first)] = "before incident"
        cause[unexplained & (last < at) & (at <= last + cooldown_us)] = "after incident"
        cause[theirs & (first <= at) & (at <= last)] = "during incident"
    return cause
