"""The gate as a pytest fixture, for a detector's own test suite.

    def test_my_detector_is_no_worse(scopedrift_gate):
        scopedrift_gate("quick", "baseline.yaml", detectors=["./my_detector.py"])

Every verdict but `pass` fails the test with the gate's table, unless it is allowed by name:
`allow=["inconclusive", "underpowered"]`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from scopedrift.experiments.running.verdicts import Word


@pytest.fixture
def scopedrift_gate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """A function `(suite, baseline, detectors=None, jobs=1, allow=())` that judges detectors against a baseline."""

    def judge_suite(
        suite: str,
        baseline: str | Path,
        detectors: Sequence[str] | None = None,
        jobs: int = 1,
        allow: Collection[Word] = (),
    ) -> None:
        from scopedrift.experiments.running.baseline import read_baseline
        from scopedrift.experiments.running.gate import gate
        from scopedrift.experiments.running.gate_output import summary
        from scopedrift.scenarios.documents import read_text
        from scopedrift.scenarios.suite import load_suite

        plan = load_suite(suite)
        if detectors is not None:
            plan = plan.with_detectors(detectors)
        before = read_baseline(read_text(Path(baseline), str(baseline)), str(baseline))
        found = gate(plan, before, tmp_path_factory.mktemp("scopedrift-gate"), jobs=jobs)
        if found.word != "pass" and found.word not in allow:
            pytest.fail(summary(found, plan.suite.name), pytrace=False)

    return judge_suite
