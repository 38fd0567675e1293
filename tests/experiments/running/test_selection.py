"""Detectors by the names that results show."""

from __future__ import annotations

from pathlib import Path

import pytest

from scopedrift.detectors.isolation.placement import run_as
from scopedrift.experiments.running.selection import STANDARD_REFERENCES, asked_for, named, resolve

MINE = """
from scopedrift.detectors import Detector

class Mine(Detector):
    name = "{name}"

    def score(self, batch):
        return [0.0] * len(batch)
"""


@pytest.mark.parametrize("name", ["first-seen", "random"])
@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_a_detector_of_ones_own_may_be_called_like_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, order: list[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE.format(name=name))
    specs = [("./mine.py", name)[i] for i in order]
    found = resolve(specs)
    assert list(found) == [*specs, *(n for n in STANDARD_REFERENCES if n not in specs)]
    assert run_as(found["./mine.py"]) != "built-in"
    assert run_as(found[name]) == "built-in"
    assert named(specs) == {label: label for label in found}


def test_two_files_may_name_their_detectors_alike_and_what_is_asked_for_twice_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for file in ("one.py", "two.py"):
        (tmp_path / file).write_text(MINE.format(name="mine"))
    specs = ["./one.py", "rate", "./two.py", "rate", "rate( volume=1 )", "rate(volume=1)"]
    assert asked_for(specs) == ["mine", "rate", "./two.py", "rate(volume=1)"]


def test_a_detector_that_subclasses_a_built_in_is_called_by_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from scopedrift.detectors.builtin.first_seen import FirstSeen\n\n\nclass Quieter(FirstSeen):\n    pass\n"
    )
    found = resolve(["./mine.py"])
    assert "Quieter" in found and "first-seen" not in found


def test_every_built_in_detector_has_a_name_of_its_own() -> None:
    from scopedrift.detectors import loading
    from scopedrift.experiments.evaluation.guard import name_of
    from scopedrift.experiments.running.selection import default_detectors

    assert [name_of(loading.load(name)) for name in default_detectors()] == default_detectors()
