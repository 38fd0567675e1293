"""Sigma rules as a detector: production rules, unmodified, over the records that our events would have been.

    scopedrift run core-week --detector 'scopedrift.detectors.adapters.sigma:Sigma(rules=./rules)'

Each event is written as the record of its platform (`simulator.telemetry.export`) and judged by the rules for that
kind of record; its score is the highest level among those that match.  Rules that could never fire, because records
of their kind do not carry what they test, are *blind*: told apart from rules that stay silent.  Records of a real log
can be judged as they are, by `Rule.matches` on `Imported.original`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np

from scopedrift.detectors.adapters.sigma_rules import Rule, Ruleset, load_rules, paths
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.scenarios import catalogue
from scopedrift.simulator.activities import Operations
from scopedrift.simulator.events import CODED, OUTCOMES, Event, EventBatch
from scopedrift.simulator.telemetry.export.exporter import FORMATS, Writer, streams
from scopedrift.simulator.telemetry.export.naming import Names

_RESOURCES: Final = ("s3://bucket/key", "arn:aws:iam::123456789012:role/a-workloads", "a/jobs/b", "db.table")
_SPECIMEN: Final[Mapping[str, Any]] = {
    "identity": "spiffe://example.org/ns/a/sa/b",
    "workload": "b",
    "task_kind": "b",
    "on_behalf_of": "spiffe://example.org/ns/a/sa/c",
    "project": "a",
    "image": "registry.example.org/a/b:1",
    "source": "192.0.2.1",
}


@dataclass
class Sigma(Detector):
    """Scores events by the Sigma rules that match the records they would have been."""

    rules: str = param("", doc="file or folder of Sigma rules (YAML)")

    name = "sigma"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Read the rules, and the account numbers that the history shows."""
        if not self.rules:
            raise ValueError("expected a file or folder of Sigma rules: Sigma(rules=PATH)")
        self.ruleset = load_rules(Path(self.rules))
        names = Names("sigma", (*history.names("resource"), *history.names("image")))
        self.blind = blind(self.ruleset)
        self.fired: Counter[str] = Counter()
        seeing = [rule for rule in self.ruleset.rules if rule.format and rule.file not in self.blind]
        self._judges: dict[str, list[tuple[Writer, list[Rule]]]] = {}
        for kind in sorted({rule.format for rule in seeing if rule.format}):
            own = [rule for rule in seeing if rule.format == kind]
            for stream in streams(kind):
                self._judges.setdefault(stream, []).append((FORMATS[kind].Writer(names), own))

    def score(self, batch: EventBatch) -> Scores:
        """The highest level of a matching rule (0.1 informational to 1 critical), 0 without one."""
        scores = np.zeros(len(batch))
        for row, event in enumerate(batch):
            matching = self._matching(event)
            self.fired.update(rule.title for rule in matching)
            scores[row] = max((rule.score for rule in matching), default=0.0)
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """The rules that match."""
        (event,) = batch.slice(row, row + 1)
        return "; ".join(f"{rule.title} ({rule.level})" for rule in self._matching(event))

    def _matching(self, event: Event) -> list[Rule]:
        matching = []
        for writer, rules in self._judges.get(event.stream, ()):
            record = writer.record(event, _mark(event))
            matching += [rule for rule in rules if rule.matches(record)]
        return matching


def _mark(event: Event) -> int:
    """A number for the ids of an event's record that does not depend on where batches begin."""
    return int(event.time) ^ int(event.task or "0", 16)


def blind(ruleset: Ruleset, records: Mapping[str, Iterable[str]] | None = None) -> dict[Path, str]:
    """The rules that can never fire, by file, and why.

    `records` are the fields that records have, by format (`sigma_rules.paths` of a real log's); by default those
    that an export writes.
    """
    reasons = {}
    for rule in ruleset.rules:
        if rule.format is None:
            reasons[rule.file] = f"no stream has records of the log source {rule.source}"
            continue
        have = carried(rule.format) if records is None else frozenset(records.get(rule.format, ()))
        if missing := rule.blind_to(have):
            reasons[rule.file] = f"{rule.format} records do not carry {', '.join(missing)}"
    return reasons


@cache
def carried(format: str) -> frozenset[str]:
    """Every field that an export of a format writes, over all operations, outcomes and kinds of credential."""
    writer: Writer = FORMATS[format].Writer(Names("specimen"))
    found: set[str] = set()
    for operation in Operations(catalogue.operations()).all:
        if operation.stream not in streams(format):
            continue
        for resource, outcome, kind in product(_RESOURCES, OUTCOMES, ("oauth", "static-key")):
            values = {
                **_SPECIMEN,
                "stream": operation.stream,
                "service": operation.service,
                "operation": operation.operation,
                "access": operation.access,
                "resource": resource,
                "outcome": outcome,
                "credential_kind": kind,
            }
            found.update(paths(writer.record(_event(values), 0)))
    return frozenset(found)


def _event(values: Mapping[str, str]) -> Event:
    columns: dict[str, list[Any]] = {"time": [0], "arrived": [0], "credential": [1], "task": [1], "bytes": [1]}
    texts: dict[str, list[str | None]] = {}
    for name in CODED:
        columns[name] = [0]
        texts[name] = [values.get(name)]
    return Event(columns, texts, 0)
