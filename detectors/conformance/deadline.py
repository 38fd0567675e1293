"""A limit on how long something may take, in this thread."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooLong(BaseException):
    """Raised when the time is over; no `Exception`, so that what is interrupted does not swallow it."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raises `TooLong` inside after so many seconds, as soon as Python code runs.

    Without effect outside the main thread, where no signal arrives, and on systems without alarms.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
