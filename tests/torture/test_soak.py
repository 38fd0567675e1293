"""A long sweep while its workers are killed, one every five seconds: the same tables as undisturbed."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest

from scopedrift.experiments.running.cells import cluster
from scopedrift.experiments.running.sweep import Swept, sweep
from scopedrift.scenarios.suite import Plan, load_suite

EVERY_S = 5.0
DETECTORS = 7
"""Two built-in ones, one of a user's in its own process, and the four references."""
SCENARIO = """
name: small
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
workloads: {serverless: {functions: 4}, training: {pipelines: 1}}
incidents: [{attack: rogue-job, count: 2}]
"""
OWN = """
from scopedrift.detectors import Detector


class Own(Detector):
    name = "own"

    def score(self, batch):
        return [float(access == "delete") for (access,) in batch.pairs("access")]
"""


def plan(folder: Path, seeds: int) -> Plan:
    (folder / "small.yaml").write_text(SCENARIO)
    (folder / "own.py").write_text(OWN)
    about = f"name: soak\nscenarios: [small.yaml]\nseeds: {seeds}\ndetectors: [first-seen, rate, {folder / 'own.py'}]\n"
    (folder / "suite.yaml").write_text(about)
    return load_suite(str(folder / "suite.yaml"))


def workers() -> list[psutil.Process]:
    """Processes of workers, or of those that keep them."""
    family = psutil.Process(os.getpid()).children(recursive=True)
    return [process for process in family if _is_worker(process)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return any("spawn_main" in word or "forkserver" in word for word in process.cmdline())
    except psutil.Error:
        return False


class Killer:
    """Kills a worker every few seconds, as long as a world ended since the last one: otherwise none ever would.

    It stops after `most`: a world in which three workers die is given up, however slow the machine is.
    """

    def __init__(self, every_s: float, most: int) -> None:
        self.killed, self._most = 0, most
        self._every_s, self._draws = every_s, random.Random(1)
        self._ended, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._kill)

    def heard(self, done: float, what: str) -> None:
        """Progress of the sweep: a world ended."""
        self._ended.set()

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._ended.set()
        self._thread.join()

    def _kill(self) -> None:
        while not self._over.wait(self._every_s) and self.killed < self._most:
            self._ended.wait()
            if (found := workers()) and not self._over.is_set():
                with contextlib.suppress(psutil.Error):
                    self._draws.choice(found).kill()
                    self.killed += 1
            self._ended.clear()


def same(left: Swept, right: Swept) -> None:
    for name, rows in left.tables.items():
        timed = [column for column in rows if "_seconds" in column]
        pd.testing.assert_frame_equal(rows.drop(columns=timed), right.tables[name].drop(columns=timed))


@pytest.mark.slow
def test_workers_that_are_given_up_are_replaced(
    wait_until: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import distributed

    given_up = []

    async def give_up(keeper: object, code: int) -> None:
        """As Dask does now and then when a worker dies while it starts again."""
        given_up.append(keeper)

    monkeypatch.setattr(cluster, "EACH_S", 0.2)
    with cluster.client(2, None) as connected:
        wait_until(workers, "the workers")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(distributed.Nanny, "_on_worker_exit", give_up)
            for process in workers():
                process.kill()
            wait_until(lambda: len(given_up) == 2, "the end of both workers")
        assert connected.submit(sum, (1, 2), pure=False).result(timeout=100) == 3


@pytest.mark.parametrize(
    ("seeds", "every_s", "least", "most"),
    [
        pytest.param(4, 0.1, 1, 2, marks=pytest.mark.slow, id="28 cells"),
        pytest.param(72, EVERY_S, 5, 72, marks=pytest.mark.torture, id="504 cells"),
    ],
)
def test_a_sweep_whose_workers_are_killed(
    tmp_path: Path, record_property: Callable[[str, object], None], seeds: int, every_s: float, least: int, most: int
) -> None:
    wanted = plan(tmp_path, seeds)
    with Killer(every_s, most) as killer:
        soaked = sweep(wanted, tmp_path / "soaked", jobs=2, progress=killer.heard)
    assert soaked.cells == seeds * DETECTORS and killer.killed >= least
    record_property("tried", soaked.cells)
    again = sweep(wanted, tmp_path / "soaked")
    same(soaked, again)
    undisturbed = sweep(wanted, tmp_path / "undisturbed")
    same(soaked, undisturbed)
    assert (undisturbed.tables["cells"]["status"] == "ok").all()
