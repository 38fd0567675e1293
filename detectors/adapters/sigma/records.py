"""Sigma rules over the original records of an imported log, with exactly their fields.

Records are read again, file by file, and judged one by one; correlations then see the hits in order of arrival.  A rule
is blind if it needs a field that no record of its kind in this log has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from scopedrift.detectors.adapters.sigma.correlations import Correlation, Hit
from scopedrift.detectors.adapters.sigma.judge import Judge, blind, key, unread
from scopedrift.detectors.adapters.sigma.rules import CompiledRule
from scopedrift.detectors.adapters.sigma.ruleset import Ruleset
from scopedrift.detectors.base import Detector, Part, Scores
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.events import EventBatch
from scopedrift.simulator.records.reading.importer import Imported

Progress = Callable[[float], None]


@dataclass(frozen=True)
class JudgedRecords:
    """The matches of a set of rules in a log."""

    ruleset: Ruleset
    blind: dict[CompiledRule | Correlation, str]
    alerting: dict[int, list[CompiledRule | Correlation]]
    """By position in the log."""
    records: int
    unjudged: int
    """Records that are nested too deeply to be judged, or are not strict JSON."""

    def parts(self) -> list[Part]:
        """Each rule with the positions of its matches in the log, or the reason why it is blind."""
        matched: dict[CompiledRule | Correlation, list[int]] = {each: [] for each in self.ruleset.alerting()}
        for position, fired in sorted(self.alerting.items()):
            for each in fired:
                matched[each].append(position)
        return [
            Part(each.title, each.level, tuple(at), self.blind.get(each, ""), key(each)) for each, at in matched.items()
        ] + unread(self.ruleset)


def judge(ruleset: Ruleset, imported: Imported, progress: Progress = lambda done: None) -> JudgedRecords:
    """Judge every record of an imported log.

    Raises `LogError` if a file has changed since the import.
    """
    asked = Judge(ruleset, {each for each in ruleset.correlations if each.reason})
    hits: dict[int, Sequence[Hit]] = {}
    seen: Counter[str] = Counter()
    for position, format, raw in imported.records():
        seen["records"] += 1
        seen[format] += 1
        if seen["records"] % 1_000 == 0:
            progress(seen["records"] / len(imported.log))
        try:
            if found := asked.hits_of(format, raw):
                hits[position] = found
        except RecursionError:
            seen["unjudged"] += 1
    fields = {format: found for format, found in asked.carried().items() if seen[format]}
    times, arrived = imported.log.batch(0, len(imported.log))["time"], imported.log.arrived
    alerting = {
        at: fired for at in sorted(hits) if (fired := asked.alerting(hits[at], int(times[at]), int(arrived[at])))
    }
    return JudgedRecords(ruleset, blind(ruleset, fields, of_log=True), alerting, seen["records"], seen["unjudged"])


class OnRecords(Detector):
    """Sigma rules as a detector on the log that was judged."""

    name = "sigma"

    def __init__(self, judged: JudgedRecords) -> None:
        self._judged = judged
        self._at = self._from = self._begin = 0

    @property
    def unjudged(self) -> int:
        """Records that no rule could judge."""
        return self._judged.unjudged

    def __deepcopy__(self, memo: dict[int, object]) -> OnRecords:
        return OnRecords(self._judged)  # what was judged does not change

    def parts(self) -> list[Part]:
        """Each rule with its matches since `fit`, or the reason why it is blind."""
        return [
            replace(part, matched=tuple(at - self._from for at in part.matched if at >= self._from))
            for part in self._judged.parts()
        ]

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Learns nothing; only notes where the history ends."""
        self._at = self._from = len(history)

    def score(self, batch: EventBatch) -> Scores:
        """The highest level of a matching rule, 0 without one."""
        scores = np.zeros(len(batch))
        for row in range(len(batch)):
            if fired := self._judged.alerting.get(self._at + row):
                scores[row] = max(each.score for each in fired)
        self._begin, self._at = self._at, self._at + len(batch)
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """The rules that match."""
        fired = self._judged.alerting.get(self._begin + row, [])
        return "; ".join(f"{each.title} ({each.level})" for each in fired)
