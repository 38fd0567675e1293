"""What a stage of an incident logs in a real log: which calls, on what, when; as rows that are copied and changed.

Each event is a real one of the same operation (its *donor*: resource, size, outcome, delay, what it lacks), made by
the identity (credential) from its place (source, workload, task) at a time of its own.  Times repeat the gaps
between real events of the identity, in the log's precision.  The stronger the adversary, the fewer calls it makes
that the identity does not make, and the more its volume and length are those of the identity's own bursts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.scenarios.catalogue import ActivitySpec
from scopedrift.simulator.injection.tempo import between
from scopedrift.simulator.log.events import MINUTE, MISSING, SECOND, Array, Vocabulary, registry_of
from scopedrift.simulator.own_logs.actors import Hold
from scopedrift.simulator.own_logs.background import Background
from scopedrift.simulator.own_logs.calls import Call, Calls

OWN: Final = ("identity", "credential", "credential_kind", "on_behalf_of", "task_kind")
"""Columns that an event has from the identity that makes it."""
PLACE: Final = ("workload", "task", "source")
"""Columns that it has from the place."""
AIMS: Final = 3
"""Resources that a stage goes for, unless it enumerates (assumed)."""
ATTEMPTS: Final = 3
"""Calls made before a refusal is believed, as in simulated incidents (assumed)."""
NEAR: Final = 10
"""Calls are made in the second of one of so many events that come next: when the platform is busy (assumed)."""
BEAT: Final = 3 * SECOND
"""How far a call is moved for that, but for the first of a stage (assumed)."""


@dataclass(frozen=True)
class Plan:
    """The calls of a stage with their weights, and which of them are refused."""

    done: Mapping[str, float]
    refused: tuple[str, ...]
    succeeds: bool
    usual: bool
    """Whether the identity made all these calls before."""
    seen: float
    """The share of the activity that the log can show."""


def plan(
    background: Background,
    calls: Calls,
    hold: Hold,
    activity: ActivitySpec,
    needs: tuple[str, ...],
    strength: float,
    rng: np.random.Generator,
) -> Plan:
    """The calls of an activity as far as the log can show them."""
    done, refused, succeeds, usual, seen = {}, [], True, True, 0.0
    given = activity.weights
    for name, weight in given.items():
        seen += weight * (not calls[name].left_out)
        call, needed = calls[name], name in needs
        own = len(background.made(hold.identity, call.rows)) > 0
        if not needed and not own:
            weight = weight * (1.0 - strength) ** 2 if activity.mix else float(rng.random() >= strength)
        if call.left_out or weight <= 0:
            continue
        usual &= own
        if not hold.refuses(background, call):
            done[name] = weight
        elif needed or rng.random() >= strength:
            refused.append(name)
            succeeds &= not needed
    return Plan(done if succeeds else {}, tuple(refused), succeeds, usual, seen / sum(given.values()))


def chosen_calls(plan: Plan, ordered: bool, count: int, rng: np.random.Generator) -> list[str]:
    """The calls of a stage one by one; a sequence keeps its order."""
    names = list(plan.done)
    if not names or ordered:
        return names
    weights = np.array(list(plan.done.values()))
    return [names[i] for i in rng.choice(len(names), count, p=weights / weights.sum()).tolist()]


def volume(
    background: Background, hold: Hold, counts: tuple[int, int], seen: float, strength: float, rng: np.random.Generator
) -> int:
    """How many events: between what the log can show of the technique's count, and a burst of the identity."""
    own = max(between(counts[0], counts[1], rng) * seen, 1.0)
    like = min(own, max(background.burst(hold.rows), 1.0))
    blended: float = own ** (1.0 - strength) * like**strength
    return max(round(blended), 1)


def moments(
    background: Background, hold: Hold, start: int, count: int, lasts: int, strength: float, rng: np.random.Generator
) -> Array:
    """Times of so many events, from about `start` on: real gaps, blended with the length `lasts`."""
    gaps = background.gaps(hold.rows)
    gaps = gaps if len(gaps) else background.gaps(np.arange(background.until))
    if count < 2 or not len(gaps):
        return _busy(background, np.full(count, start), max(lasts, MINUTE), rng)
    drawn = rng.choice(gaps, count - 1).astype(float)
    if (own := drawn.sum()) > 0:
        drawn *= (max(lasts, SECOND) / own) ** (1.0 - strength)
    planned = _busy(background, np.array([start]), max(lasts, MINUTE), rng) + np.concatenate([[0], np.cumsum(drawn)])
    return np.sort(_busy(background, planned.astype(np.int64), BEAT, rng))


def _busy(background: Background, planned: Array, near: int, rng: np.random.Generator) -> Array:
    """Each time moved on into the second of one of the log's next events, if that is no further away than `near`."""
    clock = background.clock
    at = np.searchsorted(clock, planned) + (rng.random(len(planned)) * NEAR).astype(np.int64)
    at = np.minimum(at, len(clock) - 1)
    moved = clock[at] // SECOND * SECOND + (rng.random(len(planned)) * SECOND).astype(np.int64)
    close = (moved >= planned) & (clock[at] - planned <= near)
    return np.where(close, moved, planned)


def events(
    background: Background,
    calls: Calls,
    hold: Hold,
    names: list[str],
    times: Array,
    targets: Mapping[str, str],
    denied: bool,
    words: Vocabulary,
    rng: np.random.Generator,
) -> dict[str, Array]:
    """The columns of a stage's events; texts are codes of `words`, to which new ones are added."""
    rows: list[dict[str, int]] = []
    aims: dict[str, Array] = {}
    for name, time in zip(names, times.tolist(), strict=True):
        call = calls[name]
        if name not in aims:
            aims[name] = _aimed(background, hold, call, targets.get(call.operation.slot, ""), rng)
        donors = aims[name]
        donor = int(donors[int(rng.random() * len(donors))]) if len(donors) else MISSING
        rows.append(_event(background, hold, call, donor, time, targets.get(call.operation.slot, ""), words))
        if denied:
            rows[-1]["outcome"] = words["outcome"].code("denied")
    return {name: np.array([row[name] for row in rows], background.columns[name].dtype) for name in background.columns}


def _event(
    background: Background, hold: Hold, call: Call, donor: int, time: int, aim: str, words: Vocabulary
) -> dict[str, int]:
    columns = background.columns
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
    elif not aim.startswith("adjacent-") and columns["identity"][donor] != hold.identity:
        row["project"] = int(columns["project"][own])
    if row["image"] >= 0 and hold.images.get("foreign", MISSING) >= 0:
        row["image"] = hold.images["foreign"]
    tick = background.ticks[stream]
    row["time"] = time // tick * tick
    row["arrived"] = row["time"] + int(columns["arrived"][base] - columns["time"][base])
    return row


def _aimed(background: Background, hold: Hold, call: Call, selector: str, rng: np.random.Generator) -> Array:
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
    if len(resources) > AIMS:
        resources = rng.choice(resources, AIMS, replace=False)
    return rows[np.isin(columns["resource"][rows], resources)]


def foreign_image(background: Background, hold: Hold, words: Vocabulary, rng: np.random.Generator) -> int:
    """An image that the identity never used, from a registry that it never used if the log has one.

    A registry that nobody uses would give the incident away, so images are of the log; -1 where it has no other.
    """
    names = background.vocabulary["image"]
    own = {names[code] for code in np.unique(background.columns["image"][hold.rows]).tolist() if code >= 0}
    registries = {registry_of(text) for text in own}
    others = [text for text in names if registry_of(text) not in registries] or [t for t in names if t not in own]
    return words["image"].code(others[int(rng.random() * len(others))]) if others else MISSING
