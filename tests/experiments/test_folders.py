"""Result folders: whole or not at all, and never at the cost of a user's file."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from scopedrift.experiments import folders, interrupts
from scopedrift.experiments.cli.output import progress
from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import MARKER, new_files, new_folder, write_file


def write(place: Path, text: str = "result", kind: str = "run") -> None:
    with new_folder(place, kind) as folder:
        (folder / "tables").mkdir()
        (folder / "tables" / "cells.csv").write_text(text)


def files(place: Path) -> set[str]:
    return {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_symlink() or not p.is_dir()} - {MARKER}


@pytest.fixture(params=["exchange", "two renames"], autouse=True)
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "two renames":
        monkeypatch.setattr(folders, "_exchanged", lambda a, b: False)


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a", "run") as folder:
        (folder / "half").write_text("half")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    for text in ("first", "second"):
        write(tmp_path / "a", text)
        assert (tmp_path / "a" / "tables" / "cells.csv").read_text() == text
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "a", "run"):
        raise ZeroDivisionError
    assert (tmp_path / "a" / "tables" / "cells.csv").read_text() == "second", "a failure leaves the earlier result"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def publish(how: str, place: Path, work: Callable[[], None]) -> None:
    """`work`, whose result then takes its place as a file, as files or as a folder."""
    if how == "file":
        work()
        write_file(place / "one", "1")
        return
    with new_folder(place, "run") if how == "folder" else new_files(place, "run") as folder:
        (folder / "one").write_text("1")
        work()


@pytest.mark.parametrize("how", ["folder", "files", "file"])
def test_an_interruption_that_python_drops_publishes_nothing_and_a_second_one_works(tmp_path, monkeypatch, how):
    class Lost:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(interrupts, "_received", [])
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: None)
    before = signal.signal(signal.SIGINT, interrupts.terminated)
    try:
        publish(how, tmp_path / "before", lambda: None)
        reached = []
        with pytest.raises(interrupts.Terminated):
            publish(how, tmp_path / "a", lambda: (Lost(), reached.append("the end of the work")))
        assert reached and not (tmp_path / "a" / "one").exists() and (tmp_path / "before" / "one").exists()
        with progress("working") as show, pytest.raises(interrupts.Terminated):
            show(0.5, "a step")
        with pytest.raises(interrupts.Terminated):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_interruption_just_after_the_folder_is_made_leaves_nothing(tmp_path, monkeypatch):
    made = Path.mkdir

    def interrupted(path, *args, **kwargs):
        made(path, *args, **kwargs)
        if path.name.endswith(".part"):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "mkdir", interrupted)
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "a", "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_our_marker_is_refused_and_stays(tmp_path):
    app = tmp_path / "app"
    (app / "src").mkdir(parents=True)
    (app / "manifest.json").write_text("{}")
    (app / "run.json").write_text("{}")
    (app / "src" / "app.js").write_text("precious")
    with pytest.raises(UsageError, match="did not write"):
        write(app)
    assert files(app) == {"manifest.json", "run.json", "src/app.js"}


@pytest.mark.parametrize("forged", ["{", "[]", '{"format": "other"}', '{"format": 1, "files": ["src/app.js"]}'])
def test_a_marker_that_is_not_ours_protects(tmp_path, forged):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / MARKER).write_text(forged)
    with pytest.raises(UsageError, match="did not write"):
        write(tmp_path / "app")


def test_another_kind_of_result_is_refused(tmp_path):
    write(tmp_path / "a", kind="log")
    with pytest.raises(UsageError, match="another kind of result"):
        write(tmp_path / "a", kind="run")


def test_files_of_the_user_move_into_the_new_result(tmp_path, caplog):
    place = tmp_path / "a"
    write(place, "first")
    (place / "notes.md").write_text("mine")
    (place / "tables" / "mine.csv").write_text("mine")
    (place / "own").mkdir()
    (place / "own" / "link").symlink_to(tmp_path)
    write(place, "second")
    assert files(place) == {"tables/cells.csv", "notes.md", "tables/mine.csv", "own/link"}
    assert (place / "tables" / "cells.csv").read_text() == "second"
    assert "notes.md" in caplog.text and "tables/mine.csv" in caplog.text
    write(place, "third")
    assert files(place) == {"tables/cells.csv", "notes.md", "tables/mine.csv", "own/link"}
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_users_file_with_the_name_of_a_new_one_is_kept_beside_it(tmp_path):
    place = tmp_path / "a"
    write(place)
    (place / "report.html").write_text("mine")
    with new_folder(place, "run") as folder:
        (folder / "report.html").write_text("ours")
    assert (place / "report.html").read_text() == "ours"
    assert (place / "report.html.kept").read_text() == "mine"


def test_a_hostile_list_of_files_reaches_nothing_outside(tmp_path):
    outside, place = tmp_path / "thesis.tex", tmp_path / "a"
    outside.write_text("years of work")
    write(place)
    facts = json.loads((place / MARKER).read_text())
    facts["files"] += ["../thesis.tex", str(outside), "tables"]
    (place / MARKER).write_text(json.dumps(facts))
    write(place)
    assert outside.read_text() == "years of work"


def test_a_link_is_not_followed(tmp_path):
    write(tmp_path / "a")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UsageError, match="not a folder"):
        write(tmp_path / "b")


def killed(place: Path, during: str) -> None:
    """Start a process that writes a result to `place` and kills itself at a point."""
    script = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from scopedrift.experiments import folders
        def die(*_):
            os.kill(os.getpid(), signal.SIGKILL)
        {during}
        with folders.new_folder(Path({str(place)!r}), "run") as folder:
            (folder / "tables").mkdir()
            (folder / "tables" / "cells.csv").write_text("killed")
            if {during!r} == "pass":
                die()
    """)
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "during",
    [
        "pass",
        "folders._put = die",
        "folders._retire = die",
        "folders._exchanged = lambda a, b: False; folders._retire = die",
        "folders._exchanged = lambda a, b: False; Path.rename = die",
    ],
)
def test_what_a_killed_process_left_is_cleaned_and_nothing_is_lost(tmp_path, during):
    place = tmp_path / "a"
    write(place, "first")
    (place / "notes.md").write_text("mine")
    killed(place, during)
    write(place, "last")
    assert files(place) == {"tables/cells.csv", "notes.md"}
    assert (place / "tables" / "cells.csv").read_text() == "last"
    assert (place / "notes.md").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_result_that_was_moved_aside_comes_back(tmp_path):
    place = tmp_path / "a"
    write(place, "first")
    place.rename(tmp_path / ".a.killed.part")
    with pytest.raises(ZeroDivisionError), new_folder(place, "run"):
        raise ZeroDivisionError
    assert (place / "tables" / "cells.csv").read_text() == "first"


def test_the_hidden_folder_of_a_living_process_is_left_alone(tmp_path):
    with new_folder(tmp_path / "a", "run") as folder:
        (folder / "one").write_text("1")
        write(tmp_path / "a", "second")
        assert (folder / "one").is_file()
    assert (tmp_path / "a" / "one").is_file()


def test_a_result_within_a_result_that_is_being_written_appears_with_it(tmp_path):
    with new_folder(tmp_path / "a", "run") as folder:
        with new_folder(folder, "log") as inner:
            (inner / "one").write_text("1")
        assert not (tmp_path / "a").exists()
    assert files(tmp_path / "a") == {"one"}


def test_results_can_be_read_by_whom_a_new_folder_could(tmp_path):
    (tmp_path / "usual").mkdir()
    write(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert os.access(tmp_path / "a", os.R_OK | os.X_OK)


@pytest.mark.parametrize("new", [True, False])
def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch, new):
    path = tmp_path / "made" / "x.txt"
    for step in ("replace", "link"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, lambda *_: (_ for _ in ()).throw(MemoryError))
            with pytest.raises(MemoryError) if (step == "link") == new else nullcontext():
                write_file(path, "first", new=new)
    assert path.read_text() == "first"
    with pytest.raises(FileExistsError) if new else nullcontext():
        write_file(path, "second", new=new)
    assert path.read_text() == ("first" if new else "second")
    assert [each.name for each in path.parent.iterdir()] == ["x.txt"]


def test_a_file_system_without_links_takes_new_files(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError))
    write_file(tmp_path / "x.txt", "first", new=True)
    with pytest.raises(FileExistsError):
        write_file(tmp_path / "x.txt", "second", new=True)
    assert (tmp_path / "x.txt").read_text() == "first"


def test_a_file_that_is_replaced_keeps_its_links_and_permissions(tmp_path):
    (tmp_path / "kept.yaml").write_text("old")
    (tmp_path / "kept.yaml").chmod(0o640)
    (tmp_path / "link.yaml").symlink_to("kept.yaml")
    write_file(tmp_path / "link.yaml", "new")
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "kept.yaml").read_text() == "new"
    assert (tmp_path / "kept.yaml").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(("there", "ours"), [("made by us\nold", True), ("", True), ("made by hand", False)])
def test_a_file_without_our_mark_stays_as_it_is(tmp_path, there, ours):
    path = tmp_path / "x.txt"
    path.write_text(there)
    with nullcontext() if ours else pytest.raises(UsageError, match="did not write: choose another one"):
        write_file(path, "made by us\nnew", mark="made by us")
    assert path.read_text() == ("made by us\nnew" if ours else there)
    assert [each.name for each in tmp_path.iterdir()] == ["x.txt"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are those of POSIX")
def test_a_pipe_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_file(tmp_path / "pipe", "said")
    assert os.read(reader, 9) == b"said" and (tmp_path / "pipe").is_fifo()
    os.close(reader)


def test_errors_name_the_file_that_was_asked_for(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as error:
        write_file(tmp_path / "folder", "text")
    assert error.value.filename == str(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_what_a_process_left_that_was_killed_while_it_wrote_a_file_is_removed(tmp_path):
    script = (
        "import os\nfrom pathlib import Path\nfrom scopedrift.experiments.folders import write_file\n"
        "os.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        f"write_file(Path({str(tmp_path / 'x.txt')!r}), 'killed')\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1 and not (tmp_path / "x.txt").exists()
    write_file(tmp_path / "x.txt", "whole")
    assert [path.name for path in tmp_path.iterdir()] == ["x.txt"]


def test_files_beside_others_replace_what_is_ours_alone(tmp_path):
    (tmp_path / "search.sqlite").write_text("kept")
    for text in ("first", "second"):
        with new_files(tmp_path, "tuning") as folder:
            (folder / "detector.yaml").write_text(text)
    (tmp_path / "tuning.svg").write_text("mine")
    refused = pytest.raises(UsageError, match=r"tuning.svg is a file that scopedrift did not write")
    with refused, new_files(tmp_path, "tuning") as folder:
        (folder / "detector.yaml").write_text("third")
        (folder / "tuning.svg").write_text("third")
    assert (tmp_path / "detector.yaml").read_text() == "second"
    assert files(tmp_path) == {"search.sqlite", "detector.yaml", "tuning.svg"}
