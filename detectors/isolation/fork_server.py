"""A process that has loaded what every detector needs, never sees any data, and forks a process for each detector.

Run as a script by `launch`, which sends a message for each process: its length, then JSON, and with it three open
files (`keeper.keep`).  It ends when that side does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from typing import Final

LENGTH: Final = struct.Struct("<Q")
FILES: Final = 3


def serve(control: socket.socket) -> None:
    """Forks a keeper for each message."""
    from scopedrift.detectors.isolation import confinement, server  # noqa: F401 (loaded once, for all)
    from scopedrift.detectors.isolation.keeper import keep

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        start, files, _, _ = socket.recv_fds(control, LENGTH.size, FILES)
        if len(start) < LENGTH.size or len(files) < FILES:
            return
        message = bytearray()
        left = LENGTH.unpack(start)[0]
        while len(message) < left:
            if not (part := control.recv(left - len(message))):
                return
            message += part
        if not os.fork():
            control.close()
            keep(json.loads(message), *files)
        for each in files:
            os.close(each)


if __name__ == "__main__":
    sys.path += [entry for entry in json.loads(sys.argv[2]) if entry not in sys.path]
    serve(socket.socket(fileno=int(sys.argv[1])))
