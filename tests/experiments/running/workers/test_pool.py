"""Several workers: the same tables as one process gives, whatever happens to the processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

import scopedrift as sd
from scopedrift.detectors.base import Detector
from scopedrift.detectors.spec import SpecError
from scopedrift.experiments.evaluation.tables import Tables
from scopedrift.experiments.running.run import run, run_on_world, run_on_worlds
from scopedrift.experiments.running.selection import default_detectors, resolve
from scopedrift.experiments.running.workers import pool
from scopedrift.experiments.running.workers.pool import Workers
from scopedrift.experiments.running.worlds import make_world
from scopedrift.scenarios.loader import load_text

Wait = Callable[[Callable[[], Any], str], None]
TEXT = """
name: small
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
workloads: {inference: {services: 3}, serverless: {functions: 4}}
incidents: [{attack: rogue-job, count: 2}]
"""
SCENARIO = load_text(TEXT)
TWO = Workers(jobs=2, memory=8 << 30)
OWN = """
import os, signal, sys
from scopedrift.detectors import Detector

class Own(Detector):
    name = "own"

    def fit(self, history, knowledge):
        {fit}

    def score(self, batch):
        return [0.0] * len(batch)
"""
TIMED = ("fit_seconds", "score_seconds", "measure_seconds")


def own(folder: Path, fit: str) -> dict[str, Detector]:
    """A trusted detector of the user's beside a built-in one."""
    (folder / "own.py").write_text(OWN.format(fit=fit))
    return resolve(["rate", str(folder / "own.py")], "off")


def same(left: Tables, right: Tables) -> None:
    for name, table in left.items():
        gone = [c for c in table.columns if c.removesuffix("_low").removesuffix("_high") in TIMED]
        mine, theirs = table.drop(columns=gone), right[name].drop(columns=gone)
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


def family() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def parent(process: psutil.Process) -> int:
    """Who forked it; -1 if it has ended meanwhile."""
    try:
        return int(process.ppid())
    except psutil.NoSuchProcess:
        return -1


@pytest.fixture
def no_server() -> Iterator[None]:
    """No fork server but those that a test starts."""
    for server in pool._idle:
        server.kill()
    pool._idle.clear()
    yield
    for server in pool._idle:
        server.kill()
    pool._idle.clear()


@pytest.fixture(scope="module")
def alone() -> Tables:
    return run(SCENARIO, resolve(default_detectors()), [0, 1, 2])


def test_several_workers_change_no_bit_and_no_order(alone: Tables) -> None:
    same(alone, run(SCENARIO, resolve(default_detectors()), [0, 1, 2], workers=TWO))


def test_more_workers_than_work_change_nothing(alone: Tables) -> None:
    same(alone, run(SCENARIO, resolve(default_detectors()), [0, 1, 2], workers=Workers(jobs=64, memory=8 << 30)))


def test_worlds_that_are_there_already_are_handed_over() -> None:
    worlds, chosen = [make_world(SCENARIO, seed) for seed in (3, 1)], resolve(["first-seen", "rate"])
    found = run_on_worlds(worlds, chosen, workers=TWO)
    same(run_on_worlds(worlds, chosen), found)
    assert found["cells"]["seed"].unique().tolist() == [3, 1]


def test_a_world_on_disk_is_read_by_all_workers(tmp_path: Path) -> None:
    world, chosen = make_world(SCENARIO, 1, out=tmp_path / "log"), resolve(["first-seen", "rate"])
    same(run_on_world(world, chosen), run_on_world(world, chosen, workers=TWO))


def test_too_little_memory_leaves_one_at_work_and_says_so(alone: Tables) -> None:
    with pytest.warns(UserWarning, match=r"1 MiB of memory are too few for 2 workers: a world takes about .* MiB"):
        found = run(SCENARIO, resolve(default_detectors()), [0, 1, 2], workers=Workers(jobs=2, memory=1 << 20))
    same(alone, found)


def test_progress_rises_to_the_end() -> None:
    heard: list[tuple[float, str]] = []
    run(SCENARIO, resolve(["rate"]), [0, 1], lambda done, what: heard.append((done, what)), TWO)
    shares = [done for done, _ in heard]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] > 0.8
    assert heard[0][1] == "0 of 10 cells; making world 0"
    assert heard[-1][1].startswith("9 of 10 cells; ")


def test_a_detector_that_kills_its_process_costs_its_cells_only(tmp_path: Path, no_server: None) -> None:
    before = family()
    found = run(SCENARIO, own(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)"), [0, 1], workers=TWO)
    cells = found["cells"].set_index("detector")
    reason = "detector 'own' failed in its own process: it died of signal 9 (SIGKILL)"
    assert cells.loc["own", "reason"].tolist() == [reason] * 2
    assert cells.loc["own", "run_as"].tolist() == ["in process"] * 2
    assert (cells.drop("own")["status"] == "ok").all() and len(cells) == 12
    left = [process for process in family() if process not in before]
    assert len(left) == 1, "only the fork server waits for the next run"


def test_what_a_detector_prints_last_is_told_if_it_dies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit = "print('out of luck', flush=True); os.kill(os.getpid(), signal.SIGTERM)"
    cells = run(SCENARIO, own(tmp_path, fit), [0], workers=TWO)["cells"].set_index("detector")
    assert cells.loc["own", "reason"].endswith("it died of signal 15 (SIGTERM): out of luck")
    assert "out of luck" in capsys.readouterr().err


def test_a_world_that_a_detector_changes_is_unchanged_for_the_others(tmp_path: Path) -> None:
    change = "column = history['time']; column.flags.writeable = True; column[:] = 0"
    chosen = own(tmp_path, change)
    found = run(SCENARIO, chosen, [0], workers=TWO)
    same(run(SCENARIO, chosen, [0]), found)
    cells = found["cells"].set_index("detector")
    assert "changed the events, names or truth of the world" in cells.loc["own", "reason"]


def test_a_detector_of_the_users_is_isolated_as_ever(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(fit="pass"))
    chosen = resolve([str(tmp_path / "own.py")])
    found = run(SCENARIO, chosen, [0], workers=TWO)
    same(run(SCENARIO, chosen, [0]), found)
    assert set(found["cells"].set_index("detector").loc[["own"], "run_as"]) <= {"isolated", "own process"}


def test_a_world_whose_process_dies_is_made_again(alone: Tables, no_server: None) -> None:
    before, killed = family(), list[int]()

    def kill_one(done: float, what: str) -> None:
        servers = {process.pid for process in family() if process not in before and parent(process) == os.getpid()}
        worlds = [process for process in family() if parent(process) in servers]
        if done > 0.5 and worlds and not killed:
            killed.append(worlds[0].pid)
            worlds[0].kill()

    same(alone, run(SCENARIO, resolve(default_detectors()), [0, 1, 2], kill_one, TWO))
    assert killed


def test_a_world_whose_process_always_dies_is_given_up() -> None:
    worlds = [pool.WorldTask("small", 7, _die)]
    chosen = resolve(["rate"])
    found = pool.tables_of(worlds, chosen, TWO)
    reasons = {table["cells"]["reason"].iloc[0] for table in found}
    assert len(found) == len(chosen) and all("that of its world died 2 times" in reason for reason in reasons)


def _die(progress: object) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_making_a_world_raises_is_raised_here(no_server: None) -> None:
    before = family()
    text = TEXT + "adaptive: {detector: no-such-one}\n"
    with pytest.raises(SpecError, match="no-such-one"):
        run(load_text(text), resolve(["rate"]), [0, 1], workers=TWO)
    assert family() == before, "everything has ended"


def test_a_detector_that_cannot_be_handed_over_runs_here() -> None:
    class Bound(Detector):
        name = "bound"

        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __deepcopy__(self, memo: object) -> Detector:
            return self

        def score(self, batch: Any) -> list[float]:
            return [0.0] * len(batch)

    with pytest.warns(UserWarning, match="one worker only: 'bound' cannot be handed to another process: TypeError"):
        found = sd.run(SCENARIO, Bound(), seeds=[0], jobs=2, isolation="off")
    assert not found.failures


def test_a_system_without_what_it_takes_runs_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    with pytest.warns(UserWarning, match=r"one worker only: several workers need Linux 5\.3 or newer"):
        run(SCENARIO, resolve(["rate"]), [0], workers=TWO)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(SCENARIO, resolve(["rate"]), [0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_interrupted_leaves_nothing(
    number: signal.Signals, tmp_path: Path, wait_until: Wait, patience: float
) -> None:
    (tmp_path / "small.yaml").write_text(TEXT)
    (tmp_path / "own.py").write_text(OWN.format(fit="import time; time.sleep(600)"))
    command = ["run", "small.yaml", "--seeds", "2", "--detector", "own.py", "--in-process", "--jobs", "2"]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # what a shell runs in the background ignores it
    process = subprocess.Popen(
        [sys.executable, "-m", "scopedrift", *command, "--no-track", "--out", "out"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard,
    )  # fmt: skip

    def sleeping() -> list[psutil.Process]:
        children = psutil.Process(process.pid).children(recursive=True)
        return children if len(children) >= 5 else []  # the server, two worlds, two detectors

    wait_until(sleeping, "two detectors at work")
    children = sleeping()
    process.send_signal(number)
    _, errors = process.communicate(timeout=patience)
    wait_until(lambda: not any(each.is_running() for each in children), "the end of all processes")
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in errors and not (tmp_path / "out").exists()
    if number == signal.SIGINT:
        assert errors.splitlines()[-1] == "scopedrift: interrupted"
