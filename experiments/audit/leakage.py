"""Does any field that is not behaviour tell an injected event from a real one?

For every such field a *stump* (a rule on this one number) is tried: how well does it separate the events of an incident
from other events of the same operation in the same test window?  The unit is the incident, not the event, since the
events of one incident share ids: each gives one area under the ROC curve, which is 1/2 on average if nothing
leaks.  A sign-flip test over incidents, Holm-adjusted over fields, and a minimum effect decide.

A real log is one platform however often incidents are injected into it: ids and names are those of the victim every
time.  For them its incidents are one unit there, and where one identity does nearly everything, nothing can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from scopedrift.experiments.audit.subject import ALPHA, ENOUGH, Row, Subject
from scopedrift.experiments.evaluation.statistics import adjust
from scopedrift.experiments.evaluation.windows import Windows, World
from scopedrift.simulator.log.events import CODED, MISSING, OPAQUE, SECOND, Array, EventBatch
from scopedrift.simulator.log.truth import SCOPE_DRIFT

EFFECT: Final = 0.05
"""Distance of the mean area from 1/2 below which nobody could use a field."""
CONTROLS: Final = 2_000
"""Other events of an operation that an incident is held against, at most."""
EVENTS: Final = 300
"""Events of one incident that are looked at, at most."""
WORDS: Final = (
    *("stream", "credential_kind", "task_kind", "service", "operation", "access", "project", "registry", "source"),
)
"""Columns whose values somebody benign must share: new for the victim is behaviour, new for everybody gives it away."""
OWN_WORDS: Final = 0.05
"""Share of incident events whose value may be theirs alone (assumed: chance keeps a rare benign use out of a log)."""
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


def _fields(world: World) -> Mapping[str, Field]:
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
    codes = {f"code of {name}: parity": _part(name, 2) for name in CODED if name in columns}
    always = ("identity", "workload", "source", "project", "resource", "credential", "bytes")
    holes = {f"{name}: missing": _missing(name) for name in always if name in columns}
    return {**numbers, **spread, **codes, **holes}


def _order_among_equals(batch: EventBatch, start: int) -> Array:
    arrived = batch["arrived"]
    first = np.flatnonzero(np.diff(arrived, prepend=arrived[:1] - 1))
    return np.arange(len(arrived)) - np.repeat(first, np.diff(first, append=len(arrived)))


def no_field_leaks(subject: Subject) -> Row:
    """A stump on any single field that is not behaviour is at chance."""
    areas: dict[str, list[tuple[Victim, float]]] = {}
    for world in subject.worlds:
        for name, found in _areas(world).items():
            areas.setdefault(name, []).extend(found)
    expected = f"every one within {EFFECT} of 0.5, or not significantly away from it"
    units = {name: _units(name, found) for name, found in areas.items() if len(found) >= LEAST}
    enough = {name: found - 0.5 for name, found in units.items() if len(found) >= ENOUGH}
    if not enough:
        return Row("leaks", "too small", f"fewer than {LEAST} incidents with others of their kind", expected)
    p_values = adjust([_sign_flip(found) for found in enough.values()])
    means = {name: float(found.mean()) for name, found in enough.items()}
    guilty = [n for n, p in zip(enough, p_values, strict=True) if p < ALPHA and abs(means[n]) > EFFECT]
    worst = max(guilty or enough, key=lambda name: abs(means[name]))
    seen = f"{len(enough)} fields, the worst {worst!r} with a mean area of {0.5 + means[worst]:.2f}"
    if guilty:
        told = ", ".join(map(repr, sorted(guilty)))
        seen = f"{told} tell incidents ({worst!r} with a mean area of {0.5 + means[worst]:.2f})"
    if few := [name for name in units if name not in enough]:
        hit = max(len(units[name]) for name in few)
        seen += f"; ids and names ({len(few)} fields) cannot be judged: identities that were hit: {hit}"
    return Row("leaks", "fail" if guilty else "too small" if few else "pass", seen, expected)


def _units(name: str, found: Sequence[tuple[Victim, float]]) -> Array:
    """The areas that count as independent: one for each incident, of ids and names one for each victim."""
    if not (name.removesuffix(CENTRED).endswith(IDS) or name.startswith("code of ")):
        return np.array([area for _, area in found])
    of_victim: dict[Victim, list[float]] = {}
    for victim, area in found:
        of_victim.setdefault(victim, []).append(area)
    return np.array([np.mean(areas) for areas in of_victim.values()])


def words_are_ordinary(subject: Subject) -> Row:
    """What incidents call, from where and with what, benign work of somebody calls too."""
    own: dict[str, list[float]] = {}
    for world in subject.worlds:
        for column, share in _own_words(world).items():
            own.setdefault(column, []).append(share)
    shares = {column: float(np.mean(found)) for column, found in own.items()}
    foreign = {column: share for column, share in shares.items() if share > OWN_WORDS}
    worst = sorted(foreign or shares, key=lambda column: -shares[column])[: len(foreign) or 1]
    seen = ", ".join(f"{column} {shares[column]:.1%}" for column in worst)
    return Row(
        "words",
        "fail" if foreign else "pass",
        f"events of incidents with a word that nothing benign has: {seen or 'none'}",
        f"at most {OWN_WORDS:.0%} of them in each of {len(WORDS)} columns",
    )


def _own_words(world: World) -> dict[str, float]:
    """By column: the share of all incident events whose value no benign event of the log has."""
    truth = world.truth
    at = truth.event[truth.label >= SCOPE_DRIFT]
    if not len(at):
        return {}
    bad = np.zeros(len(world.log), bool)
    bad[at] = True
    found: dict[str, float] = {}
    for column in WORDS:
        counts: dict[bool, Array] = {True: np.zeros(0, np.int64), False: np.zeros(0, np.int64)}
        start = 0
        for batch in world.log.batches(500_000):
            codes, mine = batch[column], bad[start : start + len(batch)]
            start += len(batch)
            for kind, held in counts.items():
                chosen = codes[(mine == kind) & (codes >= 0)]
                counts[kind] = np.bincount(chosen, minlength=max(len(held), int(codes.max(initial=0)) + 1))
                counts[kind][: len(held)] += held
        size = max(map(len, counts.values()))
        theirs, own = (np.pad(counts[kind], (0, size - len(counts[kind]))) for kind in (False, True))
        found[column] = float(own[theirs == 0].sum() / len(at))
    return found


def _areas(world: World) -> dict[str, list[tuple[Victim, float]]]:
    """For each field, the area of every incident of one world."""
    test = Windows.of(world.scenario, world.log).test
    owner = world.truth.incident_of(test.start, test.stop)
    benign = np.flatnonzero(world.truth.labels(test.start, test.stop) < SCOPE_DRIFT)
    batch = world.log.batch(test.start, test.stop)
    if not len(batch) or not len(benign):
        return {}
    operation = batch["operation"] if "operation" in batch.columns else np.zeros(len(batch), np.int32)
    by_operation = {code: _spaced(benign[operation[benign] == code]) for code in np.unique(operation).tolist()}
    rows = {i: _spaced(np.flatnonzero(owner == i), EVENTS) for i in np.unique(owner[owner >= 0]).tolist()}
    real = world.log.manifest.get("background")
    platform = real["digest"] if real else world.log.digest
    areas: dict[str, list[tuple[Victim, float]]] = {}
    for name, field in _fields(world).items():
        values = field(batch, test.start)
        found = {i: _area(values, mine, operation, by_operation) for i, mine in rows.items()}
        incidents = {i: world.truth.incidents[i] for i in found}
        victims = {i: (platform, each.identity if real else each.id) for i, each in incidents.items()}
        areas[name] = [(victims[i], area) for i, area in found.items() if area == area]
    return areas


def _spaced(rows: Array, most: int = CONTROLS) -> Array:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _area(values: Array, mine: Array, operation: Array, controls: Mapping[int, Array]) -> float:
    """Mann-Whitney's area of one incident's events against other events of the same operations; NaN without any."""
    from scipy.stats import mannwhitneyu

    won, pairs = 0.0, 0
    for code in np.unique(operation[mine]).tolist():
        own, others = values[mine[operation[mine] == code]], values[controls[code]]
        if len(others) >= 20:
            won += float(mannwhitneyu(own, others).statistic)
            pairs += len(own) * len(others)
    return won / pairs if pairs else float("nan")


def _sign_flip(found: Array, seed: int = 0) -> float:
    """Two-sided p-value of a mean of 0, by flipping signs: exact for areas that are symmetric about 1/2."""
    if not found.any():
        return 1.0
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (FLIPS, len(found)))
    extreme = np.abs(signs @ found) >= abs(found.sum()) - 1e-12
    return (int(extreme.sum()) + 1) / (FLIPS + 1)
