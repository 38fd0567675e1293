"""Examining: does a detector keep the detector contract, and is a benchmark free of known flaws?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from scopedrift.detectors.conformance import CheckResult, check_apart
from scopedrift.experiments import audit as auditing
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.selection import default_detectors
from scopedrift.judging import SeedsLike, seeds_of, workers_of
from scopedrift.reports.notebook import fragment
from scopedrift.worlds import ScenarioLike, World, scenario_or_world

if TYPE_CHECKING:
    import pandas as pd

Checked = TypeVar("Checked", CheckResult, auditing.Row)


@dataclass(frozen=True, eq=False, repr=False)
class Examination(Generic[Checked]):
    """The outcome of `check` or `audit`.

    Attributes:
        name: The detector, scenario or log.
        rows: One for each check: `check` (its name), `ok`, what was seen and expected, and `why` it matters.
        seeds: The worlds of an audit.
    """

    name: str
    rows: tuple[Checked, ...]
    seeds: tuple[int, ...] = ()

    @property
    def failed(self) -> list[Checked]:
        """The checks that did not pass; of an audit, also those with too small a sample."""
        return [row for row in self.rows if not row.ok]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return not self.failed

    @property
    def table(self) -> pd.DataFrame:
        """One row for each check."""
        import pandas as pd

        return pd.DataFrame([{**asdict(row), "ok": row.ok} for row in self.rows])

    def __repr__(self) -> str:
        return f"{self.name}: {len(self.rows) - len(self.failed)} of {len(self.rows)} checks passed"

    def _repr_html_(self) -> str:
        return fragment([repr(self)], {"": self.table})


def check(detector: str, *, timeout: float = 180.0) -> Examination[CheckResult]:
    """Check a detector against the detector contract, in a process of its own.

    Args:
        detector: A name, `module:Class` or `file.py:Class`, with parameters in parentheses.
        timeout: Time limit for each check, in seconds.

    Raises:
        SpecError: The detector does not exist or its parameters are wrong.

    Examples:
        >>> import scopedrift as sd
        >>> sd.check("first-seen").passed
        True
    """
    return Examination(detector, tuple(check_apart(detector, max_seconds=timeout)))


def audit(
    scenario: ScenarioLike | World,
    detectors: Sequence[str] | None = None,
    *,
    seeds: SeedsLike = 4,
    jobs: int | None = None,
    memory: str | None = None,
    progress: Progress = silent,
) -> Examination[auditing.Row]:
    """Check a scenario, or a log with injected incidents, for flaws that make a benchmark worthless.

    Args:
        scenario: A name in the library, a path, a mapping or a scenario; or a world, or a folder written by `simulate`
            or `inject`.
        detectors: Detectors under test, by name or file. Default: all built-in detectors. Ignored for a single world.
        seeds: Number of worlds (seeds 0 to N-1), or which: a list, or a text such as `"200-219"`. Ignored for a single
            world.
        jobs: Number of processes that judge the detectors, as for `run`.
        memory: The memory that they may take together, as for `run`.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        ScenarioError: The scenario does not exist or is invalid.
        SpecError: A detector does not exist or its parameters are wrong.
        UsageError: The seeds, `jobs` or `memory` are invalid.

    Examples:
        >>> import scopedrift as sd
        >>> found = sd.audit(sd.simulate("tiny", seed=0))
        >>> found.table.set_index("check").loc["labels", "verdict"]
        'pass'
    """
    chosen = scenario_or_world(scenario)
    if isinstance(chosen, World):
        return Examination(chosen.name, tuple(auditing.audit_log(chosen.source)), (chosen.seed,))
    worlds, workers = seeds_of(seeds), workers_of(jobs, memory)
    rows = auditing.audit(chosen, detectors or default_detectors(), worlds, progress, workers)
    return Examination(chosen.name, tuple(rows), worlds)
