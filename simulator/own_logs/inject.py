"""`inject`: incidents of the catalogue into a real log, with the truth about them.

    world, told = inject(log, [IncidentSpec(attack="token-theft", count=3)], seed=1, name="trail")
    world.save(Path("injected"))

The background stays as it is, row by row and in its order.  What cannot be known from a log is said in the
modules beside this one: permissions above all (`actors`, `incident`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from scopedrift.scenarios.parts import IncidentSpec
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import MISSING, Array, Vocabulary
from scopedrift.simulator.log.truth import BENIGN_CHANGE, LABELS, Truth
from scopedrift.simulator.own_logs import actors
from scopedrift.simulator.own_logs.backend import Draft, Stage, act_out
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.calls import Call, Calls
from scopedrift.simulator.own_logs.change import ChangeDraft, act_out_change
from scopedrift.simulator.own_logs.merge import merge
from scopedrift.simulator.own_logs.world import KEY, RealWorld, Timetable
from scopedrift.simulator.randomness import generator
from scopedrift.simulator.records.errors import LogError

TRIES: Final = 20
"""Moments that are tried until an incident leaves an event before the log ends."""


@dataclass(frozen=True)
class Told:
    """How the injection went."""

    events: int
    """Injected events."""
    calls: tuple[Call, ...]
    """What stood in the log for the catalogue's operations."""


def inject(
    log: EventLog,
    specs: Sequence[IncidentSpec],
    *,
    changes: Sequence[str] = (),
    seed: int,
    name: str,
    identity: str | None = None,
    learn: float = 0.5,
    calibrate: float = 0.2,
    truth: Truth | None = None,
    new_calls: bool = False,
) -> tuple[RealWorld, Told]:
    """Put incidents, and benign changes of the kinds `changes`, into the last part of a log.

    `learn` and `calibrate` are shares of the events; what is left is the test part.  A log that incidents were injected
    into before keeps its windows, and with its `truth` those incidents.  `identity` is the victim's name, or a part of
    it; by default a suitable one is chosen for each incident.

    Raises `LogError` if the log is too short, the identity is not in it, or it could show nothing of an incident.
    """
    before = log.manifest.get(KEY)
    timetable = Timetable(**before) if before else Timetable.of(name, log, learn, calibrate)
    background = Background(log, log.position(timetable.calibration_end_us))
    victim = actors.named(background, identity) if identity is not None else None
    words = Vocabulary(log.vocabulary.texts())
    window = timetable.calibration_end_us, timetable.end_us
    wheres = [Stage(background, Calls(background, new), words, window) for new in (False, True)[new_calls:]]
    known = truth or Truth()
    drafts: list[Draft | ChangeDraft] = []
    for each, spec in _instances(specs, known):
        drafts.append(_draft(wheres, each, spec, victim, seed, timetable))
    numbers = Counter(change.kind for change in known.changes)
    for kind in changes:
        numbers[kind] += 1
        drafts.append(_draft(wheres, f"{kind}-{numbers[kind]}", kind, victim, seed, timetable))
    columns, owners = _gathered(drafts, background, timetable.end_us)
    rng = generator(seed, "inject", "places")
    order = np.argsort(columns["arrived"], kind="stable")
    injected = {n: v[order] for n, v in columns.items() if n in background.present}
    kept = {n: background.columns[n] for n in background.present}
    whole, texts, old, new = merge(kept, injected, words, rng)
    manifest = {
        "source": "inject",
        "version": version("scopedrift"),
        "background": {"digest": log.digest, "events": len(log)},
        "events": len(whole["time"]),
    }
    result = EventLog.from_columns(whole, texts, manifest)
    told = _truth(known, drafts, owners[order], old, new)
    calls = tuple(call for where in wheres for call in where.calls.used())
    return RealWorld(timetable, seed, result, told), Told(len(new), calls)


def _instances(specs: Sequence[IncidentSpec], known: Truth) -> list[tuple[str, IncidentSpec]]:
    """Each incident's name (`kind-1`, `kind-2`, ...; those that the log has count) and its spec."""
    numbers = Counter(incident.template for incident in known.incidents)
    named = []
    for spec in specs:
        if spec.instances is None:
            raise ValueError(f"{spec.template}: expected a count, not a rate per month")
        for _ in range(spec.instances):
            numbers[spec.template] += 1
            named.append((f"{spec.template}-{numbers[spec.template]}", spec))
    return named


def _draft(
    wheres: Sequence[Stage], name: str, spec: IncidentSpec | str, victim: int | None, seed: int, timetable: Timetable
) -> Draft | ChangeDraft:
    """An incident, or a change of a kind, that leaves an event before the log ends: in the first place where it does.

    Raises `LogError` if it leaves none wherever it begins.
    """
    for where in wheres:
        rng = generator(seed, "inject", name)
        for _ in range(TRIES):
            draft: Draft | ChangeDraft
            if isinstance(spec, str):
                draft = act_out_change(where, name, spec, victim, rng)
            else:
                draft = act_out(where, name, spec, victim, rng)
            times = [columns["time"][columns["arrived"] < timetable.end_us] for columns, _, _ in draft.blocks]
            seen = np.concatenate([np.empty(0, np.int64), *times])
            if len(seen):
                if isinstance(draft, Draft):
                    draft.record = replace(draft.record, first_observable_at=int(seen.min()))
                return draft
    raise LogError(f"{name.rpartition('-')[0]}: this log could not show any of it: {_why(wheres[-1].calls)}")


def _why(calls: Calls) -> str:
    unseen = sorted({call.shown for call in calls.used() if call.how == "unseen"})
    if len(unseen) < len({call.shown for call in calls.used()}):
        return "its test part is too short" + (f", and it records no {', '.join(unseen)}" if unseen else "")
    return f"it records no {', '.join(unseen)}"


def _gathered(
    drafts: Sequence[Draft | ChangeDraft], background: Background, end: int
) -> tuple[dict[str, Array], Array]:
    """All events that arrive before the end, and for each its incident, stage and technique (by number in `drafts`)."""
    parts: dict[str, list[Array]] = {name: [] for name in background.columns}
    owners: list[Array] = []
    for number, draft in enumerate(drafts):
        for at, (columns, _, _) in enumerate(draft.blocks):
            inside = columns["arrived"] < end
            for name, values in columns.items():
                parts[name].append(values[inside])
            owners.append(np.tile(np.array([number, at], np.int64), (int(inside.sum()), 1)))
    return {name: np.concatenate(values) for name, values in parts.items()}, np.concatenate(owners)


def _truth(known: Truth, drafts: Sequence[Draft | ChangeDraft], owners: Array, old: Array, new: Array) -> Truth:
    """The truth about the whole: what was known of the log before, at its new positions, and the drafts."""
    techniques = list(known.techniques)
    incidents, changes = list(known.incidents), list(known.changes)
    meaning: list[tuple[int, int]] = []
    for draft in drafts:
        if isinstance(draft, Draft):
            meaning.append((LABELS.index(draft.record.label), len(incidents)))
            incidents.append(draft.record)
        else:
            meaning.append((BENIGN_CHANGE, len(changes)))
            changes.append(draft.record)
    rows: dict[str, list[Any]] = {"label": [], "incident": [], "stage": [], "technique": []}
    for number, at in owners.tolist():
        _, stage, technique = drafts[number].blocks[at]
        if technique and technique not in techniques:
            techniques.append(technique)
        rows["label"].append(meaning[number][0])
        rows["incident"].append(meaning[number][1])
        rows["stage"].append(stage)
        rows["technique"].append(techniques.index(technique) if technique else MISSING)
    event = np.concatenate([old[known.event], new])
    order = np.argsort(event)
    joined = {
        name: np.concatenate([getattr(known, name), np.array(values, getattr(known, name).dtype)])[order]
        for name, values in rows.items()
    }
    return Truth(
        event=event[order],
        **joined,
        techniques=tuple(techniques),
        incidents=tuple(incidents),
        changes=tuple(changes),
    )
