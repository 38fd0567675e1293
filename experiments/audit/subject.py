"""What an audit looks at, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal

from scopedrift.detectors.base import Detector
from scopedrift.experiments.audit.observed import Observed
from scopedrift.experiments.evaluation.tables import Tables
from scopedrift.experiments.evaluation.windows import LabelledWorld

if TYPE_CHECKING:
    from scopedrift.scenarios.schema import Scenario

ALPHA: Final = 0.01
"""Chance of a false complaint that each row's test accepts, after Holm over what the row tests."""
ENOUGH: Final = 8
"""Incidents below which nothing is concluded from a sample of them."""

Verdict = Literal["pass", "fail", "too small"]


@dataclass(frozen=True)
class Row:
    """One line of the audit."""

    check: str
    verdict: Verdict
    seen: str
    expected: str
    why: str = ""

    @property
    def ok(self) -> bool:
        """Whether the row does not speak against the benchmark; a sample that is too small does."""
        return self.verdict == "pass"


@dataclass(frozen=True)
class Subject:
    """A scenario, worlds simulated from it, and the results of detectors on them."""

    scenario: Scenario
    worlds: Sequence[LabelledWorld]
    detectors: Mapping[str, Detector]
    results: Tables
    """Of `detectors` and the references on `worlds`: see `experiments.tables`."""

    @cached_property
    def observed(self) -> Sequence[Observed]:
        """What the rows on traits look at, world by world."""
        return [Observed.of(world) for world in self.worlds]


Check = Callable[[Subject], Row]
