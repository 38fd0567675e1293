"""The text that `scopedrift new detector NAME` prints: a small detector that passes the conformance check."""

from __future__ import annotations

import re

_TEMPLATE = '''"""{title}: say here what the detector looks for, and why that betrays scope drift."""

from __future__ import annotations

from dataclasses import dataclass

from scopedrift.detectors import Detector, Knowledge, param
from scopedrift.detectors.base import Scores
from scopedrift.simulator.log.events import EventBatch


@dataclass
class {name}(Detector):
    """Scores the first time an identity uses an operation; change this to what you have in mind."""

    weight: float = param(1.0, 0.1, 10.0, log=True, doc="score of a first use")

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Learn from the baseline window.  Start afresh: a detector may be fitted more than once."""
        self.seen = set(history.pairs("identity", "operation"))

    def score(self, batch: EventBatch) -> Scores:
        """One score per event, higher is more suspicious; float("nan") abstains."""
        scores = []
        for pair in batch.pairs("identity", "operation"):
            scores.append(0.0 if pair in self.seen else self.weight)
            self.seen.add(pair)
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """One sentence for the person on call."""
        identity, operation = batch.slice(row, row + 1).pairs("identity", "operation")[0]
        return f"{{identity}} used {{operation}} for the first time"
'''


def detector_template(name: str) -> str:
    """Python source of a new detector class; `name` may be written new-registry, new_registry or NewRegistry.

    Raises `ValueError` for a name that cannot be a class name.
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    class_name = "".join(word[:1].upper() + word[1:] for word in words)
    if not class_name.isidentifier() or re.search(r"[^\w\s-]", name):
        raise ValueError(f"{name!r} cannot be a class name: expected letters, digits and hyphens, a letter first")
    return _TEMPLATE.format(name=class_name, title=" ".join(words).capitalize())
