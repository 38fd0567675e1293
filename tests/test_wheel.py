"""The package as others get it: installed by the gate's action, then from its wheel, and used from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scopedrift.scenarios.documents import parse

ROOT = Path(__file__).parents[1]


def done(*command: object, cwd: Path, env: dict[str, str] | None = None) -> str:
    """All that a command prints; it must succeed."""
    ended = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert ended.returncode == 0, f"{command}\n{ended.stdout[-5000:]}"
    return ended.stdout


def copy_of_the_checkout(folder: Path) -> Path:
    """The files that are in the repository, or would be if all were added; nothing that was built from them."""
    listed = done("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.mark.slow
def test_it_installs_from_a_checkout_and_from_its_wheel_and_works_outside_the_repository(tmp_path: Path) -> None:
    checkout = copy_of_the_checkout(tmp_path / "checkout")
    action = parse((ROOT / "action.yml").read_text(), "action.yml").value
    install = next(step["run"] for step in action["runs"]["steps"] if step.get("id") == "install")
    kept = {k: v for k, v in os.environ.items() if k.startswith("PIP_") or k in ("PATH", "HOME", "SSL_CERT_FILE")}
    places = {"GITHUB_ACTION_PATH": str(checkout), "RUNNER_TEMP": str(tmp_path), "PYTHON": sys.executable}
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done("bash", "-c", install, cwd=elsewhere, env={**kept, **places})
    programs = tmp_path / "scopedrift" / "bin"
    assert "quick" in done(programs / "scopedrift", "list", "suites", cwd=elsewhere)

    pip = [programs / "python", "-m", "pip", "--disable-pip-version-check"]
    shutil.rmtree(checkout / "build", ignore_errors=True)
    built = done(*pip, "wheel", "--verbose", "--no-deps", "--wheel-dir", tmp_path / "wheel", checkout, cwd=elsewhere)
    assert "adding 'scopedrift/__init__.py'" in built and "would be ignored" not in built.lower()
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    done(*pip, "install", "--no-deps", "--force-reinstall", wheel, cwd=elsewhere)
    done(*pip, "check", cwd=elsewhere)
    assert "quickstart" in done(programs / "scopedrift", "list", "scenarios", cwd=elsewhere)
    chosen = ["--seeds", 1, "--detector", "first-seen", "--detector", "never", "--out", "result", "--no-track"]
    done(programs / "scopedrift", "run", "tiny", *chosen, cwd=elsewhere)
    assert (elsewhere / "result" / "report.html").stat().st_size > 0
