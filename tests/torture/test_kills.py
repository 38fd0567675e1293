"""Commands that write are killed at random moments: nothing is half-written or lost, and the next one completes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import psutil
import pytest

KILLS = 5
"""Of each command; every other one finds an earlier result."""
SMALL = """
name: small
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
workloads: {serverless: {functions: 3}, training: {pipelines: 1}}
incidents: [{attack: token-theft, count: 2}, {attack: rogue-job, count: 2}]
"""
SUITE = """
name: mine
scenarios: [small.yaml]
seeds: 3
detectors: [rate]
"""
OWN = """
from scopedrift.detectors import Detector


class Own(Detector):
    def score(self, batch):
        return [float(access == "delete") for (access,) in batch.pairs("access")]
"""


STARTER = """
import json, os, sys, tempfile
import distributed, matplotlib.figure, mlflow, optuna, pandas, pyarrow.parquet, scipy.stats
import scopedrift.simulator.engine, scopedrift.experiments.running.run, scopedrift.reports.report
from scopedrift.experiments.cli import main

for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    process = os.fork()
    if process:
        print(process, flush=True)
        continue
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
    os.chdir(asked["folder"])
    tempfile.tempdir = os.environ["TMPDIR"] = asked["folder"] + "/tmp"
    sys.argv = ["scopedrift", *asked["arguments"]]
    main()
"""


class Act(NamedTuple):
    """A command, and what it leaves that must be whole."""

    arguments: str
    places: tuple[str, ...]


ACTS = {
    "simulate": Act("simulate small.yaml --out out", ("out",)),
    "run": Act("run small.yaml --seeds 1 --detector rate --out out --no-track", ("out",)),
    "run, tracked": Act("run small.yaml --seeds 1 --detector never --out out", ("out",)),
    "run, isolated": Act("run small.yaml --seeds 1 --detector ./own.py --out out --no-track", ("out",)),
    "sweep": Act("sweep suite.yaml --out out --no-track", ("out/results",)),
    "sweep with workers": Act("sweep suite.yaml --out out --no-track --jobs 2", ("out/results",)),
    "tune": Act("tune rate small.yaml --trials 2 --worlds 1 --out out --no-track", ("out/detector.yaml",)),
    "gate --update": Act("gate suite.yaml --baseline new.yaml --update --allow-underpowered --out out", ("new.yaml",)),
    "gate": Act("gate suite.yaml --baseline baseline.yaml --out out --junit out.xml", ("out.xml",)),
    "export": Act("export log --format cloudtrail --out out", ("out",)),
    "score": Act("score records --detector rate --out out", ("out",)),
    "inject": Act("inject records --attack token-theft --out out", ("out",)),
    "profile": Act("profile log --out out.yaml --twin twin.yaml", ("out.yaml", "twin.yaml")),
    "realism": Act("realism small.yaml --out out", ("out",)),
}
FORMER = b"an earlier result"
UNFINISHED = b"the gate did not finish"
"""What stands in the place of an earlier verdict while a gate runs."""
TIMED = ("cells.csv", "summary.csv", "report.html", "run.json", "cost.svg", "cost.pdf")
"""Files with times of day or of the processor, which differ from run to run."""


def contents(place: Path) -> dict[str, object]:
    """What a result says, by file: texts as they are, tables without what the processor took."""
    if place.is_file():
        return {place.name: place.read_bytes()}
    files = {path.relative_to(place).as_posix(): path for path in sorted(place.rglob("*")) if path.is_file()}
    kept = {name: path for name, path in files.items() if not name.startswith(".") and name != "notes.md"}
    return {name: table(path) if path.suffix == ".parquet" else path.read_bytes() for name, path in kept.items()}


def table(path: Path) -> object:
    if path.read_bytes() == FORMER:
        return FORMER
    frame = pd.read_parquet(path)
    return frame.drop(columns=[name for name in frame if "_seconds" in name]).to_csv()


def same(left: dict[str, object], right: dict[str, object]) -> bool:
    timed = lambda name: Path(name).name in TIMED  # noqa: E731
    return set(left) == set(right) and all(timed(name) or left[name] == right[name] for name in left)


def state(place: Path, whole: dict[str, object]) -> str:
    """Whether a place holds nothing, what was there before, or the whole new result."""
    found = contents(place)
    if not found:
        return "nothing"
    if all(text == FORMER or (isinstance(text, bytes) and text.endswith(FORMER)) for text in found.values()):
        return "the former"
    if any(isinstance(text, bytes) and UNFINISHED in text for text in found.values()):
        return "unfinished"
    assert same(found, whole), f"{place.name} is half-written: {sorted(found)}"
    return "the new"


class Undisturbed(NamedTuple):
    """A command that nobody killed: its folder, exit code, seconds, and its results."""

    folder: Path
    code: int
    seconds: float
    whole: dict[str, dict[str, object]]


class Starter:
    """A process that has imported everything and forks commands: kills hit what they do, not how they start."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", STARTER]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, folder: Path, act: Act) -> int:
        """The id of the process that runs the command."""
        (folder / "tmp").mkdir(exist_ok=True)
        return self._asked({"folder": str(folder), "arguments": act.arguments.split()})

    def wait(self, process: int) -> int:
        """Its exit code; negative: the signal that ended it."""
        return self._asked({"wait": process})

    def close(self) -> None:
        self._process.communicate()

    def _asked(self, what: dict[str, object]) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    made = Starter()
    yield made
    made.close()


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory, scopedrift_in: Callable[..., Any]) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "small.yaml").write_text(SMALL)
    (folder / "suite.yaml").write_text(SUITE)
    (folder / "own.py").write_text(OWN)
    baseline = ["--baseline", "baseline.yaml", "--update", "--allow-underpowered"]
    for command in (
        ["simulate", "small.yaml", "--out", "log"],
        ["export", "log", "--format", "cloudtrail", "--out", "records"],
        ["gate", "suite.yaml", *baseline, "--out", "cells"],
    ):
        assert scopedrift_in(folder, *command).code == 0
    return folder


@pytest.fixture(scope="session")
def undisturbed(
    inputs: Path, starter: Starter, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Undisturbed]:
    known: dict[str, Undisturbed] = {}

    def done(name: str) -> Undisturbed:
        if name not in known:
            folder = tmp_path_factory.mktemp("undisturbed") / "in"
            shutil.copytree(inputs, folder)
            began = time.monotonic()
            code = starter.wait(starter.start(folder, ACTS[name]))
            seconds = time.monotonic() - began
            whole = {place: contents(folder / place) for place in ACTS[name].places}
            assert code in (0, 1, 3) and all(whole.values())
            known[name] = Undisturbed(folder, code, seconds, whole)
        return known[name]

    return done


def with_former(folder: Path, done: Undisturbed, act: Act) -> None:
    """An earlier result in its place, with notes of the user beside it, and all finished cells."""
    if (done.folder / "out").is_dir():
        shutil.copytree(done.folder / "out", folder / "out")
    for place in act.places:
        if (done.folder / place).is_file():
            (folder / place).write_bytes((done.folder / place).read_bytes() + FORMER)  # with what marks it as ours
            continue
        for path in (folder / place).rglob("*"):
            if path.is_file() and not path.name.startswith(".scopedrift-folder"):
                path.write_bytes(FORMER)
        (folder / place / "notes.md").write_text("mine")


@pytest.mark.parametrize(
    ("name", "kill"),
    [pytest.param(n, k, marks=pytest.mark.xdist_group(n), id=f"{n}-{k + 1}") for n in ACTS for k in range(KILLS)],
)
def test_a_command_is_killed(
    name: str, kill: int, inputs: Path, starter: Starter, undisturbed: Callable[[str], Undisturbed], tmp_path: Path,
    wait_until: Callable[[Callable[[], Any], str], None],
) -> None:  # fmt: skip
    act, done, folder, former = ACTS[name], undisturbed(name), tmp_path / "in", kill % 2 == 1
    share, killed = random.Random(f"{name} {kill}").random(), False
    while not killed:  # until the machine is so kind as not to finish before
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(inputs, folder)
        if former:
            with_former(folder, done, act)
        process = starter.start(folder, act)
        time.sleep(share * done.seconds)
        family = psutil.Process(process).children(recursive=True)
        os.kill(process, signal.SIGKILL)
        killed, share = starter.wait(process) == -signal.SIGKILL, 0.7 * share
    for place in act.places:
        found = state(folder / place, done.whole[place])
        assert found in ("the new", "the former" if former else "nothing") or (name, found) == ("gate", "unfinished")
    wait_until(lambda: not psutil.wait_procs(family, 0)[1], "the end of its processes")
    assert starter.wait(starter.start(folder, act)) == done.code
    for place in act.places:
        assert state(folder / place, done.whole[place]) == "the new"
        assert not former or (folder / place).is_file() or (folder / place / "notes.md").read_text() == "mine"
    assert not [path for path in folder.rglob("*") if path.suffix == ".part"]
    if (store := folder / "runs" / "mlflow.db").is_file():
        with closing(sqlite3.connect(store)) as connection:
            assert not connection.execute("SELECT count(*) FROM runs WHERE status = 'RUNNING'").fetchone()[0]
