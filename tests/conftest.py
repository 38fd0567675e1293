"""What every test may use: no deadlines, work that is counted, patience, and the command line in this process."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

# Workers share the processors as it is: threads for linear algebra would only wait for each other.
for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(threads, "1")

# What the current profile says of reproducibility stays (in CI, Hypothesis repeats the same examples).
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


def pytest_sessionstart() -> None:
    """Look for no garbage while tests are collected: next to nothing of what is made then goes again."""
    gc.disable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, the README and the installation, so that no worker is left alone with them."""
    items.sort(key=lambda item: not ("README.md" in item.name or "test_wheel" in item.nodeid))


def pytest_collection_finish() -> None:
    """Leave what was imported to itself: looking for garbage in it took more than a twentieth of the time."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 10, 20)


PATIENCE = 600.0
"""Seconds after which something hangs: no machine is so slow."""


def lines_of(call: Callable[[], Any]) -> int:
    lines = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        call()
    finally:
        sys.settrace(before)
    return lines


def until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {what}"
        time.sleep(0.02)


class Done(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@cache
def commands() -> Any:
    """The command line, put together once: that takes longer than most commands."""
    from typer.main import get_command

    from scopedrift.experiments.cli import app

    return get_command(app)


def command(folder: Path, *arguments: object, **environment: str) -> Done:
    from scopedrift.experiments import cli

    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="", write_through=True) for _ in range(2))
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        patch.chdir(folder)
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(cli, "app", commands())
        patch.setattr(signal, "signal", lambda *given: None)
        patch.setattr(sys, "argv", ["scopedrift", *map(str, arguments)])
        cli.main()
    return Done(int(ended.value.code or 0), *(stream.buffer.getvalue().decode() for stream in (out, err)))


@pytest.fixture(scope="session")
def scopedrift_in() -> Callable[..., Done]:
    """`scopedrift_in(folder, "run", ..., NAME="value")`: a command in a folder, in this process, without a terminal."""
    return command


@pytest.fixture
def scopedrift(tmp_path: Path) -> Callable[..., Done]:
    """`scopedrift("run", ..., NAME="value")`: a command in the test's folder."""
    return partial(command, tmp_path)


@pytest.fixture(scope="session")
def patience() -> float:
    """Seconds after which something hangs, however slow the machine."""
    return PATIENCE


@pytest.fixture(scope="session")
def lines_run() -> Callable[[Callable[[], Any]], int]:
    """`lines_run(call)`: how many lines of Python a call runs, on any machine; each turn of a loop counts."""
    return lines_of


@pytest.fixture(scope="session")
def wait_until() -> Callable[[Callable[[], Any], str], None]:
    """`wait_until(condition, what)`: waits until the condition holds; fails if it never does."""
    return until


@pytest.fixture
def plain_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports with one figure, three time lines and no PDFs: for tests of what writes reports by the dozen."""
    from scopedrift.reports import drawing, report
    from scopedrift.reports.figures import FIGURES

    drawn = drawing.render
    monkeypatch.setattr(drawing, "render", lambda figure, folder, *, pdf=True: drawn(figure, folder, pdf=False))
    monkeypatch.setattr(report, "FIGURES", {"operating-curves": FIGURES["operating-curves"]})
    monkeypatch.setattr(report, "TIME_LINES", 2)
    monkeypatch.setattr(report, "TIME_LINES_FOLDED", 1)


@pytest.fixture
def all_figures(plain_reports: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such reports with every figure."""
    from scopedrift.reports import report
    from scopedrift.reports.figures import FIGURES

    monkeypatch.setattr(report, "FIGURES", FIGURES)


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A tracking store without runs, made when it is first asked for."""
    from scopedrift.experiments.tracking import database

    real = database._open

    @cache
    def made() -> Path:
        path = tmp_path_factory.mktemp("store") / "mlflow.db"
        real(path)
        return path

    return made


@pytest.fixture
def quick_stores(empty_store: Callable[[], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """New stores are copies of an empty one: to make one takes MLflow longer than all that a test tracks."""
    from scopedrift.experiments.tracking import database

    real = database._open

    def opened(path: Path) -> None:
        if path.exists():
            real(path)
        else:
            with closing(sqlite3.connect(empty_store())) as source, closing(sqlite3.connect(path)) as copy:
                source.backup(copy)

    monkeypatch.setattr(database, "_open", opened)
