"""Every scenario of the library passes its own audit."""

from __future__ import annotations

import pytest

from scopedrift.experiments.audit import audit
from scopedrift.experiments.progress import silent
from scopedrift.experiments.running.selection import default_detectors
from scopedrift.scenarios import loader

SCENARIOS = [name for name in loader.library() if name not in ("tiny", "realism")]
"""`tiny` is too small for statistics, and `realism` has no incidents."""
SEEDS = range(100, 104)


@pytest.mark.audits
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_library_scenario_passes_its_audit(name: str) -> None:
    failed = [row for row in audit(loader.load(name), default_detectors(), SEEDS, silent) if row.verdict == "fail"]
    assert not failed, "\n".join(f"{row.check}: {row.seen}" for row in failed)
