"""What the benchmarks measure with: processor time, peak memory, children of their own, tables, floors.

Times are seconds of processor time: on one core that is what a clock shows on an idle machine, and it is nearly
the same on a busy one.  Peak memory is that of a process of its own, which did nothing else before.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

_Result = TypeVar("_Result")
_misses: list[str] = []


def timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    """Seconds of processor time, and the result."""
    began = time.process_time()
    result = call()
    return time.process_time() - began, result


def peak_mib() -> float:
    """The most memory that this process has held.

    Not `ru_maxrss` where Linux says better: that of a child begins with what its parent held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def in_child(script: str, *arguments: object) -> Any:
    """What `script`, run in a process of its own, prints as JSON on its last line."""
    command = [sys.executable, script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def table(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> None:
    """Print a plain table; the first column is text."""
    widths = [max(len(name), *(len(row.get(name, "")) for row in rows)) for name in columns]
    for line in ({name: name for name in columns}, *rows):
        first, *others = (line.get(name, "") for name in columns)
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  " + "  ".join((first.ljust(widths[0]), *cells)).rstrip())
    print(flush=True)


def floor(what: str, value: float, least: float) -> None:
    """A ratio that must not fall below `least`; the floor lies under the target, since machines differ."""
    if value < least:
        _misses.append(f"{what}: {value:.2f}, below the floor of {least:g}")


def verdict() -> int:
    """Say which ratios fell below their floors; the exit code."""
    for miss in _misses:
        print(f"  BELOW ITS FLOOR  {miss}")
    return 1 if _misses else 0
