"""What people are told to type works: every file and every command of the README and of the documentation.

A block whose first line is a comment with a file name is that file; the lines of a console block that
begin with `scopedrift` or `python` are run, page by page, in one folder.  (`make ...` lines are what CI itself runs.)

What the README tells to type is typed into a shell; so are lines of other pages that only a shell can read.  The rest
is run in this process, which has loaded the libraries already.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SAMPLE = ROOT / "tests" / "simulator" / "records" / "reading" / "data" / "invictus.json"


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def commands(page: Path) -> list[str]:
    lines = [line for kind, text in blocks(page) if kind == "console" for line in text.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.removeprefix("$ ").startswith(("scopedrift", "python "))]


def files(page: Path) -> dict[str, str]:
    found = {}
    for kind, text in blocks(page):
        name = re.match(r"(?:#|//) ([\w./-]+\.(?:yaml|py|sh|js))\n", text)
        if kind in ("yaml", "python", "sh", "javascript") and name:
            found[name[1]] = text
    return found


TOLD = [page for page in PAGES if commands(page) and page.name != "tutorial.md"]  # tests/test_tutorial.py runs that one


def test_there_is_something_to_run() -> None:
    assert ROOT / "README.md" in TOLD and len(TOLD) >= 4


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def typed(command: str, folder: Path) -> Ended:
    """What a shell does with a line."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True)
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.usefixtures("plain_reports", "quick_stores")
@pytest.mark.parametrize("page", TOLD, ids=[str(page.relative_to(ROOT)) for page in TOLD])
def test_what_a_page_tells_to_type_works(page: Path, tmp_path: Path, scopedrift: Callable[..., Any]) -> None:
    for name, text in files(page).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    trail = tmp_path / "path" / "to" / "cloudtrail"
    trail.mkdir(parents=True)
    shutil.copy(SAMPLE, trail)
    for command in commands(page):
        if command == "scopedrift ui":
            continue  # serves until it is stopped: tests/experiments/test_cli.py
        plain = shlex.split(command)[1:]
        in_a_shell = page.name == "README.md" or {"|", "||", ">"} & {*plain} or command.startswith("python ")
        done = typed(command, tmp_path) if in_a_shell else scopedrift(*plain)
        assert done.code == 0, f"{command}\n{done.out[-2000:]}\n{done.err[-4000:]}"
        assert "Traceback" not in done.err, f"{command}\n{done.err[-4000:]}"


def test_links_between_pages_hold() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target and "reference/" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert not broken


def test_every_requirement_of_trust_names_tests_and_audit_rows_that_exist() -> None:
    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[1]) for row in rows] == list(range(1, 22))
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    source = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "experiments" / "audit").glob("*.py"))
    for row in rows:
        named = re.findall(r"`([^`]+)`", row[3])
        assert named, row
        for name in named:
            known = f"def {name}(" in tests if name.startswith("test_") else f'"{name}"' in source
            assert known, f"requirement {row[1].strip()}: {name}"


def test_trust_lists_every_row_of_the_audit() -> None:
    from scopedrift.experiments.audit.runner import CHECKS

    page = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE)
    folder = ROOT / "experiments" / "audit"
    for (check, _), name in zip(CHECKS, listed, strict=True):
        source = (folder / f"{check.__module__.rpartition('.')[2]}.py").read_text(encoding="utf-8")
        assert f'"{name}"' in source, f"{check.__name__} is not {name}"


EXAMPLES = [
    (page, text) for page in PAGES for kind, text in blocks(page) if kind == "python" and "import scopedrift as" in text
]


@pytest.mark.parametrize(("page", "text"), EXAMPLES, ids=[str(page.relative_to(ROOT)) for page, _ in EXAMPLES])
def test_an_example_in_python_runs(page: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(text, page.name, "exec"), {"__name__": "example"})


def test_every_notebook_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for notebook in (ROOT / "docs" / "notebooks").glob("*.py"):
        assert f"notebooks/{notebook.stem}.md" in navigation
