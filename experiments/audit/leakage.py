"""Does any field that is not behaviour tell an injected event from a real one?

For every such field a *stump* (a rule on this one number) is tried: how well does it separate the events of an incident
from other events of the same operation, in the same kind of task, in the same test window?  The unit is the incident,
not the event, since the events of one incident share ids: each gives one area under the ROC curve, which is 1/2 on
average if nothing leaks.  A sign-flip test over incidents (over texts where codes are numbered, see `codes`), Holm-
adjusted over fields, and a minimum effect decide.

A real log is one platform however often incidents are injected into it: ids and names are those of the victim every
time.  For them its incidents are one unit there, and where one identity does nearly everything, nothing can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from scopedrift.experiments.audit.codes import Strata, parity, surplus
from scopedrift.experiments.audit.subject import ALPHA, ENOUGH, Row, Subject
from scopedrift.experiments.evaluation.statistics import adjust
from scopedrift.experiments.evaluation.windows import LabelledWorld, Windows
from scopedrift.simulator.log.events import CODED, MISSING, OPAQUE, SECOND, Array, EventBatch
from scopedrift.simulator.log.truth import SCOPE_DRIFT

EFFECT: Final = 0.05
"""Distance of the mean area from 1/2 below which nobody could use a field."""
CONTROLS: Final = 2_000
"""Other events of a kind that an incident is held against, at most."""
LEAST_OTHERS: Final = 20
"""Other events of a kind below which it is left out."""
EVENTS: Final = 300
"""Events of one incident that are looked at, at most."""
FLIPS: Final = 20_000
LEAST: Final = 16
"""Incidents that a stump is judged on at least: with fewer, no leak could be significant over all fields."""

IDS: Final = (": low bits", ": high bits", ": missing")
"""How the fields end that are ids and names, or whether there is one."""
CENTRED: Final = ", from the middle"

Victim = tuple[str, str]
"""A platform (the digest of its log), and an identity on it if it is a real one, else an incident."""
Field = Callable[[EventBatch, int], Array]
"""A number for each event of a batch, which begins at the given position of the log."""


def _part(column: str, modulus: int) -> Field:
    return lambda batch, start: np.asarray(batch[column] % modulus)


def _centred(field: Field) -> Field:
    """How far a number is from the middle of its range: finds values that cluster where an order does not."""

    def distance(batch: EventBatch, start: int) -> Array:
        values = field(batch, start).astype(float)
        return np.asarray(np.abs(values - (values.max(initial=0.0) + values.min(initial=0.0)) / 2))

    return distance


def _missing(column: str) -> Field:
    return lambda batch, start: (batch[column] == MISSING).astype(np.int8)


def _fields(world: LabelledWorld) -> Mapping[str, Field]:
    """Every field that is not behaviour, as numbers; what the log lacks is left out."""
    columns = world.log.batch(0, 1).columns
    numbers: dict[str, Field] = {
        "time: microsecond": _part("time", 1_000),
        "time: millisecond": _part("time", SECOND),
        "arrived: microsecond": _part("arrived", 1_000),
        "arrived: millisecond": _part("arrived", SECOND),
        "delay to arrival": lambda batch, start: batch["arrived"] - batch["time"],
        "position: parity": lambda batch, start: (np.arange(len(batch)) + start) % 2,
        "order among equal arrivals": _order_among_equals,
    }
    numbers |= {f"{name}: low bits": _part(name, 256) for name in OPAQUE if name in columns}
    numbers |= {f"{name}: high bits": lambda b, s, n=name: b[n] >> 40 for name in OPAQUE if name in columns}  # type: ignore[misc]
    if "bytes" in columns:
        numbers["bytes: last digits"] = _part("bytes", 100)
    spread = {f"{name}{CENTRED}": _centred(f) for name, f in numbers.items() if "parity" not in name}
    always = ("identity", "workload", "source", "project", "resource", "credential", "bytes")
    holes = {f"{name}: missing": _missing(name) for name in always if name in columns}
    return {**numbers, **spread, **holes}


def _order_among_equals(batch: EventBatch, start: int) -> Array:
    arrived = batch["arrived"]
    first = np.flatnonzero(np.diff(arrived, prepend=arrived[:1] - 1))
    return np.arange(len(arrived)) - np.repeat(first, np.diff(first, append=len(arrived)))


def no_field_leaks(subject: Subject) -> Row:
    """A stump on any single field that is not behaviour is at chance."""
    strata = [_Strata.of(world) for world in subject.worlds]
    areas: dict[str, list[tuple[Victim, float]]] = {}
    for world in strata:
        for name, found in _areas(world).items():
            areas.setdefault(name, []).extend(found)
    expected = (
        f"every one within {EFFECT} of 0.5, or not significantly away from it; "
        f"false alarms of this row: at most {ALPHA:.0%}"
    )
    units = {name: _units(name, found) for name, found in areas.items() if len(found) >= LEAST}
    enough = {name: found - 0.5 for name, found in units.items() if len(found) >= ENOUGH}
    if not enough:
        return Row("leaks", "too small", f"fewer than {LEAST} incidents with others of their kind", expected)
    signs = cache(_signs)
    judged = {name: (float(found.mean()), _sign_flip(found, signs)) for name, found in enough.items()}
    judged |= {f"code of {name}: parity": parity(_surplus(world, name) for world in strata) for name in CODED}
    means = {name: mean for name, (mean, _) in judged.items()}
    p_values = adjust([p for _, p in judged.values()])
    guilty = [n for n, p in zip(judged, p_values, strict=True) if p < ALPHA and abs(means[n]) > EFFECT]
    worst = max(guilty or enough, key=lambda name: abs(means[name]))
    seen = f"{len(judged)} fields, the worst {worst!r} with a mean area of {0.5 + means[worst]:.2f}"
    if guilty:
        told = ", ".join(map(repr, sorted(guilty)))
        seen = f"{told} tell incidents ({worst!r} with a mean area of {0.5 + means[worst]:.2f})"
    if few := [name for name in units if name not in enough]:
        hit = max(len(units[name]) for name in few)
        seen += f"; ids and names ({len(few)} fields) cannot be judged: identities that were hit: {hit}"
    return Row("leaks", "fail" if guilty else "too small" if few else "pass", seen, expected)


def _units(name: str, found: Sequence[tuple[Victim, float]]) -> Array:
    """The areas that count as independent: one for each incident, of ids and names one for each victim."""
    if not name.removesuffix(CENTRED).endswith(IDS):
        return np.array([area for _, area in found])
    of_victim: dict[Victim, list[float]] = {}
    for victim, area in found:
        of_victim.setdefault(victim, []).append(area)
    return np.array([np.mean(areas) for areas in of_victim.values()])


@dataclass(frozen=True)
class _Strata:
    """The test window of a world: each incident's events by operation and kind of task, with others of that kind."""

    world: LabelledWorld
    start: int
    batch: EventBatch
    incidents: Mapping[int, Strata]

    @classmethod
    def of(cls, world: LabelledWorld) -> _Strata:
        test = Windows.of(world.scenario, world.log).test
        owner = world.truth.incident_of(test.start, test.stop)
        benign = np.flatnonzero(world.truth.labels(test.start, test.stop) < SCOPE_DRIFT)
        batch = world.log.batch(test.start, test.stop)
        none = np.zeros(len(batch), np.int64)
        operation, kind_of_task = (batch.columns.get(name, none) for name in ("operation", "task_kind"))
        kind = (operation.astype(np.int64) << 32) + kind_of_task
        order = benign[np.argsort(kind[benign], kind="stable")]
        held = kind[order]
        strata: dict[int, Strata] = {}
        for incident in np.unique(owner[owner >= 0]).tolist():
            rows = _spaced(np.flatnonzero(owner == incident), EVENTS)
            found = []
            for each in np.unique(kind[rows]).tolist():
                others = _spaced(order[np.searchsorted(held, each) : np.searchsorted(held, each, side="right")])
                if len(others) >= LEAST_OTHERS:
                    found.append((rows[kind[rows] == each], others))
            if found:
                strata[incident] = found
        return cls(world, test.start, batch, strata)


def _areas(strata: _Strata) -> dict[str, list[tuple[Victim, float]]]:
    """For each field, the area of every incident of one world."""
    world = strata.world
    real = world.log.manifest.get("background")
    platform = real["digest"] if real else world.log.digest
    victims = {i: world.truth.incidents[i] for i in strata.incidents}
    names = {i: (platform, each.identity if real else each.id) for i, each in victims.items()}
    areas: dict[str, list[tuple[Victim, float]]] = {}
    for name, field in _fields(world).items():
        values = field(strata.batch, strata.start)
        areas[name] = [(names[i], _area(values, mine)) for i, mine in strata.incidents.items()]
    return areas


def _surplus(strata: _Strata, name: str) -> list[dict[int, float]]:
    if name not in strata.batch.columns:
        return []
    return [surplus(strata.batch[name], mine) for mine in strata.incidents.values()]


def _spaced(rows: Array, most: int = CONTROLS) -> Array:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _area(values: Array, strata: Strata) -> float:
    """Mann-Whitney's area of one incident's events against other events of their kinds; ties count half."""
    won, pairs = 0.0, 0
    for rows, controls in strata:
        own, others = values[rows], np.sort(values[controls])
        won += sum(float(np.searchsorted(others, own, side).sum()) for side in ("left", "right")) / 2
        pairs += len(own) * len(others)
    return won / pairs


def _sign_flip(found: Array, signs: Callable[[int], Array]) -> float:
    """Two-sided p-value of a mean of 0, by flipping signs: exact for areas that are symmetric about 1/2."""
    if not found.any():
        return 1.0
    extreme = np.abs(signs(len(found)) @ found) >= abs(found.sum()) - 1e-12
    return (int(extreme.sum()) + 1) / (FLIPS + 1)


def _signs(count: int, seed: int = 0) -> Array:
    """The flips of so many units."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], (FLIPS, count))
