"""The README's own detector, and what `scopedrift new detector` writes, pass `scopedrift check`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = Path(__file__).parents[2] / "README.md"

Command = Callable[..., Any]


def examples() -> list[tuple[str, str]]:
    """File name and source of each Python block of the README that begins with its name and defines a detector."""
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [(name, source) for name, source in blocks if "(Detector)" in source]


def test_the_readme_shows_a_detector_in_about_fifteen_lines() -> None:
    ((name, source),) = examples()
    assert name == "new_registry.py"
    assert 10 <= len([line for line in source.splitlines() if line.strip()]) <= 18


def test_the_detector_of_the_readme_passes_the_check(scopedrift: Command, tmp_path: Path) -> None:
    for name, source in examples():
        (tmp_path / name).write_text(source)
        done = scopedrift("check", f"./{name}", "--json")
        assert done.code == 0, done.out + done.err
        result = json.loads(done.out)
        assert result["ok"] and len(result["checks"]) > 15


def test_a_new_detector_passes_the_check_as_it_is_written(scopedrift: Command, tmp_path: Path) -> None:
    made = scopedrift("new", "detector", "my-idea")
    assert made.code == 0
    assert "scopedrift check ./my_idea.py" in made.out
    checked = scopedrift("check", "./my_idea.py")
    assert checked.code == 0 and "FAILED" not in checked.out
    again = scopedrift("new", "detector", "my-idea")
    assert again.code == 2 and "already exists; choose another name or --folder" in again.err


@pytest.mark.parametrize("name", ["7up", "a;b"])
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(
    scopedrift: Command, tmp_path: Path, name: str
) -> None:
    made = scopedrift("new", "detector", name)
    assert made.code == 2 and "cannot be a class name" in made.err
    assert not list(tmp_path.iterdir())


def test_a_broken_detector_costs_exit_code_1_and_says_why(scopedrift: Command, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from scopedrift.detectors import Detector\n\n\nclass Broken(Detector):\n"
        "    def score(self, batch):\n        return list(range(len(batch)))[::-1]\n"
    )
    done = scopedrift("check", "broken.py")
    assert done.code == 1
    assert "is independent of batch cuts" in done.out
    assert "Why it matters: the size of a batch is an accident of delivery" in done.err
    assert "Traceback" not in done.err


def test_a_detector_that_cannot_be_found_is_exit_code_2(scopedrift: Command, tmp_path: Path) -> None:
    done = scopedrift("check", "first-sen")
    assert done.code == 2 and "did you mean 'first-seen'?" in done.err
