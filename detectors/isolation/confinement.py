"""Shuts this process in, before it loads anything of a detector: it may read little and reach nothing.

Landlock (Linux 5.13 and newer) closes every file outside the given folders, without privileges; `syscalls` forbids
what Landlock leaves open.  Both hold for all that this process starts, and must be set while it has one thread: another
one would stay outside.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from scopedrift.detectors.isolation.syscalls import forbid_system_calls

FILES: Final = "close files to a process (Landlock of Linux 5.13)"
CALLS: Final = "forbid system calls (seccomp, on x86-64 or arm64)"
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # numbers of the system calls, the same on every architecture
_NO_NEW_PRIVILEGES, _CAPABILITIES = 38, 0x20080522
_EXECUTE, _WRITE, _READ, _LIST = (1 << bit for bit in range(4))
_OF_FILES = _EXECUTE | _WRITE | _READ | 1 << 14 | 1 << 15
_LOOK = _EXECUTE | _READ | _LIST


def confine(places: Mapping[str, Sequence[str]]) -> list[str]:
    """Leaves this process files below the places `read`, the names in `listed`, and all rights below `write`.

    Returns what the system could not do, as the end of "this system cannot ...".
    """
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
        # root without its powers, which see more than it should
        libc.capset(struct.pack("Ii", _CAPABILITIES, 0), bytes(24))
    done = {FILES: _close_files(**places), CALLS: forbid_system_calls()}
    return [what for what, ok in done.items() if not ok]


def landlock() -> int:
    """The version of Landlock that this kernel has; below 1 if it has none."""
    return int(ctypes.CDLL(None).syscall(_CREATE, None, 0, 1)) if sys.platform.startswith("linux") else 0


def _close_files(read: Iterable[str], listed: Iterable[str], write: Iterable[str]) -> bool:
    version = landlock()
    if version < 1:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    bits = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    files = (1 << bits) - 1
    ruleset = struct.pack("QQQ", files, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    handle = libc.syscall(_CREATE, ruleset, 24 if version >= 6 else 16 if version >= 4 else 8, 0)
    if handle < 0:
        return False
    for folders, rights in ((read, _LOOK), (listed, _LIST), (write, files), (("/dev/null",), _READ | _WRITE)):
        for folder in folders:
            _allow(libc, handle, folder, rights & files)
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
