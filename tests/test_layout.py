"""What holds for the repository as a whole: folders, packages, import direction, and what is committed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).parents[1]
TOP = ("detectors", "experiments", "reports", "scenarios", "simulator")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked_files() -> list[Path]:
    """The files that are, or would be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a Git repository")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


PUBLIC = PROJECT["tool"]["setuptools"]["package-dir"]["scopedrift"]


def packages_in_folders() -> set[str]:
    found = {init.parent.relative_to(ROOT) for top in TOP for init in (ROOT / top).rglob("__init__.py")}
    return {f"scopedrift.{'.'.join(folder.parts)}" for folder in found - {Path(PUBLIC)}} | {"scopedrift"}


def test_every_package_is_declared():
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages_in_folders()


def test_the_folder_of_the_public_interface_cannot_be_imported_under_a_second_name():
    assert not Path(PUBLIC).name.isidentifier()


def test_every_folder_with_code_is_a_package():
    bare = {
        file.parent.relative_to(ROOT).as_posix()
        for top in TOP
        for file in (ROOT / top).rglob("*.py")
        if not (file.parent / "__init__.py").is_file()
    }
    assert not bare, "Python files in folders without __init__.py are left out of the package"


def test_every_data_file_is_in_the_package():
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["*"]
    endings = tuple(pattern.rpartition("*")[2] for pattern in patterns)
    left_out = {
        file.relative_to(ROOT).as_posix()
        for file in tracked_files()
        if file.relative_to(ROOT).parts[0] in TOP
        and "published" not in file.parts
        and not file.name.endswith((".py", ".md", *endings))
    }
    assert not left_out, f"not matched by package-data {patterns}"


def test_a_class_name_stands_for_one_thing():
    classes = {}
    for file in (file for top in TOP for file in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes.setdefault(node.name, []).append(file.relative_to(ROOT).as_posix())
    assert not {name: files for name, files in classes.items() if len(files) > 1}


def test_imports_run_one_way():
    assert subprocess.run(["make", "links"], cwd=ROOT).returncode == 0
    lint = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    environment = {**os.environ, "PYTHONPATH": ".types"}
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_only_tracking_and_ui_know_mlflow():
    users = {
        file.relative_to(ROOT).as_posix()
        for top in TOP
        for file in (ROOT / top).rglob("*.py")
        if re.search(r"^\s*(import mlflow|from mlflow)", file.read_text(), re.MULTILINE)
    }
    assert {Path(user).parent.as_posix() for user in users} == {"experiments/tracking"}


WRITES = re.compile(
    r"""\.write_(text|bytes)\(|open\([^)\n]*["'][wxa]b?["']|\.to_parquet\(|\.touch\("""
    r"""|write_table\(|ParquetWriter\(|np\.save|O_CREAT|copyfile\(|print_pdf\b|savefig\(\S*[/"']"""
)
WRITERS = {
    "simulator/log/storage.py", "simulator/log/truth_file.py", "simulator/world/world_file.py",
    "simulator/records/writing/exporter.py",
    "reports/files.py", "reports/drawing.py",
    "experiments/public-api/alerts.py", "experiments/public-api/logs.py", "experiments/public-api/reproducing.py",
    "experiments/public-api/results.py", "experiments/public-api/tuning.py", "experiments/cli/realism.py",
}  # fmt: skip
"""Modules that write into a folder which they were given, or made with `new_folder` or `new_files`."""
ELSEWHERE = {
    "experiments/folders.py",  # hidden folders themselves
    "experiments/tracking/database.py",  # a copy in a temporary folder
    "experiments/cli/gate.py",  # the step summary of a workflow, to which every step adds
    "detectors/conformance/watch.py",  # a truth that nobody should read, in a temporary folder
    "detectors/isolation/keeper.py",  # /proc
    "simulator/records/reading/stores.py",  # a cache of remote logs, whole once renamed
}


def test_whatever_is_written_appears_whole():
    """Nothing writes in place where a user looks: `write_file`, `new_files` and `new_folder` rename what is whole."""
    found = {
        file.relative_to(ROOT).as_posix()
        for top in TOP
        for file in (ROOT / top).rglob("*.py")
        if WRITES.search(file.read_text())
    }
    assert found == WRITERS | ELSEWHERE


HOSTS = re.compile(
    r"--(extra-)?index-url|--find-links|--trusted-host|file:///|artifactory|nexus\.|pypi\.org/simple|@ (file|http)"
)
PLACES = re.compile(r"(?<![\w.])/(home|Users|root|work|opt|mnt)/[\w.-]+")


def test_no_registry_and_no_machine_path_is_committed():
    suspicious = []
    for file in tracked_files():
        if file == Path(__file__) or file.suffix in (".png", ".pdf", ".gz", ".parquet"):
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        hits = [*HOSTS.finditer(text)] if file.name in ("lock.txt", "Makefile", "pyproject.toml", "run") else []
        hits += [*PLACES.finditer(text)]
        suspicious += [f"{file.relative_to(ROOT)}: {hit.group()}" for hit in hits]
    assert not suspicious


def pinned(name: str) -> dict[str, list[str]]:
    """The lines with hashes of each pinned version."""
    pins: dict[str, list[str]] = {}
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if line.startswith(" "):
            pins[next(reversed(pins))].append(line.strip(" \\"))
        elif not line.startswith("#"):
            pins[line.strip(" \\")] = []
    return pins


def named(text: str) -> str:
    return re.split(r"[\[><=!~; ]", text)[0].lower().replace("_", "-").replace(".", "-")


@pytest.mark.parametrize("lock", ["lock.txt", "runtime.txt"])
def test_the_locks_pin_every_version_by_its_hash(lock):
    pins = pinned(lock)
    assert pins
    assert [pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+( ; .+)?", pin)] == []
    assert [pin for pin, lines in pins.items() if not lines] == []
    assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", line) for lines in pins.values() for line in lines)


def test_the_locks_cover_what_is_installed_by_name():
    extras = PROJECT["project"]["optional-dependencies"]
    needs = {
        "runtime.txt": PROJECT["project"]["dependencies"],
        "lock.txt": [n for extra in extras.values() for n in extra],
    }
    for lock, wanted in needs.items():
        assert {named(need) for need in wanted} - {"scopedrift"} <= {named(pin) for pin in pinned(lock)}
    runtime, everything = ({pin.partition(" ")[0] for pin in pinned(lock)} for lock in ("runtime.txt", "lock.txt"))
    assert runtime <= everything


def test_make_targets_of_the_readme_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    mentioned = set(re.findall(r"^\s*(?:\$ )?make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    mentioned |= set(re.findall(r"make ([a-z-]+)", (ROOT / ".ci" / "run").read_text()))
    assert mentioned <= targets


def test_no_test_has_a_deadline():
    assert settings().deadline is None, "the profile of tests/conftest.py is not in force"
    own = {
        f"{file.relative_to(ROOT)}:{call.lineno}"
        for file in (ROOT / "tests").rglob("test_*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("settings")
        for given in call.keywords
        if given.arg == "deadline"
    }
    assert not own, "tests/conftest.py decides about deadlines, for all tests"


def test_ci_script_is_sound():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111, "must be executable"
    assert script.read_text().startswith("#!/usr/bin/env bash")
    assert "set -euo pipefail" in script.read_text()
    assert subprocess.run(["bash", "-n", str(script)]).returncode == 0
