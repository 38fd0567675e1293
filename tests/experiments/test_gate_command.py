"""The gate from end to end: command, exit codes, files, the action's script and the pytest fixture."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import scopedrift as sd
from scopedrift.scenarios.documents import parse

ROOT = Path(__file__).parents[2]
Command = Callable[..., Any]
SCENARIO = """
name: tiny
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
workloads: {inference: {services: 4}, serverless: {functions: 5}}
incidents: [{attack: rogue-job, count: 3, strength: 0.1}, {attack: token-theft, count: 3, strength: 0.1}]
"""
SUITE = """
name: tiny
scenarios: [tiny.yaml]
seeds: 8
detectors: [good.py]
alert_budget: 30/day
gate: {effect: 0.5}
"""
CELLS = ".scopedrift-gate"
"""Where the action keeps them, so that its step finds those of the other tests."""
DETECTOR = """
from scopedrift.detectors import Detector

class Good(Detector):
    name = "good"
    def fit(self, history, knowledge):
        self.seen = set(history.pairs("identity", "operation", "project"))
    def score(self, batch):
        pairs = batch.pairs("identity", "operation", "project")
        return [0.0 if pair in self.seen or {blind} else 1.0 for pair in pairs]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, scopedrift_in: Command) -> Path:
    place = tmp_path_factory.mktemp("gate")
    (place / "tiny.yaml").write_text(SCENARIO)
    (place / "suite.yaml").write_text(SUITE)
    (place / "good.py").write_text(DETECTOR.format(blind="False"))
    done = scopedrift_in(place, "gate", "suite.yaml", "--baseline", "b.yaml", "--out", CELLS, "--update")
    assert done.code == 0, done.err
    return place


@pytest.fixture
def gate(folder: Path, scopedrift_in: Command) -> Command:
    """`gate(more, ..., baseline=...)`: the command in that folder."""

    def judged(*more: str, suite: str = "suite.yaml", baseline: str = "b.yaml", **environment: str) -> Any:
        return scopedrift_in(folder, "gate", suite, "--baseline", baseline, "--out", CELLS, *more, **environment)

    return judged


def test_the_baseline_is_small_and_readable(folder: Path) -> None:
    value = parse((folder / "b.yaml").read_text(), "b.yaml").value
    found = value["scenarios"]["tiny"]["good"]
    assert found["incidents"] >= len(found["caught"]) > 20
    assert (folder / "b.yaml").stat().st_size < 4_000


def test_the_same_detector_passes(folder: Path, gate: Command) -> None:
    summary = folder / "summary.md"
    done = gate("--junit", "j.xml", GITHUB_STEP_SUMMARY=str(summary))
    assert done.code == 0 and "verdict: pass" in done.out, done.out + done.err
    assert "gate tiny: pass" in summary.read_text()
    assert 'failures="0"' in (folder / "j.xml").read_text()


def test_a_summary_that_cannot_be_written_costs_no_verdict(folder: Path, gate: Command) -> None:
    done = gate(GITHUB_STEP_SUMMARY=str(folder))
    assert done.code == 0 and "verdict: pass" in done.out and f"{folder}: Is a directory" in done.err


def test_a_worse_detector_fails_with_exit_code_1(folder: Path, gate: Command) -> None:
    worse = folder / "worse.py"
    worse.write_text(DETECTOR.format(blind="True"))
    done = gate("--detector", "worse.py")
    assert done.code == 1 and "verdict: regress" in done.out, done.out + done.err
    assert "lost" in done.out


def test_a_detector_that_raises_is_a_missing_result(folder: Path, gate: Command) -> None:
    (folder / "broken.py").write_text(DETECTOR.format(blind="1 / 0"))
    done = gate("--detector", "broken.py")
    assert done.code == 1 and "ZeroDivisionError" in done.out


def test_bad_input_has_exit_code_2_and_what_cannot_be_compared_3(folder: Path, gate: Command) -> None:
    (folder / "other.yaml").write_text((folder / "b.yaml").read_text().replace("suite_version: 1", "suite_version: 2"))
    for name, code, said in (
        ("none.yaml", 2, "none.yaml"),
        ("suite.yaml", 2, "expected a gate's baseline"),
        ("other.yaml", 2, "version 2"),
    ):
        done = gate(baseline=name)
        assert done.code == code and said in done.err and "Traceback" not in done.err


@pytest.fixture
def moved(folder: Path) -> str:
    """The name of a baseline that is of other worlds."""
    text = (folder / "b.yaml").read_text()
    worlds = next(line for line in text.splitlines() if line.startswith("worlds:"))
    (folder / "moved.yaml").write_text(text.replace(worlds, "worlds: abc"))
    return "moved.yaml"


def test_when_the_worlds_have_changed_the_exit_code_is_3_and_what_an_earlier_gate_wrote_is_replaced(
    folder: Path, gate: Command, moved: str
) -> None:
    (folder / "stale.xml").write_text('<testsuite name="scopedrift gate tiny" failures="0"/>')
    done = gate("--junit", "stale.xml", baseline=moved)
    assert done.code == 3 and "--update" in done.out
    assert 'errors="1"' in (folder / "stale.xml").read_text()


@pytest.mark.parametrize("more", [("--update",), ("--junit", "notes.txt"), ("--update", "--junit", "notes.txt")])
def test_a_file_of_the_user_is_no_place_for_a_baseline_or_a_verdict(folder: Path, gate: Command, more) -> None:
    (folder / "notes.txt").write_text("mine")
    done = gate(*more, baseline="b.yaml" if more[0] == "--junit" else "notes.txt")
    assert done.code == 2 and "notes.txt is a file that scopedrift did not write" in done.err
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_baseline_that_can_find_nothing_is_refused(folder: Path, gate: Command) -> None:
    (folder / "small.yaml").write_text(SUITE.replace("seeds: 8", "seeds: 2").replace("name: tiny", "name: small"))
    done = gate("--update", suite="small.yaml", baseline="small-b.yaml")
    assert done.code == 2 and "an unchanged detector could not pass it" in done.err
    assert not (folder / "small-b.yaml").exists()
    done = gate("--update", "--allow-underpowered", suite="small.yaml", baseline="small-b.yaml")
    assert done.code == 0 and (folder / "small-b.yaml").is_file()


def action_step(name: str) -> str:
    action = parse((ROOT / "action.yml").read_text(), "action.yml").value
    return next(step["run"] for step in action["runs"]["steps"] if step.get("id") == name)


@pytest.mark.parametrize(
    ("detector", "allow", "code", "verdict"),
    [("good.py", "", 0, "pass"), ("worse.py", "", 1, "regress"), ("worse.py", "regress", 0, "regress")],
)
def test_the_actions_gate_step_reports_its_verdict(folder, tmp_path, detector, allow, code, verdict) -> None:
    (folder / "worse.py").write_text(DETECTOR.format(blind="True"))
    (tmp_path / "scopedrift" / "bin").mkdir(parents=True)
    for program in ("scopedrift", "python"):
        (tmp_path / "scopedrift" / "bin" / program).symlink_to(Path(sys.executable).parent / program)
    environment = {"SUITE": "suite.yaml", "BASELINE": "b.yaml", "DETECTORS": f"{detector}\n", "JOBS": "1"}
    places = {"JUNIT": "action.xml", "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output")}
    done = subprocess.run(
        ["bash", "-c", action_step("gate")],
        env={**os.environ, **environment, **places, "ALLOW": allow},
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    told = dict(line.split("=") for line in (tmp_path / "output").read_text().splitlines())
    assert told["verdict"] == verdict and 0.0 <= float(told["loss"]) <= 1.0
    assert (folder / "action.xml").is_file()


def test_the_fixture_fails_on_a_regression_and_passes_otherwise(
    folder: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = sd.gate
    (folder / "worse.py").write_text(DETECTOR.format(blind="True"))
    (folder / "test_gate.py").write_text(
        textwrap.dedent("""
        import pytest

        @pytest.mark.parametrize("name", ["good.py", "worse.py"])
        def test_no_worse(scopedrift_gate, name):
            scopedrift_gate("suite.yaml", "b.yaml", detectors=[name])
        """)
    )
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sd, "gate", lambda *given, **named: gate(*given, **{**named, "out": folder / CELLS}))
    done = pytester.runpytest_inprocess("-p", "no:cacheprovider", "test_gate.py", "--rootdir", ".")
    done.assert_outcomes(passed=1, failed=1)
    done.stdout.fnmatch_lines("*gate tiny: regress*")
