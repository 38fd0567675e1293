"""Detectors on a log without ground truth: fitted on its first part, asked for the top alerts of the rest.

The first part is a share of the *events*, not of the time: a real collection has gaps, and one wrong clock would
leave nothing to learn from.  There is nothing to calibrate on, so the question is turned round: every detector may
raise a given number of alerts, and gets the lowest threshold that keeps to it.  Where more alerts than that tie at a
detector's highest score, the earliest are shown; what scores no higher than half of the events is never an alert.
A detector that was tuned has a threshold and a cooldown already: deployed, it raises every alert above it.
The reason of an alert is that of its highest-scored event, asked for in a second pass right after the batch that holds
it, as on call; the identity that it begins with is left out, since it stands beside it.

Units: times in microseconds.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from scopedrift.detectors.answers import parts_of, reason_of
from scopedrift.detectors.base import Detector, Part
from scopedrift.detectors.isolation.apart import Apart
from scopedrift.detectors.isolation.placement import as_asked, place, run_as
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.spec import SpecError, as_written, deployed, is_file_of_tune
from scopedrift.experiments.evaluation.alerts import Alerts, Grouped, alerts, lowest_within
from scopedrift.experiments.evaluation.guard import DetectorError, checked_scores, guarded, name_of
from scopedrift.experiments.evaluation.rules import untold_rules
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.selection import label_of, labelled
from scopedrift.reports.columns import TABLES
from scopedrift.scenarios.durations import format_duration
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, HOUR, MISSING, Array, EventBatch

if TYPE_CHECKING:
    import pandas as pd

    from scopedrift.detectors.deployed import Deployed
    from scopedrift.simulator.records.reading.importer import Imported

COOLDOWN_US: Final = HOUR
BATCH: Final = 10_000
Terms: TypeAlias = "int | Deployed"
"""What makes an alert of a detector: at most so many, or the threshold and the cooldown that it was tuned to."""
TEXTS: Final = ("identity", "operation", "resource")


@dataclass(frozen=True)
class ScoredLog:
    """The top alerts of several detectors on one log."""

    alerts: pd.DataFrame
    """The table `log_alerts`; per detector, highest score first.  `record` says where the record of the event with
    the highest score of an alert is (empty for a log that was not imported)."""
    facts: dict[str, object]
    failed: dict[str, str]
    """Reason by detector."""
    rules: pd.DataFrame
    """The table `log_rules`: one row a rule of detectors made of rules, over the whole log: rules learn nothing."""


def score(
    log: EventLog,
    wanted: Sequence[str | Detector],
    *,
    fit: float = 0.5,
    top: int = 20,
    deploy: Sequence[str] = (),
    records: Imported | None = None,
    progress: Progress = silent,
) -> ScoredLog:
    """Fit each detector on the first `fit` (0 to 1) of the log's events, and find its `top` alerts in the rest.

    Those that `deploy` asks for were tuned: they raise all alerts above their thresholds.

    At least one event is scored; a log of one event leaves nothing to learn from.  Detection rules judge the `records`
    of an imported log as they are; without them, those that its events would have been.
    Raises `SpecError` if a detector cannot be found; one that fails later is in `failed`.
    """
    import pandas as pd

    detectors = _with_terms(wanted, deploy, top)
    arrived = log.arrived
    split = min(max(round(fit * len(log)), 1), len(log) - 1)
    found, failed, rules, silent, unjudged = [], {}, [], [], 0
    for at, (spec, (detector, terms)) in enumerate(detectors.items()):
        progress(at / len(detectors), spec)
        try:
            running = _over_records(spec, detector, records)
            mine = copy.deepcopy(log) if run_as(running) == "in process" else log  # what it changes is thrown away
            unjudged = max(unjudged, getattr(running, "unjudged", 0))
            told, judged = _top_alerts(spec, running, mine, split, terms, records)
            found.append(told)
            silent += [] if judged else [spec]
            matched = untold_rules(_parts(spec, running, mine), log, _cooldown_us(terms))
            rules += [{"detector": spec, **row} for row in matched]
        except DetectorError as error:
            failed[spec] = str(error)
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(TABLES["log_alerts"]))
    edges = pd.to_datetime([int(arrived[i]) for i in (0, split, -1)], unit="us", utc=True)
    first, scored, last = (edge.isoformat(timespec="seconds") for edge in edges)
    facts: dict[str, object] = {
        "detectors": list(detectors),
        "events": len(log),
        "learned": split,
        "scored": len(log) - split,
        "first": first,
        "scored_from": scored,
        "last": last,
        "digest": log.digest,
    }
    count = table["detector"].value_counts()
    span = int(arrived[-1] - arrived[split])
    tuned_ones = {name: terms for name, (_, terms) in detectors.items() if not isinstance(terms, int)}
    told_of = {n: _realised(terms, int(count.get(n, 0)), span) for n, terms in tuned_ones.items() if n not in failed}
    facts |= {"deployed": told_of} if told_of else {}
    facts |= {"unjudged_records": unjudged} if unjudged else {}
    facts |= {"abstained": silent} if silent else {}
    return ScoredLog(table, facts, failed, pd.DataFrame(rules, columns=list(TABLES["log_rules"])))


def _with_terms(wanted: Sequence[str | Detector], deploy: Sequence[str], top: int) -> dict[str, tuple[Detector, Terms]]:
    """The detectors by name, each with how many alerts it raises, or the terms that it was tuned to."""
    detectors: dict[str, tuple[Detector, Terms]] = {}
    for each in wanted:
        name, detector = _named(each, detectors)
        detectors[name] = detector, top
    for spec in deploy:
        tuned = _tuned(spec)
        name, detector = _named(spec, detectors)
        detectors[name] = detector, tuned
    return detectors


def _named(wanted: str | Detector, taken: Container[str]) -> tuple[str, Detector]:
    """A detector and what results call it; a tuned one whose short name is taken is called as it was asked for."""
    if not isinstance(wanted, str):
        return labelled(wanted)
    name, detector = as_asked(wanted), place(wanted)
    short = label_of(wanted, detector) if is_file_of_tune(as_written(name).target) else name
    return name if short in taken else short, detector


def _tuned(spec: str) -> Deployed:
    asked = as_asked(spec)
    if not is_file_of_tune(file := as_written(asked).target):
        raise SpecError(
            f"cannot deploy {asked!r}: expected a file that `scopedrift tune` writes, such as detector.yaml"
        )
    return deployed(file)


def _cooldown_us(terms: Terms) -> int:
    return COOLDOWN_US if isinstance(terms, int) else terms.cooldown


def _realised(tuned: Deployed, raised: int, span_us: int) -> dict[str, object]:
    """What a deployed detector raised in `span_us`, beside what tuning says to expect."""
    expected = tuned.expected_alerts_per_day
    return {
        "threshold": tuned.threshold,
        "cooldown": format_duration(tuned.cooldown),
        "alerts": raised,
        "alerts_per_day": raised * DAY / span_us
        if span_us >= tuned.cooldown
        else None,  # or too short to speak of days
        "expected_alerts_per_day": expected.model_dump(exclude_none=True) if expected else None,
    }


def _over_records(spec: str, detector: Detector, records: Imported | None) -> Detector:
    """A detector of rules as one that judges the records themselves; any other as it is."""
    from scopedrift.detectors.adapters.sigma.detector import Sigma

    if records is None or not isinstance(detector, Sigma):
        return detector
    from scopedrift.detectors.adapters.sigma.records import OnRecords, judge

    with guarded(spec, "judging the records"):
        return OnRecords(judge(detector.ruleset, records))


def _parts(spec: str, detector: Detector, log: EventLog) -> Sequence[Part]:
    """What each rule of a detector matched in the whole log; empty for a detector that is not made of rules."""
    if not detector.has_rules if isinstance(detector, Apart) else type(detector).parts is Detector.parts:
        return ()
    with guarded(spec, "judging the whole log"):
        running = copy.deepcopy(detector)
        running.fit(log.batch(0, 0), Knowledge())
        for batch in log.batches(BATCH):
            running.score(batch)
        return parts_of(running.parts())


def _top_alerts(
    spec: str, detector: Detector, log: EventLog, split: int, terms: Terms, records: Imported | None
) -> tuple[pd.DataFrame, bool]:
    """One detector's top alerts, with reasons and where the records behind them are; whether it judged any event."""
    import pandas as pd

    passes = _Passes(detector, log, split)
    scores = np.full(len(log) - split, np.nan)
    identity = np.full(len(log) - split, MISSING, np.int64)
    for at, batch, values, _ in passes.scored():
        scores[at : at + len(batch)] = values
        if "identity" in batch.columns:
            identity[at : at + len(batch)] = batch["identity"]
    raised = _raised(log.arrived[split:], identity, scores, terms)
    order = np.lexsort((raised.opening, -raised.score))[: terms if isinstance(terms, int) else None]
    peaks = [int(row) for row in _peaks(raised, scores)[order]]
    told = passes.told(peaks)
    rows = [
        {
            "detector": spec,
            "opened_at": raised.opened_at[alert],
            "closed_at": raised.closed_at[alert],
            "events": int(raised.events[alert]),
            "score": float(raised.score[alert]),
            **told[peak],
            "record": records.whereabouts(split + peak) if records else "",
        }
        for alert, peak in zip(order.tolist(), peaks, strict=True)
    ]
    table = pd.DataFrame(rows, columns=list(TABLES["log_alerts"]))
    for name in ("opened_at", "closed_at", "time"):
        table[name] = pd.to_datetime(table[name].astype("int64"), unit="us", utc=True)
    return table, not np.isnan(scores).all()


def _raised(arrived: Array, identity: Array, scores: Array, terms: Terms) -> Alerts:
    """At most `top` alerts, more only where they tie at the highest score; or those above the tuned threshold."""
    if not isinstance(terms, int):
        return alerts(arrived, identity, scores, terms.threshold, terms.cooldown)
    if np.isnan(scores).all():  # it abstained throughout
        return alerts(arrived, identity, scores, np.inf, COOLDOWN_US)
    threshold = lowest_within(Grouped.of(arrived, identity, scores, COOLDOWN_US), terms)
    highest = np.nanmax(scores) if np.isfinite(threshold) else threshold
    if threshold >= highest > np.nanmin(scores):
        threshold = float(np.nextafter(highest, -np.inf))
    if np.isfinite(highest) and (typical := float(np.nanmedian(scores))) < highest:
        threshold = max(threshold, typical)  # what is less suspicious than most is no alert
    return alerts(arrived, identity, scores, threshold, COOLDOWN_US)


def _peaks(raised: Alerts, scores: Array) -> Array:
    """The position of the first highest-scored event of each alert."""
    order = np.lexsort((raised.flagged, -scores[raised.flagged], raised.alert_of))
    first = np.unique(raised.alert_of[order], return_index=True)[1]
    return np.asarray(raised.flagged[order][first])


@dataclass(frozen=True)
class _Passes:
    """Fresh copies of a detector, run over the same log; positions count from the split."""

    detector: Detector
    log: EventLog
    split: int

    def scored(self) -> Iterator[tuple[int, EventBatch, Array, Detector]]:
        """Fit a copy and score the rest: position, batch, its scores, and the copy as it is then."""
        name = name_of(self.detector)
        with guarded(name, "fit"):
            running = copy.deepcopy(self.detector)
            running.fit(self.log.batch(0, self.split), Knowledge())
        at = 0
        for batch in self.log.batches(BATCH, self.split):
            with guarded(name, "score"):
                returned = running.score(batch)
            yield at, batch, checked_scores(returned, len(batch), name, "score"), running
            at += len(batch)

    def told(self, wanted: Sequence[int]) -> dict[int, dict[str, object]]:
        """What there is to say of the events at the positions `wanted`."""
        told: dict[int, dict[str, object]] = {}
        left = sorted(wanted)
        for at, batch, _, running in self.scored() if left else ():
            while left and left[0] < at + len(batch):
                row = left.pop(0) - at
                with guarded(name_of(self.detector), "explain"):
                    reason = reason_of(running.explain(batch, row))
                texts = _texts(batch, row)
                told[at + row] = {
                    **texts,
                    "time": int(batch["time"][row]),
                    "reason": _without(texts["identity"], reason),
                }
            if not left:
                break
        return told


def _texts(batch: EventBatch, row: int) -> dict[str, str]:
    event = batch.slice(row, row + 1)
    return {name: (event.text(name)[0] or "") if name in event.columns else "" for name in TEXTS}


def _without(identity: str, reason: str) -> str:
    """The reason without the identity that it (or, of an ensemble, the member that is quoted) begins with."""
    for lead in (f"{identity}: ", f"{identity} "):
        if reason.startswith(lead):
            return reason.removeprefix(lead)
        reason = reason.replace(f": {lead}", ": ")
    return reason
