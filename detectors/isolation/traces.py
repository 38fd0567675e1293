"""What a detector may have changed in its process: looked at before it is loaded, and when it is over.

Handlers of signals, the working directory, the locale, the state of global random numbers and open files must be as
they were, and no thread may be left that would keep the process alive.
"""

from __future__ import annotations

import contextlib
import hashlib
import locale
import os
import pickle
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

_PATIENCE: Final = 1.0
"""Seconds in which threads may end."""
_OPEN: Final = "/proc/self/fd" if Path("/proc/self/fd").exists() else "/dev/fd"


class Traces:
    """The state of this process when this was made."""

    def __init__(self) -> None:
        self._handlers = _handlers()
        self._folder = os.getcwd()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._random, self._numpy = random.getstate(), np.random.get_state()
        self._draws = _draws()
        self._files = _files()
        self._threads = set(threading.enumerate())

    def left(self, *, draws: bool = True) -> str:
        """What is not as it was, with what was expected; empty if nothing is.

        `draws` says whether global random numbers matter: libraries draw some, and in a process of its own that
        changes nobody else's.
        """
        expected = "expected it untouched"
        if names := self._stray_threads():
            return f"left a thread running ({names}): expected it to end, or to be a daemon"
        if _handlers() != self._handlers:
            return f"changed what a signal does: {expected}"
        if os.getcwd() != self._folder:
            return f"changed the working directory: {expected}"
        if locale.setlocale(locale.LC_ALL) != self._locale:
            return f"changed the locale: {expected}"
        if draws and _draws() != self._draws:
            return "used the global random state: expected numbers drawn from knowledge.seed"
        now = _files()
        if gone := [name for name, file in self._files.items() if now.get(name) != file]:
            return f"closed the file {gone[0]}, which is not its own: {expected}"
        return ""

    def undo(self) -> None:
        """Puts back what can be put back: not threads or files."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._handlers.items():
                with contextlib.suppress(OSError, ValueError, TypeError):
                    signal.signal(number, handler)
        os.chdir(self._folder)
        locale.setlocale(locale.LC_ALL, self._locale)
        random.setstate(self._random)
        np.random.set_state(self._numpy)

    def _stray_threads(self) -> str:
        until = time.monotonic() + _PATIENCE
        for thread in self._new_threads():
            thread.join(max(0.0, until - time.monotonic()))
        names = [thread.name for thread in self._new_threads()]
        return ", ".join(sorted(names)[:3])

    def _new_threads(self) -> list[threading.Thread]:
        return [each for each in threading.enumerate() if each not in self._threads and not each.daemon]


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _draws() -> str:
    return hashlib.sha256(pickle.dumps((random.getstate(), np.random.get_state()))).hexdigest()


def _files() -> dict[str, tuple[int, int]]:
    found = {}
    for name in os.listdir(_OPEN):
        with contextlib.suppress(OSError):  # the one of this list is closed by now
            status = os.fstat(int(name))
            found[name] = (status.st_dev, status.st_ino)
    return found
