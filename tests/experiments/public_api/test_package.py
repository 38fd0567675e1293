"""The package `scopedrift` itself: what it exports, how little it imports, and the two names that are packages, too."""

from __future__ import annotations

import doctest
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import scopedrift as sd
from scopedrift.detectors.loading import summaries
from scopedrift.scenarios.loader import descriptions

ROOT = Path(__file__).parents[3]


def python(code: str) -> str:
    """What a new interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_imports_nothing_else():
    before, after = (set(python(f"import sys{more}; print(*sys.modules)").split()) for more in ("", ", scopedrift"))
    assert after - before <= {"scopedrift", "__future__"}


def test_every_public_name_is_there_and_documented():
    assert sd.__all__ == sorted(sd.__all__)
    for name in sd.__all__:
        value = getattr(sd, name)
        assert name in dir(sd)
        assert value if name == "__version__" else (value.__doc__ or "").strip()
    namespace: dict[str, object] = {}
    exec("from scopedrift import *", namespace)
    assert set(sd.__all__) <= set(namespace)


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'scopedrift' has no attribute 'simulat'"):
        sd.simulat  # noqa: B018


def test_the_version_is_that_of_the_project():
    assert sd.__version__ == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    command = [sys.executable, "-m", "scopedrift", "--version"]
    assert subprocess.run(command, capture_output=True, text=True).stdout.strip() == sd.__version__


@pytest.mark.parametrize("first", ["import scopedrift", "from scopedrift.{0} import *", "import scopedrift.{0}.{1}"])
def test_a_package_that_is_also_a_function_is_both_whatever_was_imported_first(first):
    lines = ["import scopedrift as sd"]
    for name, inner in (("detectors", "base"), ("scenarios", "loader")):
        lines = [
            first.format(name, inner),
            *lines,
            f"assert len(sd.{name}()) > 3",
            f"from scopedrift.{name} import {inner}",
            f"import scopedrift.{name}.{inner} as module",
            f"assert module is {inner} is sd.{name}.{inner}",
        ]
    python("\n".join(lines))


EXAMPLES = [
    pytest.param(name, marks=pytest.mark.slow) if name == "reproduce" else name
    for name in sd.__all__
    if name != "__version__"
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_public_name_holds(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    documented = {"detectors": summaries, "scenarios": descriptions}.get(name) or getattr(sd, name)
    finder, runner = doctest.DocTestFinder(), doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    ran = [runner.run(test) for test in finder.find(documented, name)]
    assert sum(each.attempted for each in ran) > 0, "it has no example"
    assert sum(each.failed for each in ran) == 0
