"""Is the truth true?  Consistency of its times, and the counterfactual twin: without the incident, exactly its
events are gone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from scopedrift.experiments.audit.subject import Row, Subject
from scopedrift.experiments.evaluation.windows import LabelledWorld
from scopedrift.scenarios.loader import override
from scopedrift.simulator.engine import simulate
from scopedrift.simulator.log.truth import SCOPE_DRIFT, Incident, Truth

if TYPE_CHECKING:
    from scopedrift.simulator.log.event_log import EventLog


def labels_are_sane(subject: Subject) -> Row:
    """Every incident's times are in order, and its labels lie where it says that it was."""
    wrong = [problem for world in subject.worlds for problem in _problems(world)]
    count = sum(len(world.truth.incidents) for world in subject.worlds)
    seen = (
        f"{len(wrong)} contradictions, such as: {wrong[0]}" if wrong else f"{count} incidents without a contradiction"
    )
    return Row("labels", "fail" if wrong else "pass", seen, "no contradiction between labels, events and times")


def _problems(world: LabelledWorld) -> list[str]:
    truth, size = world.truth, len(world.log)
    problems = []
    if len(truth.event) and (truth.event[0] < 0 or truth.event[-1] >= size or (np.diff(truth.event) <= 0).any()):
        problems.append("labelled positions are not ascending positions of the log")
        return problems
    times = _times(world.log)
    for index, incident in enumerate(truth.incidents):
        mine = truth.event[(truth.label >= SCOPE_DRIFT) & (truth.incident == index) & (truth.stage >= 0)]
        problems += [f"{incident.id} (seed {world.seed}): {what}" for what in _of_incident(incident, times[mine])]
    return problems


def _times(log: EventLog) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.concatenate([np.empty(0, np.int64), *(batch["time"] for batch in log.batches(500_000))])


def _of_incident(incident: Incident, times: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[str]:
    found = []
    if len(times) and incident.first_observable_at != int(times.min()):
        found.append("its first labelled event is not when it was first observable")
    if not len(times) and incident.first_observable_at >= 0:
        found.append("it says that it could be seen, and no event is labelled")
    if 0 <= incident.first_observable_at < incident.intent_at - 3_600_000_000:
        found.append("it could be seen more than an hour before it was intended")
    if incident.ended_at >= 0 and incident.ended_at < incident.intent_at:
        found.append("it ended before it began")
    if any(stage.ended_at < stage.started_at for stage in incident.stages):
        found.append("a stage ended before it began")
    started = [stage.started_at for stage in incident.stages if stage.outcome != "skipped"]
    if started != sorted(started):
        found.append("its stages are not in order")
    if incident.impact_at >= 0 and started and incident.impact_at < started[0]:
        found.append("its impact comes before its first stage")
    return found


def twins_differ_by_the_incident(subject: Subject) -> Row:
    """Without one incident, and without contention, exactly its labelled events are gone."""
    expected = "the labelled events of the incident and nothing else (contention off)"
    alone = override(subject.scenario, {"platform.contention": False})
    with_all = simulate(alone, subject.worlds[0].seed)
    if not with_all.truth.incidents:
        return Row("twins", "too small", "there is no incident", expected)
    incident = max(range(len(with_all.truth.incidents)), key=lambda i: _size(with_all.truth, i))
    name = with_all.truth.incidents[incident].id
    twin = simulate(alone, subject.worlds[0].seed, without=name)
    labelled = with_all.truth.event[(with_all.truth.label >= SCOPE_DRIFT) & (with_all.truth.incident == incident)]
    before, after, marked = _events(with_all.log), _events(twin.log), _events(with_all.log, labelled)
    gone, come = before - after, after - before
    extra, missed = gone - marked, marked - gone
    seen = f"without {name}, {sum(gone.values())} events are gone and {sum(come.values())} new"
    seen += f"; {len(labelled)} are labelled"
    return Row("twins", "fail" if extra or missed or come else "pass", seen, expected)


def _size(truth: Truth, incident: int) -> int:
    return int(np.count_nonzero((truth.label >= SCOPE_DRIFT) & (truth.incident == incident)))


def _events(log: EventLog, positions: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None) -> Counter[bytes]:
    """Events as text rather than codes, which are numbered by arrival and so differ between twins."""
    wanted = None if positions is None else np.isin(np.arange(len(log)), positions)
    found: Counter[bytes] = Counter()
    at = 0
    for batch in log.batches(200_000):
        here = slice(at, at + len(batch))
        at += len(batch)
        ids = ("time", "arrived", "credential", "task", "bytes")
        numbers = np.stack([batch[name] for name in ids if name in batch.columns], axis=1)
        rows = np.ones(len(batch), bool) if wanted is None else wanted[here]
        texts = zip(*(batch.text(name)[rows].tolist() for name in ("identity", "operation", "resource")), strict=True)
        found.update(n.tobytes() + repr(t).encode() for n, t in zip(numbers[rows], texts, strict=True))
    return found
