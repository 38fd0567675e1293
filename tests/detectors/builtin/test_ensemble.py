"""Members of different scales are made comparable, and the explanation is theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scopedrift.detectors.builtin.ensemble import Ensemble

MEMBERS = '''
from dataclasses import dataclass
from scopedrift.detectors import Detector, param

@dataclass
class Scaled(Detector):
    """Bytes times a factor."""

    factor: float = param(1.0)

    def score(self, batch):
        return batch["bytes"] * self.factor

    def explain(self, batch, row):
        return f"{batch['bytes'][row]} bytes"

class Silent(Detector):
    """Abstains."""

    def score(self, batch):
        return [float("nan")] * len(batch)
'''


@pytest.fixture
def members(tmp_path: Path) -> str:
    path = tmp_path / "members.py"
    path.write_text(MEMBERS)
    return str(path)


def log_of(build, extra: list[int]):
    rng = np.random.default_rng(0)
    sizes = [*rng.integers(0, 1000, 2000).tolist(), *extra]
    return build([{"at": n / 10, "identity": "a", "bytes": size} for n, size in enumerate(sizes)])


def test_the_scale_of_a_member_does_not_matter(build, judge, members) -> None:
    log = log_of(build, [1, 500, 999, 5000])
    small, _ = judge(Ensemble(members=f"{members}:Scaled"), log, fit=200)
    large, _ = judge(Ensemble(members=f"{members}:Scaled(factor=1e6)"), log, fit=200)
    assert np.allclose(small, large)
    assert np.all(np.diff(small) > 0)


def test_a_member_that_abstains_is_left_out(build, judge, members) -> None:
    log = log_of(build, [1, 5000])
    alone, _ = judge(Ensemble(members=f"{members}:Scaled"), log, fit=200)
    both, _ = judge(Ensemble(members=f"{members}:Scaled + {members}:Silent"), log, fit=200)
    none, _ = judge(Ensemble(members=f"{members}:Silent"), log, fit=200)
    assert np.allclose(alone, both) and np.isnan(none).all()


def test_it_says_who_is_surprised_and_how_much(build, judge, members) -> None:
    detector = Ensemble(members=f"{members}:Scaled")
    _, batch = judge(detector, log_of(build, [5, 5000]), fit=200)
    assert detector.explain(batch, 0) == "no member finds this unusual"
    assert detector.explain(batch, 1).startswith(f"{members}:Scaled (once in ")
    assert detector.explain(batch, 1).endswith(" events): 5000 bytes")


def test_it_needs_what_its_members_need() -> None:
    assert Ensemble(members="declared-policy + task-context").needs == {"policy", "task_context"}
