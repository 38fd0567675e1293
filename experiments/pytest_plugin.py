"""The gate as a pytest fixture, for a detector's own test suite.

    def test_my_detector_is_no_worse(scopedrift_gate):
        scopedrift_gate("quick", "baseline.yaml", detectors=["./my_detector.py"])

A regression fails the test with the gate's table; a gate that is underpowered skips it with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest


@pytest.fixture
def scopedrift_gate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """A function `(suite, baseline, detectors=None, jobs=1)` that judges detectors against a stored baseline."""

    def judge_suite(suite: str, baseline: str | Path, detectors: Sequence[str] | None = None, jobs: int = 1) -> None:
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
        if found.word == "regress":
            pytest.fail(summary(found, plan.suite.name), pytrace=False)
        if found.word == "underpowered":
            pytest.skip(summary(found, plan.suite.name))

    return judge_suite
