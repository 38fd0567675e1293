"""What a process may use: cores and memory, as the system, a container and the user say."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from scopedrift.experiments import machine
from scopedrift.experiments.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GiB", 4 << 30), ("1.5 GiB", 3 << 29), ("500MB", 500_000_000), ("64k", 64_000), ("2ti", 2 << 40), ("1", 1)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert machine.memory_budget(text) == size


@pytest.mark.parametrize("text", ["", "much", "-1GiB", "4GiBs", "0", "0.1", "4 5GB", "GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"memory: '{text}' is no size: expected one such as 4GiB or 500MB"):
        machine.memory_budget(text)


def test_sizes_are_written_as_people_read_them() -> None:
    assert [machine.written(size) for size in (5 << 20, 3 << 29)] == ["5 MiB", "1.5 GiB"]


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The control group of this process, as far as the package sees."""
    monkeypatch.setattr(machine, "_control_groups", lambda: iter([tmp_path]))
    return tmp_path


def test_cores_are_those_that_the_process_may_use(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 4, 7})
    assert machine.cores() == 4
    (group / "cpu.max").write_text("250000 100000\n")
    assert machine.cores() == 3
    (group / "cpu.max").write_text("max 100000\n")
    assert machine.cores() == 4


def test_free_memory_is_what_the_system_and_the_container_have(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Free:
        available = 8 << 30

    monkeypatch.setattr(psutil, "virtual_memory", Free)
    assert machine.free_memory() == 8 << 30
    assert machine.memory_budget(None) == int(0.6 * (8 << 30))
    (group / "memory.max").write_text("2147483648\n")
    (group / "memory.stat").write_text("anon 1073741824\nfile 4096\n")
    assert machine.free_memory() == 1 << 30
