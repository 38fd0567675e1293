"""Members of different scales are made comparable, and the explanation is theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scopedrift.detectors.builtin.ensemble import Ensemble, _Surprise

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
    log = log_of(build, [1, 500, 1000, 5000])
    small, _ = judge(Ensemble(members=f"{members}:Scaled"), log, fit=200)
    large, _ = judge(Ensemble(members=f"{members}:Scaled(factor=1e6)"), log, fit=200)
    assert np.allclose(small, large)
    assert small[0] < 0.1 and np.all(np.diff(small) >= 0) and small[-1] > small[-2] > 0


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
    assert detector.explain(batch, 1).endswith(" hours of an identity): 5000 bytes")


def test_it_needs_what_its_members_need() -> None:
    assert Ensemble(members="declared-policy + task-context").needs == {"policy", "task_context"}


def test_a_score_is_as_rare_as_the_hours_that_show_it(build, judge, members) -> None:
    """A flood in one hour is one hour: it must not make a high score common."""
    flood = [{"at": 180 + n / 4000, "identity": "a", "bytes": 2000} for n in range(3000)]
    calm = [{"at": n / 10, "identity": "a", "bytes": n % 7} for n in range(2000)]
    log = build([*calm, *flood, {"at": 205, "identity": "a", "bytes": 2000}])
    detector = Ensemble(members=f"{members}:Scaled")
    scores, _ = judge(detector, log, fit=200)
    assert scores[-1] > 1.0


def test_members_that_notice_different_events_of_a_task_add_up(build, judge, members, tmp_path) -> None:
    path = tmp_path / "two.py"
    path.write_text(MEMBERS.replace('batch["bytes"] * self.factor', '(batch["bytes"] == self.factor) * 1.0'))
    pair = f"{path}:Scaled(factor=1) + {path}:Scaled(factor=2)"
    calm = [{"at": n / 10, "identity": "a", "bytes": 0, "task": n} for n in range(2000)]
    one = [{"at": 205.1, "identity": "a", "bytes": 1, "task": 9}, {"at": 205.2, "identity": "a", "bytes": 2, "task": 9}]
    apart = [one[0], {**one[1], "task": 8}]
    later = [one[0], {**one[1], "at": 206.2}]
    together, separate, next_hour = (
        judge(Ensemble(members=pair, strongest=0.0), build([*calm, *events]), fit=200)[0][-2:]
        for events in (one, apart, later)
    )
    assert together[1] > 1.5 * together[0] > 0
    assert np.allclose(separate, separate[0]) and np.allclose(next_hour, next_hour[0])


def test_an_infinite_score_is_the_most_surprising() -> None:
    found = _Surprise(np.linspace(0.0, 1.0, 100)).of(np.array([0.5, np.inf, 5.0, np.nan]))
    assert np.isfinite(found[1])
    assert found[1] == np.nanmax(found)
    assert np.isnan(found[3])
