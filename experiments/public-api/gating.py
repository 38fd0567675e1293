"""Gating: has a detector become worse than a stored baseline by more than chance?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scopedrift.detectors.isolation.placement import Isolation
from scopedrift.experiments.folders import replaceable, write_file
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running import gate as gating
from scopedrift.experiments.running import gate_output
from scopedrift.experiments.running.baseline import MARK, read_baseline
from scopedrift.experiments.running.verdicts import Gate, Word
from scopedrift.judging import placed
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios.documents import read_text
from scopedrift.scenarios.suite import Plan, load_suite

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class GateResult:
    """The verdict of a gate.

    Attributes:
        suite: The name of the suite.
        gate: The whole result: a verdict for each scenario and detector, and overall.
    """

    suite: str
    gate: Gate

    @property
    def word(self) -> Word:
        """`pass`, `regress`, `inconclusive` or `underpowered`."""
        return self.gate.word

    @property
    def passed(self) -> bool:
        """Whether the gate rules out a loss that matters."""
        return self.word == "pass"

    @property
    def table(self) -> pd.DataFrame:
        """One row for each scenario and detector, and one overall: the verdict, its evidence and its reason."""
        return gate_output.table(self.gate)

    @property
    def junit(self) -> str:
        """JUnit XML: one test case for each verdict."""
        return gate_output.junit(self.gate, self.suite)

    @property
    def markdown(self) -> str:
        """Markdown for a pull request: the verdict first, then the table."""
        return gate_output.summary(self.gate, self.suite)

    @property
    def words(self) -> str:
        """The overall verdict in one line."""
        return f"verdict: {self.word}" + (f" ({self.gate.problem})" if self.gate.problem else "")

    def __repr__(self) -> str:
        return f"{self.words}\n\n{self.table.to_string(index=False)}"

    def _repr_html_(self) -> str:
        return fragment([self.words], {"": self.table})


def gate(
    suite: str | Path | Mapping[str, object] | Plan,
    baseline: str | Path,
    *,
    detectors: Sequence[str] | None = None,
    update: bool | Literal["underpowered"] = False,
    out: str | Path | None = None,
    jobs: int = 1,
    isolation: Isolation = "on",
    progress: Progress = silent,
) -> GateResult:
    """Compare detectors with their stored results, world by world.

    Args:
        suite: A name in the library, the path of a suite file, or its contents as a mapping.
        baseline: YAML file with the earlier results of the detectors.
        detectors: Detectors to judge instead of the suite's, by name or file.
        update: Write the current results into `baseline` and return the verdict on an unchanged detector. A baseline
            that an unchanged detector cannot pass is refused, unless this is `"underpowered"`.
        out: A folder that keeps finished cells, which are not run again. By default nothing is kept.
        jobs: Number of local processes.
        isolation: Whether detectors that are not built in run in processes of their own; see `evaluate`.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        BaselineError: The baseline belongs to another suite, or cannot be written.
        UsageError: The file in whose place a new baseline would be written is no baseline.
        ScenarioError: The suite or the baseline does not exist or is invalid.
        SpecError: A detector does not exist or its parameters are wrong.

    Examples:
        >>> import scopedrift as sd
        >>> suite = {"name": "mine", "scenarios": ["tiny"], "seeds": 2, "detectors": ["rate"]}
        >>> before = sd.gate(suite, "baseline.yaml", update="underpowered")
        >>> sd.gate(suite, "baseline.yaml").word  # two worlds are too few
        'underpowered'
    """
    plan = suite if isinstance(suite, Plan) else load_suite(suite)
    plan = placed(plan, detectors, isolation)
    place = Path(baseline)
    before = None if update else read_baseline(read_text(place, str(place)), str(place))
    if update:
        replaceable(place, MARK)
    with tempfile.TemporaryDirectory() if out is None else nullcontext(str(out)) as folder:
        if before is not None:
            return GateResult(plan.suite.name, gating.gate(plan, before, Path(folder), jobs=jobs, progress=progress))
        unproven = update == "underpowered"
        new, able = gating.new_baseline(plan, Path(folder), allow_underpowered=unproven, jobs=jobs, progress=progress)
    write_file(place, new.text(), mark=MARK)
    return GateResult(plan.suite.name, able)
