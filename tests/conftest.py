"""What keeps every test independent of the machine's speed: no deadlines, work that is counted, patience."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# What the current profile says of reproducibility stays (in CI, Hypothesis repeats the same examples).
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

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
