"""What this process may use of the machine: cores and memory, also where a container or a batch system gives less."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from scopedrift.experiments.errors import UsageError

THREADS: Final = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables by which libraries limit their threads: processes that work side by side get one each."""
FREE_SHARE: Final = 0.6
"""Of the free memory, what work may take unless the user says otherwise (assumed)."""
_GROUPS: Final = Path("/sys/fs/cgroup")
_UNITS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def cores() -> int:
    """The number of cores that this process may use, at least 1."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for folder in _control_groups():
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            found = min(found, -(-int(quota) // int(period)))
    return max(found, 1)


def free_memory() -> int:
    """Bytes of memory that this process could still get without taking them from others."""
    import psutil

    free = int(psutil.virtual_memory().available)
    for folder in _control_groups():
        most, held = _text(folder / "memory.max"), re.search(r"^anon (\d+)$", _text(folder / "memory.stat"), re.M)
        if most.isdigit() and held:
            free = min(free, max(int(most) - int(held[1]), 0))
    return free


def memory_budget(text: str | None) -> int:
    """Bytes that a text such as `4GiB` or `500 MB` stands for; None: a share of what is free.

    Raises `UsageError`.
    """
    if text is None:
        return int(FREE_SHARE * free_memory())
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(I?)B?\s*", text, re.I)
    size = int(float(found[1]) * (1024 if found[3] else 1000) ** _UNITS[found[2].upper()]) if found else 0
    if size < 1:
        raise UsageError(f"memory: {text!r} is no size: expected one such as 4GiB or 500MB")
    return size


def written(size: int) -> str:
    """A size as people read it, such as `1.5 GiB`."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def _control_groups() -> Iterator[Path]:
    """The folders of this process's control group and of those around it (Linux, version 2)."""
    for line in _text(Path("/proc/self/cgroup")).splitlines():
        if line.startswith("0::/"):
            own = _GROUPS / line.removeprefix("0::/")
            yield from (each for each in (own, *own.parents) if each.is_relative_to(_GROUPS))


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8").strip()
    return ""
