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
        import scopedrift as sd

        out = tmp_path_factory.mktemp("scopedrift-gate")
        found = sd.gate(suite, baseline, detectors=detectors, out=out, jobs=jobs)
        if not found.passed and found.word not in allow:
            pytest.fail(found.markdown, pytrace=False)

    return judge_suite
