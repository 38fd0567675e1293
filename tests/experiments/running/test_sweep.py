"""Sweeps: the same table however they are run, stopped or broken."""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd
import psutil
import pytest

from scopedrift.experiments.running.cells import cluster
from scopedrift.experiments.running.cells.cluster import CellTask, client, run_tasks
from scopedrift.experiments.running.cells.store import STORE, Store, joined, packed, unpacked
from scopedrift.experiments.running.code import code_of
from scopedrift.experiments.running.run import run
from scopedrift.experiments.running.selection import resolve
from scopedrift.experiments.running.sweep import Swept, plan_cells, sweep
from scopedrift.reports.columns import PER_CELL, TABLES
from scopedrift.scenarios.suite import Plan, load_suite, suites

Wait = Callable[[Callable[[], Any], str], None]
SCENARIO = """
name: tiny
horizon: 3d
windows: {baseline: 1d, calibration: 1d}
organisation: {projects: 2}
workloads: {inference: {services: 3}, serverless: {functions: 4}}
incidents: [{attack: rogue-job, count: 2}]
"""
SUITE = """
name: tiny
scenarios: [tiny.yaml]
vary: {identities.sharing: [0.0, 1.0]}
seeds: 2
detectors: [first-seen, rate]
"""
TIMED = [name for name in TABLES["cells"] if name.endswith("_seconds")]


def suite(folder: Path, text: str = SUITE) -> Path:
    (folder / "tiny.yaml").write_text(SCENARIO)
    (folder / "suite.yaml").write_text(text)
    return folder / "suite.yaml"


def plan(folder: Path, text: str = SUITE) -> Plan:
    return load_suite(str(suite(folder, text)))


def same(left: Swept, right: Swept) -> None:
    for name, table in left.tables.items():
        gone = [c for c in table.columns if c.removesuffix("_low").removesuffix("_high") in TIMED]
        pd.testing.assert_frame_equal(table.drop(columns=gone), right.tables[name].drop(columns=gone))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Swept, Path]:
    """A sweep in one process, and its folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return sweep(plan(folder), folder / "out"), folder / "out"


@pytest.fixture(scope="module")
def undisturbed(finished: tuple[Swept, Path]) -> Swept:
    return finished[0]


def test_a_sweep_gives_what_runs_give(undisturbed: Swept, tmp_path: Path) -> None:
    one = plan(tmp_path).variants[0]
    alone = run(one.scenario, resolve(["first-seen", "rate"]), range(2))
    swept = undisturbed.tables["cells"]
    mine = swept[swept["scenario"] == one.label].reset_index(drop=True)
    drop = ["scenario", *TIMED]
    pd.testing.assert_frame_equal(mine.drop(columns=drop), alone["cells"].drop(columns=drop), check_dtype=False)
    assert undisturbed.cells == undisturbed.ran == 24


def test_packing_keeps_tables_to_the_last_bit(undisturbed: Swept) -> None:
    tables = {name: undisturbed.tables[name] for name in PER_CELL}
    for name, table in joined([unpacked(packed(tables))]).items():
        pd.testing.assert_frame_equal(table, tables[name], check_exact=True, check_dtype=len(table) > 0)


def test_finished_cells_are_not_run_again(finished: tuple[Swept, Path], tmp_path: Path) -> None:
    first, folder = finished
    shutil.copytree(folder, tmp_path / "out")
    again = sweep(plan(tmp_path), tmp_path / "out")
    assert (first.ran, again.ran) == (24, 0)
    same(first, again)
    wider = sweep(plan(tmp_path, SUITE.replace("seeds: 2", "seeds: 3")), tmp_path / "out")
    assert (wider.cells, wider.ran) == (36, 12)


def test_a_cell_is_keyed_by_all_that_its_result_depends_on(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    source = (
        "from scopedrift.detectors import Detector\nclass Own(Detector):\n    def score(self, b):\n        return {}\n"
    )
    own.write_text(source.format("[0.0] * len(b)"))
    text = SUITE.replace("first-seen", str(own))
    before = {cell.key for cell in plan_cells(plan(tmp_path, text))}
    assert {cell.key for cell in plan_cells(plan(tmp_path, text))} == before
    changed = [
        SUITE.replace("first-seen", "first-seen(memory=2.0)"),
        SUITE.replace("[0.0, 1.0]", "[0.5, 1.0]"),
    ]
    for other in changed:
        assert len({cell.key for cell in plan_cells(plan(tmp_path, other))} - before) > 0
    own.write_text(source.format("[1.0] * len(b)"))
    fresh = {cell.key for cell in plan_cells(plan(tmp_path, text))}
    assert len(before - fresh) == 4  # one detector in four worlds


def test_two_jobs_change_no_number(undisturbed: Swept, tmp_path: Path) -> None:
    same(sweep(plan(tmp_path), tmp_path / "out", jobs=2), undisturbed)


FATAL = """
import os
from scopedrift.detectors import Detector
class Fatal(Detector):
    name = "fatal"
    def score(self, batch):
        os._exit(9)
"""


def test_a_world_waits_until_a_worker_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given out beforehand, worlds of unequal size would leave one worker idle while another has two to do."""
    tasks = [CellTask("", f"world {seed}", seed, ()) for seed in range(5)]
    waiting = []
    with client(1, None) as connected:

        def world(*_: object) -> dict[str, bytes]:
            waiting.append(len(connected.cluster.scheduler.queued))
            return {}

        monkeypatch.setattr(cluster, "run_cells", world)
        run_tasks(connected, tasks, lambda done: None)
    assert waiting[0] == len(tasks) - 1


@pytest.mark.slow
def test_a_detector_that_kills_its_worker_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "DEATHS", 1)  # each costs the start of another process
    (tmp_path / "fatal.py").write_text(FATAL.replace("os._exit(9)", "os.kill(os.getpid(), 9)"))
    trusted = f"in-process(detector={tmp_path / 'fatal.py'})"
    text = SUITE.replace("first-seen, rate", f"first-seen, '{trusted}'")
    text = text.replace("seeds: 2", "seeds: 1").replace("[0.0, 1.0]", "[0.0]")
    cells = sweep(plan(tmp_path, text), tmp_path / "out", jobs=2).tables["cells"].set_index("detector")
    assert cells.loc["fatal", "status"] == "failed" and "worker died" in cells.loc["fatal", "reason"]
    assert (cells.drop("fatal")["status"] == "ok").all() and len(cells) == 6


def test_a_detector_that_ends_its_process_costs_its_cells(tmp_path: Path) -> None:
    (tmp_path / "fatal.py").write_text(FATAL.replace("_exit(9)", "_exit(0)"))
    cells = sweep(plan(tmp_path, SUITE.replace("rate", str(tmp_path / "fatal.py"))), tmp_path / "out").tables["cells"]
    failed = cells[cells["status"] == "failed"]
    assert set(failed["detector"]) == {"fatal"} and set(failed["run_as"]) == {"isolated"}
    assert failed["reason"].str.contains("its process ended with exit code 0").all()


def test_a_detector_that_raises_costs_its_cells(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(FATAL.replace("os._exit(9)", "raise RuntimeError('no')"))
    cells = sweep(plan(tmp_path, SUITE.replace("rate", str(tmp_path / "bad.py"))), tmp_path / "out").tables["cells"]
    failed = cells[cells["status"] == "failed"]
    assert set(failed["detector"]) == {"fatal"} and len(failed) == 4
    assert failed["reason"].str.contains("RuntimeError: no").all()


def _command(folder: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "scopedrift", "sweep", str(folder / "suite.yaml")]
    return [*command, "--out", str(folder / "out"), "--no-track", *more]


@pytest.mark.slow
def test_a_sweep_that_is_killed_goes_on_where_it_was(undisturbed: Swept, tmp_path: Path, wait_until: Wait) -> None:
    text = SUITE.replace("seeds: 2", "seeds: 8")
    suite(tmp_path, text)
    kills = 0
    for _ in range(3):
        process = subprocess.Popen(_command(tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        before = _finished(tmp_path)
        more = before + 10
        wait_until(lambda: process.poll() is not None or _finished(tmp_path) >= more, "ten more cells")  # noqa: B023
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
    assert kills
    resumed = sweep(plan(tmp_path, text), tmp_path / "out")
    assert 0 < resumed.ran < resumed.cells
    same(resumed, sweep(plan(tmp_path, text), tmp_path / "other"))


def _finished(folder: Path) -> int:
    if not (folder / "out" / STORE).exists():
        return 0
    try:
        with Store(folder / "out") as store:
            return len(store.finished())
    except Exception:  # the process that writes is just making it
        return 0


@pytest.mark.slow
def test_a_cluster_by_its_address_loses_a_worker_and_nothing_else(
    undisturbed: Swept, tmp_path: Path, wait_until: Wait
) -> None:
    environment = {**os.environ, "DASK_DISTRIBUTED__LOGGING__DISTRIBUTED": "critical"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": environment}
    address = tmp_path / "scheduler.json"
    base = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = subprocess.Popen([*base, "--no-dashboard", "--scheduler-file", str(address)], **quiet)  # type: ignore[call-overload]
    workers = []
    try:
        wait_until(address.exists, "the scheduler")
        worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(address)]
        worker += ["--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny"]
        workers = [subprocess.Popen([*worker, "--name", str(i)], cwd=tmp_path, **quiet) for i in range(2)]  # type: ignore[call-overload]
        import json

        where = json.loads(address.read_text())["address"]
        seen: list[float] = []

        def progress(done: float, what: str) -> None:
            seen.append(done)
            if len(seen) == 1:
                workers[0].kill()

        swept = sweep(plan(tmp_path), tmp_path / "out", address=where, progress=progress)
    finally:
        for process in [*workers, scheduler]:
            process.kill()
            process.wait()
    assert workers[0].returncode == -signal.SIGKILL
    same(swept, undisturbed)


def test_no_scheduler_at_the_address_is_told(tmp_path: Path, scopedrift: Callable[..., Any]) -> None:
    suite(tmp_path)
    done = scopedrift("sweep", "suite.yaml", "--out", "out", "--no-track", "--cluster", "tcp://127.0.0.1:9")
    assert done.code == 2
    assert "127.0.0.1:9" in done.err and "Traceback" not in done.err


@pytest.mark.parametrize("name", sorted(suites()))
def test_the_library_is_valid(name: str) -> None:
    found = load_suite(name)
    assert found.suite.name == name and plan_cells(found)


def test_a_cell_depends_on_the_files_that_its_detector_names(tmp_path):
    script = tmp_path / "score.sh"
    script.write_text("one")
    spec = f"program(command=sh {script})"
    before = code_of(spec)
    assert code_of(spec) == before
    script.write_text("two")
    assert code_of(spec) != before


@pytest.mark.parametrize(
    "spec", ["{}:T", "{}:", "{}.inner:T", "ensemble(members='{}:T + rate')", "change-aware(detector={}:T)"]
)
def test_a_cell_depends_on_the_sources_of_packages_that_its_detector_names(tmp_path, monkeypatch, spec):
    name = f"member_{tmp_path.name}"
    source = "from scopedrift.detectors import Detector\n\n\nclass T(Detector):\n    fit = score = None\n"
    (tmp_path / name).mkdir()
    (tmp_path / name / "inner.py").write_text(source)
    exported = source if spec == "{}:" else "from .inner import T as T\n"
    (tmp_path / name / "__init__.py").write_text(exported)
    monkeypatch.syspath_prepend(tmp_path)
    before = code_of(spec.format(name))
    assert code_of(spec.format(name)) == before
    (tmp_path / name / "inner.py").write_text(source + "# another\n")
    assert code_of(spec.format(name)) != before


@pytest.mark.parametrize("spec", ["{}", "{}:T", "change-aware(detector='{}')"])
def test_a_cell_depends_on_files_with_a_space_in_their_path(tmp_path, spec):
    file = tmp_path / "my folder" / "x.py"
    file.parent.mkdir()
    source = "from scopedrift.detectors import Detector\n\n\nclass T(Detector):\n    fit = score = None\n"
    file.write_text(source)
    before = code_of(spec.format(file))
    file.write_text(source + "# another\n")
    assert code_of(spec.format(file)) != before


DIES_ONCE = """
import os, signal, sys
mark = os.environ.get("DIES_ONCE", "")
if "--multiprocessing-fork" in sys.orig_argv and os.path.exists(mark):
    os.unlink(mark)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_worker_killed_while_it_starts_costs_a_retry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(DIES_ONCE)
    (tmp_path / "mark").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("DIES_ONCE", str(tmp_path / "mark"))
    with client(2, None) as connected:
        assert connected.submit(int, "7").result() == 7
    assert not (tmp_path / "mark").exists()


def test_nobody_without_the_certificate_reaches_a_local_scheduler() -> None:
    with client(2, None) as connected:
        address = urlsplit(connected.scheduler_info()["address"])
        assert address.scheme == "tls" and address.hostname == "127.0.0.1"
        anyone = ssl.create_default_context()
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection((address.hostname, address.port), 60)
        with pytest.raises(ssl.SSLError), anyone.wrap_socket(plain) as secured:
            secured.recv(1)  # the scheduler asks for a certificate


@pytest.mark.parametrize("jobs", [1, 2])
def test_nothing_listens_beyond_this_machine(jobs: int) -> None:
    with client(jobs, None):
        ours = {process.pid for process in (psutil.Process(), *psutil.Process().children(recursive=True))}
        found = [each for each in psutil.net_connections("inet") if each.pid in ours]
        listening = [each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN]
    assert listening and {ipaddress.ip_address(ip).is_loopback for ip in listening} == {True}
