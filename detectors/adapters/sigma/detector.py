"""Sigma rules as a detector: unmodified production rules over the records of the simulated platform.

    scopedrift run core-week --detector 'sigma(rules=./rules)'

Each event is written as the record of its platform (`simulator.records.writing`) and judged by the rules for that
kind of record; its score is the highest level among the matching rules.  A rule that could never fire, because its
kind of record lacks the fields that it tests, is *blind*; a *silent* rule could fire but did not.  `records` judges the
records of a real log directly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from scopedrift.detectors.adapters.sigma.correlations import Correlation, Hit
from scopedrift.detectors.adapters.sigma.fields import paths
from scopedrift.detectors.adapters.sigma.judge import Judge, blind, key, unread
from scopedrift.detectors.adapters.sigma.rules import CompiledRule
from scopedrift.detectors.adapters.sigma.ruleset import load_rules
from scopedrift.detectors.base import Detector, Part, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.scenarios import catalogue
from scopedrift.simulator.expansion.activities import Operations
from scopedrift.simulator.log.events import CODED, MISSING, OUTCOMES, Event, EventBatch
from scopedrift.simulator.records.formats import FORMATS
from scopedrift.simulator.records.writing.exporter import text_of
from scopedrift.simulator.records.writing.naming import ExportNames

_Writer = tuple[str, Callable[[Event, int], bytes | None]]
"""A kind of record, and what writes an event as one."""
_TOLD: Final = ("stream", "service", "operation", "access", "outcome")
"""What `Format.named` follows from, and whether a platform has a record of an event at all."""
_RESOURCES: Final = ("s3://bucket/key", "arn:aws:iam::123456789012:role/a-workloads", "a/jobs/b", "db.table")
_SOURCES: Final = ("192.0.2.1", "10.0.0.1")
_SPECIMEN: Final[Mapping[str, Any]] = {
    "identity": "spiffe://example.org/ns/a/sa/b",
    "workload": "b",
    "task_kind": "b",
    "on_behalf_of": "spiffe://example.org/ns/a/sa/c",
    "project": "a",
    "image": "registry.example.org/a/b:1",
}


@dataclass
class Sigma(Detector):
    """Scores events by the Sigma rules that match their records: sigma(rules=./rules) (extra: sigma)."""

    rules: str = param("", doc="file or folder of Sigma rules (YAML)")
    pipeline: str = param("", doc="pySigma processing pipeline (YAML) that changes the rules, or none")

    name = "sigma"

    def __post_init__(self) -> None:
        if not self.rules:
            raise ValueError("expected a file or folder of Sigma rules: sigma(rules=PATH)")
        self.ruleset = load_rules(Path(self.rules), Path(self.pipeline) if self.pipeline else None)

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Take the account numbers from the history."""
        names = ExportNames("sigma", (*history.names("resource"), *history.names("image")))
        formats = {rule.format for rule in self.ruleset.rules if rule.format}
        self.blind = blind(self.ruleset, {format: carried(format) for format in formats})
        self.fired: Counter[str] = Counter()
        self._judge = Judge(self.ruleset, self.blind)
        self._writers: dict[str, list[_Writer]] = {}
        for kind in sorted(self._judge.rules):
            for stream in FORMATS[kind].streams:
                self._writers.setdefault(stream, []).append((kind, text_of(FORMATS[kind].writer(names))))
        self._left: dict[tuple[int, ...], list[_Writer]] = {}
        self._matched: dict[CompiledRule | Correlation, list[int]] = {each: [] for each in self.ruleset.alerting()}
        self._scored = 0
        self._last: tuple[EventBatch | None, dict[int, list[CompiledRule | Correlation]]] = None, {}
        self._seen = _formats(history)

    def score(self, batch: EventBatch) -> Scores:
        """The highest level of a matching rule (0.1 informational to 1 critical), 0 without one."""
        scores = np.zeros(len(batch))
        alerting: dict[int, list[CompiledRule | Correlation]] = {}
        for row, (event, writers) in enumerate(zip(batch, self._open(batch), strict=True)):
            if not writers:
                continue
            fired = self._judge.alerting(self._hits(event, writers), int(event.time), int(event.arrived))
            if fired:
                alerting[row] = fired
                scores[row] = max(each.score for each in fired)
                self.fired.update(each.title for each in fired)
                for each in fired:
                    self._matched[each].append(self._scored + row)
        self._scored += len(batch)
        self._last = batch, alerting
        self._seen |= _formats(batch)
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """The rules that match."""
        if batch is self._last[0]:
            fired = self._last[1].get(row, [])
        else:
            (event,) = batch.slice(row, row + 1)
            fired = [hit.rule for hit in self._hits(event, self._writers.get(event.stream, ()))]
        return "; ".join(f"{each.title} ({each.level})" for each in fired)

    def parts(self) -> list[Part]:
        """Each rule with its matches, or the reason why it is blind."""
        return [
            Part(each.title, each.level, tuple(matched), self.blind.get(each, "") or self._absent(each), key(each))
            for each, matched in self._matched.items()
        ] + unread(self.ruleset)

    def _absent(self, each: CompiledRule | Correlation) -> str:
        """The reason if the log has no record of a rule's kind, else empty."""
        formats = {rule.format for rule in ([each] if isinstance(each, CompiledRule) else each.rules)}
        return "" if formats & self._seen else f"the log has no {' or '.join(sorted(map(str, formats)))} records"

    def _open(self, batch: EventBatch) -> Iterable[Sequence[_Writer]]:
        """For each event the kinds of records that a rule may match, as far as operation and outcome tell."""
        none = np.full(len(batch), MISSING)
        told = zip(*(batch.columns.get(name, none).tolist() for name in _TOLD), strict=True)
        for row, kind in enumerate(told):
            if kind not in self._left:
                (event,) = batch.slice(row, row + 1)
                self._left[kind] = [
                    (format, text)
                    for format, text in self._writers.get(event.stream, ())
                    if (record := text(event, _mark(event))) is not None and not self._judge.excludes(format, record)
                ]
            yield self._left[kind]

    def _hits(self, event: Event, writers: Sequence[_Writer]) -> list[Hit]:
        return [
            hit
            for kind, text in writers
            if (record := text(event, _mark(event))) is not None
            for hit in self._judge.hits_of(kind, record)
        ]


def _formats(batch: EventBatch) -> set[str | None]:
    """The formats that could carry an event of the batch."""
    held = set(batch.names("stream")) if "stream" in batch.columns else set()
    return {name for name, each in FORMATS.items() if held & set(each.streams)}


def _mark(event: Event) -> int:
    """A number for the ids of an event's record that does not depend on where batches begin."""
    return int(event.time) ^ int(event.task or "0", 16)


@cache
def carried(format: str) -> frozenset[str]:
    """Every field that an export of a format writes, over all operations, outcomes and kinds of credential."""
    writer = FORMATS[format].writer(ExportNames("specimen"))
    found: set[str] = set()
    for operation in Operations(catalogue.operations()).all:
        if operation.stream not in FORMATS[format].streams:
            continue
        for resource, outcome, kind, source in product(_RESOURCES, OUTCOMES, ("oauth", "static-key"), _SOURCES):
            values = {
                **_SPECIMEN,
                "stream": operation.stream,
                "service": operation.service,
                "operation": operation.operation,
                "access": operation.access,
                "resource": resource,
                "outcome": outcome,
                "credential_kind": kind,
                "source": source,
            }
            found.update(paths(writer.record(_event(values), 0) or {}))
    return frozenset(found)


def _event(values: Mapping[str, str]) -> Event:
    columns: dict[str, list[Any]] = {"time": [0], "arrived": [0], "credential": [1], "task": [1], "bytes": [1]}
    texts: dict[str, list[str | None]] = {}
    for name in CODED:
        columns[name] = [0]
        texts[name] = [values.get(name)]
    return Event(columns, texts, 0)
