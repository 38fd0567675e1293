"""A process that has loaded what others need, never sees any data, and forks one of them for each message.

Run as a script by `forks`, which sends messages: their length, then JSON, and with it open files.  Each is handed to a
function in a new process, such as `keeper.keep`.  The server ends when the other side does.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable
from typing import Any, Final

LENGTH: Final = struct.Struct("<Q")
FILES: Final = 3
"""Open files that come with a message, at most."""


def serve(control: socket.socket, begin: Callable[..., object]) -> None:
    """Forks a process for each message, in which `begin` gets the message and the files, and never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        start, files, _, _ = socket.recv_fds(control, LENGTH.size, FILES)
        if len(start) < LENGTH.size or not files:
            return
        message = bytearray()
        left = LENGTH.unpack(start)[0]
        while len(message) < left:
            if not (part := control.recv(left - len(message))):
                return
            message += part
        if not os.fork():
            control.close()
            begin(json.loads(message), *files)
        for each in files:
            os.close(each)


def _main(control: str, path: str, work: str, *preload: str) -> None:
    sys.path += [entry for entry in json.loads(path) if entry not in sys.path]
    module, _, name = work.partition(":")
    begin: Any = getattr(importlib.import_module(module), name)
    for each in preload:
        importlib.import_module(each)
    serve(socket.socket(fileno=int(control)), begin)


if __name__ == "__main__":
    _main(*sys.argv[1:])
