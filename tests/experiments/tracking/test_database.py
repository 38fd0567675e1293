"""The tracking store's file: whole or absent, set aside when broken, moved with its folder."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from scopedrift.experiments.tracking import TrackingError, masked, open_tracker

OPEN = "import sys; from pathlib import Path; from scopedrift.experiments.tracking import open_tracker as o; "
FIRST = OPEN + "t = o(Path(sys.argv[1]))\nwith t.invocation('run x', {}, {}): pass"


@pytest.fixture(autouse=True)
def _no_other_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store that was made by another process and holds one run."""
    folder = tmp_path_factory.mktemp("made")
    subprocess.run([sys.executable, "-c", FIRST, str(folder)], check=True)
    return folder


def statuses(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / "mlflow.db")) as connection:
        return [status for (status,) in connection.execute("SELECT status FROM runs ORDER BY start_time")]


def left_over(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".part")]


@pytest.mark.slow
def test_two_first_runs_share_one_store(tmp_path):
    both = [subprocess.Popen([sys.executable, "-c", FIRST, str(tmp_path)]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert statuses(tmp_path) == ["FINISHED", "FINISHED"]


@pytest.mark.slow
def test_a_run_killed_while_the_store_is_made_leaves_no_store(tmp_path, wait_until):
    process = subprocess.Popen([sys.executable, "-c", FIRST, str(tmp_path)])
    wait_until(lambda: left_over(tmp_path) or process.poll() is not None, "the store is being made")
    process.send_signal(signal.SIGKILL)
    process.wait()
    open_tracker(tmp_path)
    assert (tmp_path / "mlflow.db").is_file()
    assert not left_over(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no database\n" * 100, "half"])
def test_a_broken_store_is_set_aside_and_a_new_one_made(tmp_path, content, caplog):
    database = tmp_path / "mlflow.db"
    if content == "half":  # tables, but not yet their version
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("CREATE TABLE experiments (experiment_id INTEGER)")
    else:
        database.write_bytes(content)
    before = database.read_bytes()
    open_tracker(tmp_path)
    assert (tmp_path / "mlflow.db.broken").read_bytes() == before
    assert "kept as mlflow.db.broken" in caplog.text


def test_a_database_of_another_program_is_refused_and_stays(tmp_path):
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection, connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    before = (tmp_path / "mlflow.db").read_bytes()
    with pytest.raises(TrackingError, match="another program"):
        open_tracker(tmp_path)
    assert (tmp_path / "mlflow.db").read_bytes() == before


def test_the_artifacts_of_a_moved_folder_move_with_it(made, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(made, moved)
    note = tmp_path / "note.txt"
    note.write_text("seen", encoding="utf-8")
    tracker = open_tracker(moved)
    with tracker.invocation("run y", {}, {}) as run:
        run.log_files([note])
    assert len(list((moved / "artifacts").rglob("note.txt"))) == 1
    assert not list(made.rglob("note.txt"))
    earlier = tracker.client.search_runs([tracker.experiment])
    assert all(run.info.artifact_uri.startswith((moved / "artifacts").as_uri()) for run in earlier)


def test_runs_of_a_killed_process_end_as_killed(made, wait_until):
    code = FIRST.replace(": pass", ":\n import time; print(1, flush=True); time.sleep(600)")
    process = subprocess.Popen([sys.executable, "-c", code, str(made)], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline()
    open_tracker(made)
    assert statuses(made)[-1] == "RUNNING"  # its process lives
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    open_tracker(made)
    assert statuses(made)[-1] == "KILLED"


def test_passwords_never_show(tmp_path, monkeypatch):
    assert masked("at http://me:secret@host/x and postgresql://you:p%40@h/db") == (
        "at http://me:***@host/x and postgresql://you:***@h/db"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@127.0.0.1/x")
    with pytest.raises(TrackingError) as raised:
        open_tracker(tmp_path)
    assert "secret" not in str(raised.value)
    assert "psycopg" in str(raised.value)  # the driver that is missing
