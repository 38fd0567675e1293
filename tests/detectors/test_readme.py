"""The README's own detector, and what `scopedrift new detector` writes, pass `scopedrift check`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
CLI = [sys.executable, "-m", "scopedrift"]


def scopedrift(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *arguments], cwd=folder, capture_output=True, text=True)


def examples() -> list[tuple[str, str]]:
    """File name and source of each Python block of the README that begins with its name and defines a detector."""
    blocks = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return [(name, source) for name, source in blocks if "(Detector)" in source]


def test_the_readme_shows_a_detector_in_about_fifteen_lines() -> None:
    ((name, source),) = examples()
    assert name == "new_registry.py"
    assert 10 <= len([line for line in source.splitlines() if line.strip()]) <= 18


def test_the_detector_of_the_readme_passes_the_check(tmp_path: Path) -> None:
    for name, source in examples():
        (tmp_path / name).write_text(source)
        done = scopedrift(tmp_path, "check", f"./{name}", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        result = json.loads(done.stdout)
        assert result["ok"] and len(result["checks"]) > 15


def test_a_new_detector_passes_the_check_as_it_is_written(tmp_path: Path) -> None:
    made = scopedrift(tmp_path, "new", "detector", "my-idea")
    assert made.returncode == 0
    assert "scopedrift check ./my_idea.py" in made.stdout
    checked = scopedrift(tmp_path, "check", "./my_idea.py")
    assert checked.returncode == 0 and "FAILED" not in checked.stdout
    again = scopedrift(tmp_path, "new", "detector", "my-idea")
    assert again.returncode == 2 and "exists already and is left as it is" in again.stderr


@pytest.mark.parametrize("name", ["7up", "a;b"])
def test_a_name_that_cannot_be_is_refused_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    made = scopedrift(tmp_path, "new", "detector", name)
    assert made.returncode == 2 and "cannot be a class name" in made.stderr
    assert not list(tmp_path.iterdir())


def test_a_broken_detector_costs_exit_code_1_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(
        "from scopedrift.detectors import Detector\n\n\nclass Broken(Detector):\n"
        "    def score(self, batch):\n        return list(range(len(batch)))[::-1]\n"
    )
    done = scopedrift(tmp_path, "check", "broken.py")
    assert done.returncode == 1
    assert "is independent of batch cuts" in done.stdout
    assert "Why it matters: the size of a batch is an accident of delivery" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_detector_that_cannot_be_found_is_exit_code_2(tmp_path: Path) -> None:
    done = scopedrift(tmp_path, "check", "first-sen")
    assert done.returncode == 2 and "did you mean 'first-seen'?" in done.stderr
