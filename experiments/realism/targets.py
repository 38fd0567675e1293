"""What real platforms show: targets by statistic, read from YAML.

A target is either `clusters` (two or more real platforms: the simulator is held to their middle, and may lie as far
from it as the farthest of them does) or one `value`, `quantiles` or `shares` with a `tolerance`.  Each names its
`source`.  A file holds statistics by name under `targets`, which may leave out any.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

import numpy as np

from scopedrift.experiments.realism import distances
from scopedrift.experiments.realism.catalogue import statistics
from scopedrift.experiments.realism.statistic import Statistic, Value
from scopedrift.scenarios import catalogue
from scopedrift.scenarios.documents import (
    Document,
    KeyPath,
    Problem,
    ScenarioError,
    parse,
    read_text,
    shown,
    suggestion,
)

KEYS: Final = ("value", "quantiles", "shares", "clusters", "distance", "tolerance", "source", "note")
HOLDS: Final = {"distribution": "quantiles", "number": "value", "shares": "shares"}


@dataclass(frozen=True)
class Target:
    """What one statistic should be."""

    statistic: str
    value: Value
    """A curve (probability to value), a number, or shares by category."""
    distance: str
    tolerance: float
    source: str
    note: str = ""
    clusters: Mapping[str, Value] | None = None


def load(path: Path | None = None) -> dict[str, Target]:
    """The targets of a user's file, or those of the library.

    Raises `ScenarioError` with file, line and key for a file that cannot be used.
    """
    files: list[Path | Traversable] = (
        [path]
        if path is not None
        else sorted(
            (each for each in (catalogue.root() / "realism").iterdir() if each.name.endswith(".yaml")),
            key=lambda each: each.name,
        )
    )
    found: dict[str, Target] = {}
    for file in files:
        label = str(path) if path is not None else file.name
        document = parse(read_text(file, label), label, number_keys=True)
        found |= dict(_read(document))
    known = [name for name in statistics() if name in found]
    return {name: found[name] for name in known}


def _read(document: Document) -> Iterator[tuple[str, Target]]:
    problems: list[Problem] = []
    for word in document.value:
        if word != "targets":
            problems.append(document.problem(f"unknown key{suggestion(word, ['targets'])}", (str(word),)))
    given = document.value.get("targets")
    if not isinstance(given, dict) or not given:
        problems.append(document.problem("expected a mapping of statistics under `targets`", ("targets",)))
        given = {}
    read: list[tuple[str, Target]] = []
    for name, spec in given.items():
        key: KeyPath = ("targets", str(name))
        if name not in statistics():
            problems.append(document.problem(f"unknown statistic{suggestion(name, statistics())}", key))
            continue
        try:
            read.append((name, _target(document, key, statistics()[name], spec)))
        except ScenarioError as error:
            problems += error.problems
    if problems:
        raise ScenarioError(*problems)
    yield from read


def _target(document: Document, key: KeyPath, statistic: Statistic, spec: object) -> Target:
    def wrong(message: str, *more: str | int) -> ScenarioError:
        return ScenarioError(document.problem(message, (*key, *more)))

    if not isinstance(spec, dict):
        raise wrong(f"expected a mapping, not {shown(spec)}")
    for word in spec:
        if word not in KEYS:
            raise wrong(f"unknown key{suggestion(word, KEYS)}", str(word))
    holds = HOLDS[statistic.form]
    if ("clusters" in spec) == (holds in spec):
        raise wrong(f"expected either {holds} or clusters")
    for other in set(HOLDS.values()) - {holds}:
        if other in spec:
            raise wrong(f"{statistic.name} is a {statistic.form}: expected {holds}", other)
    source = spec.get("source")
    if not isinstance(source, str) or not source.strip():
        raise wrong("expected a source: where the figure comes from", "source")
    allowed = distances.DISTANCES[statistic.form]
    distance = spec.get("distance", allowed[0])
    if distance not in allowed:
        raise wrong(f"unknown distance{suggestion(distance, allowed)}", "distance")
    note = str(spec.get("note", ""))
    if "clusters" not in spec:
        value = _value(document, (*key, holds), statistic, spec[holds])
        tolerance = spec.get("tolerance")
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 < tolerance < math.inf:
            raise wrong(f"expected a number above 0, not {shown(tolerance)}", "tolerance")
        return Target(statistic.name, value, distance, float(tolerance), source, note)
    clusters = spec["clusters"]
    if not isinstance(clusters, dict) or len(clusters) < 2:
        raise wrong("expected at least two clusters by name", "clusters")
    if "tolerance" in spec:
        raise wrong("clusters give the tolerance by themselves: leave it out", "tolerance")
    if statistic.form == "shares":
        raise wrong("shares cannot be given by clusters", "clusters")
    values = {
        str(name): _value(document, (*key, "clusters", str(name)), statistic, each) for name, each in clusters.items()
    }
    middle = _middle(list(values.values()), distance)
    spread = max(separation(distance, middle, each) for each in values.values())
    return Target(statistic.name, middle, distance, spread, source, note, values)


def _value(document: Document, key: KeyPath, statistic: Statistic, given: object) -> Value:
    """A number, or a mapping of numbers, as the form of the statistic asks for."""

    def number(value: object, *more: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ScenarioError(document.problem(f"expected a number, not {shown(value)}", (*key, *more)))
        return float(value)

    if statistic.form == "number":
        return number(given)
    if not isinstance(given, dict) or len(given) < 2:
        raise ScenarioError(document.problem("expected a mapping with at least two entries", key))
    read = {name: number(value, str(name)) for name, value in given.items()}
    if statistic.form == "shares":
        if min(read.values()) < 0 or sum(read.values()) <= 0:
            raise ScenarioError(document.problem("expected shares from 0 up, not all 0", key))
        return {str(name): value for name, value in read.items()}
    for probability, value in read.items():
        if isinstance(probability, str) or not 0 <= probability <= 1:
            message = f"expected a probability from 0 to 1, not {shown(probability)}"
            raise ScenarioError(document.problem(message, (*key, str(probability))))
        if value <= 0:
            raise ScenarioError(document.problem(f"expected more than 0, not {value:g}", (*key, str(probability))))
    curve = dict(sorted(read.items()))
    if list(curve.values()) != sorted(curve.values()):
        raise ScenarioError(document.problem("expected quantiles in ascending order", key))
    return curve


def _middle(values: list[Value], distance: str) -> Value:
    """Between clusters: the middle of the range of numbers, the geometric mean of quantiles at shared anchors."""
    if not isinstance(values[0], dict):
        low, high = min(values), max(values)
        return math.sqrt(low * high) if distance == "ratio" else (low + high) / 2
    low, high = max(min(v) for v in values), min(max(v) for v in values)
    anchors = sorted({p for v in values for p in v if low <= p <= high})
    logs = np.mean([np.log(distances.at(v, np.array(anchors))) for v in values], axis=0)
    return dict(zip(anchors, np.exp(logs).tolist(), strict=True))


def separation(distance: str, target: Value, other: Value) -> float:
    """How far another platform's value lies from a target."""
    if isinstance(target, dict):
        return distances.of_distribution(distance, target, lambda p: distances.at(other, p))
    return distances.of_number(distance, target, other)
