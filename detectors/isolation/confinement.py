"""Confines this process before anything else is loaded: it may read little and reach nothing.

Run as a script by `isolated`, with the standard library alone: a thread that exists already would stay outside.  On
Linux (5.13 and newer) Landlock does it, without privileges: every file outside the given folders stays closed, other
processes cannot be looked into, and, where the kernel knows how, no TCP connection is made and no signal leaves.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # numbers of the system calls, the same on every architecture
_NO_NEW_PRIVILEGES, _CAPABILITIES = 38, 0x20080522
_EXECUTE, _WRITE, _READ, _LIST = (1 << bit for bit in range(4))
_OF_FILES = _EXECUTE | _WRITE | _READ | 1 << 14 | 1 << 15
_LOOK = _EXECUTE | _READ | _LIST


def confine(read: Iterable[str], listed: Iterable[str], write: Iterable[str]) -> bool:
    """Leaves this process only files below `read`, the names in `listed`, and all rights below `write`.

    False if the system cannot do it.
    """
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, 0, 1)
    if version < 1:
        return False
    bits = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    files = (1 << bits) - 1
    ruleset = struct.pack("QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    handle = libc.syscall(_CREATE, ruleset, 24 if version >= 6 else 16 if version >= 4 else 8, 0)
    if handle < 0:
        return False
    for folders, rights in ((read, _LOOK), (listed, _LIST), (write, files), (("/dev/null",), _READ | _WRITE)):
        for folder in folders:
            _allow(libc, handle, folder, rights & files)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.capset(
        struct.pack("Ii", _CAPABILITIES, 0), bytes(24)
    )  # root without its powers, which see more than it should
    done = libc.syscall(_RESTRICT, handle, 0) == 0
    os.close(handle)
    return bool(done)


def _allow(libc: ctypes.CDLL, handle: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what is not there needs no rights
        return
    if not os.path.isdir(path):
        rights &= _OF_FILES
    libc.syscall(_ADD, handle, 1, struct.pack("=Qi", rights, place), 0)
    os.close(place)


def _main() -> None:
    terms = json.loads(sys.argv[1])
    answers, questions = os.dup(1), os.dup(0)
    os.dup2(2, 1)  # what the detector prints is no answer
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    confined = confine(terms["read"], terms["listed"], terms["write"])
    sys.path += [entry for entry in terms["path"] if entry not in sys.path]
    from scopedrift.detectors.isolation.server import serve

    serve(terms["detector"], confined, os.fdopen(questions, "rb"), os.fdopen(answers, "wb"))


if __name__ == "__main__":
    _main()
