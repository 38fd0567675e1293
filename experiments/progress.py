"""Progress of long work: a `Progress` is called with the share done (0 to 1) and the current step."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


def silent(done: float, what: str) -> None:
    """Report nothing."""


def part_of(progress: Progress, start: float, share: float) -> Progress:
    """The progress of a part of the work that begins at `start` and takes `share` of the whole."""
    return lambda done, what: progress(start + share * done, what)
