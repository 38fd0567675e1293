"""What the keeper of a detector's process watches beside its memory: the files that it writes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scopedrift.detectors.isolation import keeper

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the system does not say what is open")


@pytest.fixture
def child(tmp_path: Path) -> Iterator[int]:
    """A process that does nothing, which has a file open that has no name any more."""
    ready, told = os.pipe()
    found = os.fork()
    if not found:
        handle = os.open(tmp_path / "gone", os.O_RDWR | os.O_CREAT)
        os.unlink(tmp_path / "gone")
        os.write(handle, b"x" * 300_000)
        os.write(told, b"!")
        signal.pause()
        os._exit(0)
    os.read(ready, 1)
    yield found
    os.kill(found, signal.SIGKILL)
    os.waitpid(found, 0)


def test_files_count_by_the_room_that_they_take(tmp_path: Path, child: int) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"x" * 100_000)
    os.link(tmp_path / "deep" / "a", tmp_path / "again")
    (tmp_path / "link").symlink_to(sys.executable)
    with (tmp_path / "hole").open("wb") as file:
        file.truncate(1 << 40)
    found = keeper._written(str(tmp_path), [child])
    assert sum(size > 50_000 for size in found.values()) == 2, "the one with two names, and the one without any"
    assert 400_000 <= sum(found.values()) <= 450_000


def test_batches_are_memory_and_do_not_count(tmp_path: Path, child: int) -> None:
    memory = os.memfd_create("batch")
    os.write(memory, b"x" * (8 << 20))
    assert sum(keeper._written(str(tmp_path), [os.getpid()]).values()) < 1 << 20
    os.close(memory)


@pytest.mark.parametrize(
    ("bound", "most", "told"),
    [("_WRITTEN", 1 << 18, "wrote 0 MiB of files: expected at most 0"), ("_FILES", 0, "made over 0 files")],
)
def test_who_writes_too_much_is_ended(
    tmp_path: Path, child: int, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, told: str
) -> None:
    monkeypatch.setattr(keeper, bound, most)
    monkeypatch.setattr(keeper, "_descendants", lambda process: iter([child]))
    ours, theirs = os.pipe()
    assert told in keeper._watched(child, ours, 0, str(tmp_path))
    os.close(ours)
    os.close(theirs)
