"""How work reports how far it is: it calls a `Progress` with the share that is done (0 to 1) and what it is doing."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]


def silent(done: float, what: str) -> None:
    """Report to nobody."""


def part_of(progress: Progress, start: float, share: float) -> Progress:
    """The progress of one part of the work, which begins at `start` and takes `share` of the whole."""
    return lambda done, what: progress(start + share * done, what)
