"""What the keeper of a detector's process watches beside its memory: the files that it writes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from scopedrift.detectors.isolation import keeper

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not say what is open")
NAMELESS = """
import os, sys, time
file = os.open("gone", os.O_RDWR | os.O_CREAT)
os.unlink("gone")
os.write(file, os.urandom(300_000))
os.fsync(file)
print(os.fstat(file).st_blocks * 512, flush=True)
time.sleep(600)
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A process that has a file open that has no name any more; and how much room that takes."""
    with subprocess.Popen([sys.executable, "-c", NAMELESS], cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


def room(*files: Path) -> int:
    return sum(file.lstat().st_blocks * 512 for file in files)


def test_files_count_by_the_room_that_they_take(tmp_path: Path, child: tuple[int, int]) -> None:
    deep, named, hole, link = tmp_path / "deep", tmp_path / "deep" / "a", tmp_path / "hole", tmp_path / "link"
    deep.mkdir()
    with named.open("wb") as file:
        file.write(os.urandom(100_000))
        os.fsync(file.fileno())
    os.link(named, tmp_path / "again")
    link.symlink_to(sys.executable)
    with hole.open("wb") as file:
        file.truncate(1 << 40)
    process, nameless = child
    assert keeper._written(str(tmp_path), [process]) == (5, room(deep, named, hole, link) + nameless)
    assert nameless >= 300_000 and room(named) >= 100_000


def test_batches_are_memory_and_do_not_count(tmp_path: Path) -> None:
    memory = os.memfd_create("batch")
    os.write(memory, b"x" * (8 << 20))
    assert keeper._written(str(tmp_path), [os.getpid()])[1] < 1 << 20
    os.close(memory)


def test_what_lies_too_deep_to_be_looked_at_is_too_much(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=here)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    assert keeper._written(str(tmp_path), [])[0] > keeper._FILES
    subprocess.run(["rm", "-rf", "--", tmp_path / ("d" * 200)], check=True)


@pytest.mark.parametrize(
    ("bound", "most", "told"),
    [("_WRITTEN", 1 << 18, "wrote 0 MiB of files: expected at most 0"), ("_FILES", 0, "made over 0 files and folders")],
)
def test_who_writes_too_much_is_told(
    tmp_path: Path, child: tuple[int, int], monkeypatch: pytest.MonkeyPatch, bound: str, most: int, told: str
) -> None:
    (tmp_path / "file").touch()
    process, _ = child
    monkeypatch.setattr(keeper, bound, most)
    monkeypatch.setattr(keeper, "_descendants", lambda of: iter([process]))
    ours, theirs = os.pipe()
    ends = threading.Timer(60, os.write, (theirs, b"!"))  # who keeps watching is told that it is over
    ends.start()
    assert told in keeper._watched(process, ours, 0, str(tmp_path))
    ends.cancel()
    os.close(ours)
    os.close(theirs)
