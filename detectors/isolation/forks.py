"""Our side of a fork server: starts it, asks it for processes, and ends it."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from scopedrift.detectors.isolation import fork_server

_END: Final = 10.0
"""Seconds in which a server that was told to end has ended."""


class ForkServer:
    """A fork server of this process: each process that it forks calls `work`, such as `package.module:function`.

    It imports the modules of `preload` first, for which this process does not wait.  It ends with this process, however
    that happens.
    """

    def __init__(self, work: str, *, preload: Sequence[str], environment: Mapping[str, str]) -> None:
        self._owner = os.getpid()
        self._control, theirs = socket.socketpair()
        path = json.dumps([entry for entry in sys.path if entry])
        command = [sys.executable, "-P", fork_server.__file__, str(theirs.fileno()), path, work, *preload]
        with theirs:
            self._process = subprocess.Popen(
                command, env=environment, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        atexit.register(self.close)

    @property
    def usable(self) -> bool:
        """Whether it is ours (and not that of a process that this one was forked from) and alive."""
        return self._owner == os.getpid() and self._process.poll() is None

    def fork(self, terms: Mapping[str, object], files: Sequence[int]) -> None:
        """Asks for a process, which gets `terms` and up to three open files."""
        text = json.dumps(terms).encode()
        start = fork_server.LENGTH.pack(len(text))
        sent = socket.send_fds(self._control, [start], files)
        self._control.sendall(start[sent:] + text)

    def close(self) -> None:
        """Ends it; what it forked goes on."""
        self._control.close()
        if self._owner == os.getpid():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END)

    def kill(self) -> None:
        """Ends it at once, with all that it forked and that asked to end with it."""
        if self._owner == os.getpid():
            self._process.kill()
        self.close()
