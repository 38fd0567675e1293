"""Signals that ask the process to end: each raises at once, and is remembered.

Python drops what is raised within `__del__` and the callbacks of weak references.  So that no signal is lost there,
`heed` raises again: at steps of progress, and before a result takes its place.
"""

from __future__ import annotations

_received: list[int] = []
"""The numbers of the signals that have come."""


class Terminated(KeyboardInterrupt):
    """A signal asked the process to end; the argument is its number."""


def terminated(number: int, frame: object) -> None:
    """A handler of signals.  Raises `Terminated`, which unwinds, so that nothing half-written stays behind."""
    # Not KeyboardInterrupt itself: where that passes through the `exec` of a text (each dataclass that is imported
    # has one), `python -m` ends by SIGINT whoever catches it.
    _received.append(number)
    raise Terminated(number)


def heed() -> None:
    """Raises `Terminated` if a signal has come."""
    if _received:
        raise Terminated(_received[0])
