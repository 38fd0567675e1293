"""What calls leave in a real log: on what, when, and with which columns; as rows that are copied and changed.

Each event is a real one of the same operation (its *donor*: resource, size, outcome, delay, what it lacks), made by
the identity (credential) from its place (source, workload, task) at a time of its own.  Times repeat the gaps
between real events of the identity, in the log's precision.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scopedrift.scenarios import catalogue
from scopedrift.scenarios.catalogue import Targets
from scopedrift.simulator.expansion.occurrences import UNORDERED
from scopedrift.simulator.log.events import MINUTE, MISSING, SECOND, Array, Names, registry_of
from scopedrift.simulator.own_logs.actors import LogFoothold, Setting
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.calls import Call

OWN: Final = ("identity", "credential", "credential_kind", "on_behalf_of", "task_kind")
"""Columns that an event has from the identity that makes it."""
PLACE: Final = ("workload", "task", "source")
"""Columns that it has from the place."""
CHANGES: Final = ("create", "write", "admin")
"""Kinds of access that choose the entity which later calls act on."""
_KIND: Final = re.compile(r"[^/:]*$")
"""The last part of a resource's name: the rest tells its kind."""
RESOURCES: Final = 3
"""Resources that a stage goes for, unless it enumerates (assumed)."""
NEAR: Final = 10
"""A call takes the second of one of this number of next events, when the platform is busy (assumed)."""
BEAT: Final = 3 * SECOND
"""How far a call is moved for that, except the first of a stage (assumed)."""


def listed(weights: Mapping[str, float], steps: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """So many calls, one by one: the steps in their order, others drawn by their weights, most of them in order."""
    places = catalogue.calling_order(catalogue.operations())
    names = sorted(weights, key=lambda name: places.get(name, 0))
    shares, count = np.array([weights[name] for name in names]), max(count - len(steps), 0)
    drawn = rng.choice(len(names), count, p=shares / shares.sum())
    due = rng.random(count) >= UNORDERED
    drawn[due] = np.sort(drawn[due])
    return [*steps, *(names[i] for i in drawn.tolist())]


def moments(
    background: Background, hold: LogFoothold, start: int, count: int, lasts: int, rng: np.random.Generator
) -> Array:
    """Times of this number of events from about `start` on: real gaps, stretched to the length `lasts`."""
    gaps = background.gaps(hold.rows)
    gaps = gaps if len(gaps) else background.gaps(np.arange(background.until))
    if count < 2 or not len(gaps):
        return _busy(background, np.full(count, start), max(lasts, MINUTE), rng)
    drawn = rng.choice(gaps, count - 1).astype(float)
    if (own := drawn.sum()) > 0:
        drawn *= max(lasts, SECOND) / own
    planned = _busy(background, np.array([start]), max(lasts, MINUTE), rng) + np.concatenate([[0], np.cumsum(drawn)])
    return np.sort(_busy(background, planned.astype(np.int64), BEAT, rng))


def _busy(background: Background, planned: Array, near: int, rng: np.random.Generator) -> Array:
    """Each time moved into the second of one of the log's next events, if one is within `near`."""
    clock = background.clock
    at = np.searchsorted(clock, planned) + (rng.random(len(planned)) * NEAR).astype(np.int64)
    at = np.minimum(at, len(clock) - 1)
    moved = clock[at] // SECOND * SECOND + (rng.random(len(planned)) * SECOND).astype(np.int64)
    close = (moved >= planned) & (clock[at] - planned <= near)
    return np.where(close, moved, planned)


def events(
    setting: Setting,
    hold: LogFoothold,
    names: list[str],
    times: Array,
    targets: Targets,
    denied: bool,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """The columns of events, one for each call; texts are codes of the setting's words, to which new ones are added."""
    rows: list[dict[str, int]] = []
    donors: dict[str, Array] = {}
    for name, time in zip(names, times.tolist(), strict=True):
        call = setting.calls[name]
        selector = targets.get(call.operation.slot, "")
        if name not in donors:
            refusals = _refused(setting.background, hold, call) if denied else call.rows[:0]
            donors[name] = refusals if len(refusals) else _aimed(setting.background, hold, call, selector, rng)
        made = donors[name]
        donor = int(made[int(rng.random() * len(made))]) if len(made) else MISSING
        rows.append(_event(setting, hold, call, donor, time, selector))
        if denied:
            rows[-1]["outcome"] = setting.words["outcome"].code("denied")
    columns = setting.background.columns
    return {name: np.array([row[name] for row in rows], columns[name].dtype) for name in columns}


def _event(setting: Setting, hold: LogFoothold, call: Call, donor: int, time: int, selector: str) -> dict[str, int]:
    background, words, columns = setting.background, setting.words, setting.background.columns
    stream = int(columns["stream"][donor]) if donor >= 0 else words["stream"].find(call.operation.stream)
    own, place = hold.moment(background, time, stream, call)
    base = donor if donor >= 0 else own
    row = {name: int(values[base]) for name, values in columns.items()}
    row |= {name: int(columns[name][own]) for name in OWN} | {name: int(columns[name][place]) for name in PLACE}
    row["identity"] = hold.identity
    if hold.source >= 0:
        row["source"] = hold.source
    if donor < 0:
        row |= {name: words[name].code(getattr(call.form, name)) for name in ("service", "operation", "access")}
        row |= {"resource": MISSING, "bytes": MISSING, "image": MISSING, "stream": stream}
        row["outcome"] = words["outcome"].code("success")
    elif not selector.startswith("adjacent-") and columns["identity"][donor] != hold.identity:
        row["project"] = int(columns["project"][own])
    if row["resource"] >= 0:
        row["resource"] = _entity(words["resource"], hold, call, row["resource"])
    if row["image"] >= 0 and hold.image >= 0:
        row["image"] = hold.image
    tick = background.ticks[stream]
    row["time"] = time // tick * tick
    row["arrived"] = row["time"] + int(columns["arrived"][base] - columns["time"][base])
    return row


def _refused(background: Background, hold: LogFoothold, call: Call) -> Array:
    """The real events in which the call was refused to the identity."""
    made = background.made(hold.identity, call.rows)
    denied = background.columns["outcome"][made] == background.vocabulary["outcome"].find("denied")
    return np.asarray(made[denied])


def _entity(names: Names, hold: LogFoothold, call: Call, resource: int) -> int:
    """What the call acts on: the user, role or function that earlier calls of its kind changed, if there is one."""
    operation, kind = call.operation, _KIND.sub("", names[resource])
    case = (operation.service, operation.slot, kind)
    if operation.access in CHANGES and not operation.data_event:
        return hold.entities.setdefault(case, resource)
    return hold.entities.get(case, resource)


def _aimed(background: Background, hold: LogFoothold, call: Call, selector: str, rng: np.random.Generator) -> Array:
    """The real events of the call whose resources a stage goes for.

    `adjacent-SLOT` and `drop`: others' resources, of another project if there is one; `all-datasets`: everybody's;
    otherwise those of the identity, or of its project.
    """
    rows, columns = call.rows, background.columns
    if not len(rows) or selector == "all-datasets":
        return rows
    projects = np.unique(columns["project"][hold.rows])
    mine, near = columns["identity"][rows] == hold.identity, np.isin(columns["project"][rows], projects)
    known = np.isin(columns["resource"][rows], np.unique(columns["resource"][hold.rows]))
    others = selector.startswith("adjacent-") or selector == "drop"
    wishes = (~mine & ~near, ~mine & ~known, ~mine) if others else (mine, known, near)
    rows = next((rows[wish] for wish in wishes if wish.any()), rows)
    resources = np.unique(columns["resource"][rows])
    if len(resources) > RESOURCES:
        resources = rng.choice(resources, RESOURCES, replace=False)
    return rows[np.isin(columns["resource"][rows], resources)]


def foreign_image(setting: Setting, hold: LogFoothold, rng: np.random.Generator) -> int:
    """An image that the identity never used, from a registry that it never used if the log has one.

    A registry that nobody uses would give the incident away, so images are of the log; -1 where it has no other.
    """
    names, columns = setting.background.vocabulary["image"], setting.background.columns
    own = {names[code] for code in np.unique(columns["image"][hold.rows]).tolist() if code >= 0}
    registries = {registry_of(text) for text in own}
    others = [text for text in names if registry_of(text) not in registries] or [t for t in names if t not in own]
    return setting.words["image"].code(others[int(rng.random() * len(others))]) if others else MISSING
