"""Forbids system calls that Landlock leaves open: a seccomp filter, as a small BPF program through `prctl`.

A call that is listed here fails with EPERM for this process and for all that it starts, and nothing takes the filter
off again.  There is no socket of any kind, no change of rights or attributes of a file, no memory or message that is
shared by a key, no look into another process, no mount and no namespace.  What only concerns the caller itself stays:
a limit or a priority may be set for process 0, which means oneself, and open files may be asked and duplicated, but
not leased, watched or given other attributes.  Numbers that are newer than this list do not exist (ENOSYS), and
neither does `clone3`, whose flags a filter cannot read: C libraries then use `clone`.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable, Mapping
from typing import Final

_AUDIT: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_COLUMN: Final = {"x86_64": 0, "aarch64": 1}
_NEWEST: Final = 462
"""`mseal`, Linux 6.10: later numbers are the same on all architectures, and unknown to this list."""
FORBIDDEN: Final[Mapping[str, tuple[int | None, int | None]]] = {
    # sockets, also those that are made in pairs
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # rights, owners, attributes and times of files
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "getxattr": (191, 8), "lgetxattr": (192, 9), "fgetxattr": (193, 10), "listxattr": (194, 11),
    "llistxattr": (195, 12), "flistxattr": (196, 13),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    # memory, semaphores and messages that have a key or a name, and memory that no limit counts
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197), "semget": (64, 190),
    "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181),
    "memfd_create": (319, 279), "memfd_secret": (447, 447),
    # keyrings
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "pidfd_getfd": (438, 438), "kcmp": (312, 272),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "setpriority": (141, 140), "ioprio_set": (251, 30),
    # mounts and handles of files
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "swapon": (167, 224), "swapoff": (168, 225), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "fanotify_init": (300, 262), "inotify_add_watch": (254, 27),
    # namespaces
    "unshare": (272, 97), "setns": (308, 268),
    # the kernel
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280),
    "perf_event_open": (298, 241), "userfaultfd": (323, 282), "kexec_load": (246, 104), "kexec_file_load": (320, 294),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142),
    "sethostname": (170, 161), "setdomainname": (171, 162), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "clock_adjtime": (305, 266), "adjtimex": (159, 171), "acct": (163, 89), "quotactl": (179, 60),
    "quotactl_fd": (443, 443), "syslog": (103, 116), "iopl": (172, None), "ioperm": (173, None),
    "personality": (135, 92), "vhangup": (153, 58), "lookup_dcookie": (212, 18),
}  # fmt: skip
"""System calls that fail, with their numbers on x86-64 and on arm64 (None: it has no such call)."""
_ONESELF: Final = (0,)
_ASKED: Final = (0x5401, 0x802C542A, 0x540F, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""What `ioctl` may do: tell what a terminal is like (TCGETS, TCGETS2, TIOCGPGRP, TIOCGWINSZ) and how much there is to
read (FIONREAD), and set what a handle does (FIONBIO, FIONCLEX, FIOCLEX)."""
_HANDLED: Final = (0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 16, 36, 37, 38, 1025, 1027, 1030, 1031, 1032, 1033, 1034)
"""What `fcntl` may do: duplicate, flags, locks, who owns a handle, sizes of pipes, seals (all but F_SETOWN, F_SETSIG,
F_SETOWN_EX, F_SETLEASE, F_NOTIFY, and hints about how long files are used)."""
_ONLY: Final[Mapping[str, tuple[tuple[int, int], int, tuple[int, ...]]]] = {
    "prlimit64": ((302, 261), 0, _ONESELF), "sched_setaffinity": ((203, 122), 0, _ONESELF),
    "sched_setscheduler": ((144, 119), 0, _ONESELF), "sched_setparam": ((142, 118), 0, _ONESELF),
    "sched_setattr": ((314, 274), 0, _ONESELF), "ioctl": ((16, 29), 1, _ASKED), "fcntl": ((72, 25), 1, _HANDLED),
}  # fmt: skip
"""System calls that are allowed where an argument, here by its position, has one of these values."""
_CLONE: Final = (56, 220)
_CLONE3: Final = 435
_NAMESPACES: Final = 0x7E020000
"""Flags of `clone` that make a namespace."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in `struct seccomp_data`
_SET_SECCOMP, _FILTER = 22, 2


def forbid_system_calls() -> bool:
    """Installs the filter in this process, which must not gain privileges any more (`PR_SET_NO_NEW_PRIVS`).

    False if the system cannot do it.
    """
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in _AUDIT:
        return False
    at = _COLUMN[machine]
    numbers = [number for row in FORBIDDEN.values() if (number := row[at]) is not None]
    return install(
        _program(machine, numbers, [(row[at], position, values) for row, position, values in _ONLY.values()])
    )


def install(program: bytes) -> bool:
    """Sets a BPF program as this process's filter of system calls."""

    class FilterProgram(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    libc = ctypes.CDLL(None, use_errno=True)
    held = FilterProgram(len(program) // 8, program)
    none = ctypes.c_ulong(0)
    return bool(libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(held), none, none) == 0)


def _program(machine: str, forbidden: Iterable[int], only: Iterable[tuple[int, int, tuple[int, ...]]]) -> bytes:
    refuse, unknown = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    steps = [
        _step(_LOAD, _ARCHITECTURE), _step(_EQUAL, _AUDIT[machine], 1, 0), _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_AT_LEAST, _NEWEST + 1, 0, 1), _step(_RETURN, unknown),  # also every call of x32
        _step(_EQUAL, _CLONE3, 0, 1), _step(_RETURN, unknown),
    ]  # fmt: skip
    for number in forbidden:
        steps += [_step(_EQUAL, number, 0, 1), _step(_RETURN, refuse)]
    for number, position, values in only:
        steps += [_step(_EQUAL, number, 0, len(values) + 3), _step(_LOAD, _FIRST_ARGUMENT + 8 * position)]
        steps += [_step(_EQUAL, value, left, 0) for left, value in zip(range(len(values), 0, -1), values, strict=True)]
        steps += [_step(_RETURN, refuse), _step(_RETURN, _ALLOW)]
    steps += [
        _step(_EQUAL, _CLONE[_COLUMN[machine]], 0, 3), _step(_LOAD, _FIRST_ARGUMENT),
        _step(_ANY_BIT, _NAMESPACES, 0, 1), _step(_RETURN, refuse), _step(_RETURN, _ALLOW),
    ]  # fmt: skip
    return b"".join(steps)


def _step(code: int, value: int, if_so: int = 0, if_not: int = 0) -> bytes:
    """An instruction: what it does, how many to skip if a comparison holds, how many if not, and its value."""
    return struct.pack("HBBI", code, if_so, if_not, value)
