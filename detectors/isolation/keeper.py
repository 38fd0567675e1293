"""Keeps one detector's process: begins it, counts memory and files of its whole family, and ends all of it.

The keeper is forked from the fork server and forks the detector's process.  Where the kernel gives them, that one gets
namespaces of its own: as a family of processes that sees no other one, on a network without anything.  It ends, with
all its descendants, when it is over, when it holds or writes too much, when our side lets go of it, or dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import resource
import select
import signal
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypedDict

ALONE: Final = "hide other processes (namespaces, which it may forbid)"
_USER, _PROCESSES, _NETWORK, _MESSAGES = 0x10000000, 0x20000000, 0x40000000, 0x08000000
_SUBREAPER, _END_WITH_PARENT = 36, 1
_LOOK: Final = 0.1
"""Seconds between two looks at the memory and the files of a family."""
_FAMILY: Final = 512
"""Processes of a family beyond which it is a fork bomb (assumed)."""
_WRITTEN: Final = 1 << 32
"""Most bytes in the files that it writes, and in each of them (assumed)."""
_BLOCK: Final = 512
"""Bytes in the blocks that `stat` counts (POSIX)."""
_FILES: Final = 10_000
"""Most files and folders that it makes (assumed)."""


class Start(TypedDict):
    """What is asked of the fork server; the detector itself follows later, once its process is shut in."""

    path: list[str]
    """Entries of `sys.path`."""
    places: dict[str, list[str]]
    """See `confinement.confine`."""
    home: str
    """Its own folder, where it begins."""
    memory_mib: int
    """Of the whole family; 0: no limit."""


def keep(terms: Start, questions: int, status: int, errors: int) -> None:
    """Begins the process, which gets `questions` and `errors`; says on `status` how it ended.  Never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    linux = sys.platform.startswith("linux")
    if linux:
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    alone = linux and _own_namespaces()
    lacks = [] if alone else [ALONE]
    family = os.fork()
    if not family:
        os.close(status)
        end_with_parent()
        if alone:
            family = os.fork()  # the first process of a namespace ignores signals, so it only collects the dead
            if family:
                os.close(questions)
                _first_process(family)
            end_with_parent()
        _begin(terms, questions, errors, lacks)
    os.close(questions)
    why = _watched(family, status, terms["memory_mib"] << 20, terms["home"])
    code = _ended(family)
    with contextlib.suppress(OSError):
        os.write(status, json.dumps({"code": code, "why": why}).encode())
    os._exit(0)


def _own_namespaces() -> bool:
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None).unshare(_USER | _PROCESSES | _NETWORK | _MESSAGES) != 0:
        return False
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return True


def end_with_parent(parent: int = 0) -> None:
    """Asks the system to end this process when the one that forked it ends (Linux).

    Ends it now if that was `parent`, and has ended already: then nobody would.
    """
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_END_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        if parent and os.getppid() != parent:
            os._exit(1)


def _first_process(family: int) -> None:
    """Waits for the detector's process, and ends as it ended: the kernel then ends all others."""
    while True:
        found, status = os.wait()
        if found == family:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


def _begin(terms: Start, questions: int, errors: int, lacks: list[str]) -> None:
    """Becomes the detector's process: shut in, then answering.  Never returns."""
    from scopedrift.detectors.isolation.confinement import confine
    from scopedrift.detectors.isolation.server import serve

    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        # first out of the way of 0 to 3, then there
        kept = [os.dup(os.dup(os.dup(os.dup(each)))) for each in (nothing, errors, errors, questions)]
        for at, each in enumerate(kept):  # what it prints is no answer
            os.dup2(each, at)
        os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        if most := terms["memory_mib"] << 20:
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_FSIZE, (_WRITTEN, _WRITTEN))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        os.environ.update(HOME=terms["home"], TMPDIR=terms["home"])
        os.chdir(terms["home"])
        lacks += confine(terms["places"])
        sys.path += [entry for entry in terms["path"] if entry not in sys.path]
        sys.dont_write_bytecode = True
        serve(3, lacks)
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode(errors="replace"))
        os._exit(1)
    os._exit(0)


def _watched(family: int, status: int, most: int, home: str) -> str:
    """Returns once it is over, our side has gone, or it is too much (which is said)."""
    while True:
        if select.select([status], [], [], _LOOK)[0]:
            return ""
        if os.waitid(os.P_PID, family, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return ""
        members = list(_descendants(os.getpid()))
        if len(members) > _FAMILY:
            return f"had {len(members):,} processes: expected at most {_FAMILY}"
        held = sum(map(_held, members)) if most else 0
        if held > most:
            return f"held {held >> 20:,} MiB with its children: expected at most {most >> 20:,}"
        made, written = _written(home, members)
        if made > _FILES:
            return f"made over {_FILES:,} files and folders: expected at most that many"
        if written > _WRITTEN:
            return f"wrote {written >> 20:,} MiB of files: expected at most {_WRITTEN >> 20:,}"


def _descendants(process: int) -> Iterator[int]:
    """The children of a process, and theirs; where the system does not say, none."""
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, children.read_text().split()):
                yield child
                yield from _descendants(child)


def _held(process: int) -> int:
    """Bytes of memory that no file stands behind: its own, and what it shares."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))
    return 0


def _written(home: str, members: Iterable[int]) -> tuple[int, int]:
    """Files and folders in its folder, counted up to one too many; and their bytes on the disk.

    Files without a name count while they are open.  What else is open lies elsewhere, such as the batches, which are
    memory.
    """
    count, sizes, folders = 0, dict[int, int](), [home]
    while folders and count <= _FILES:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in itertools.islice(entries, _FILES + 1):
                count += 1
                try:
                    seen = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError:  # it lies too deep to be looked at
                    return _FILES + 1, 0
                sizes[seen.st_ino] = seen.st_blocks * _BLOCK
                if stat.S_ISDIR(seen.st_mode):
                    folders.append(entry.path)
    with contextlib.suppress(OSError):
        disk = os.stat(home).st_dev
        for path in (path for each in members for path in Path(f"/proc/{each}/fd").glob("*")):
            with contextlib.suppress(OSError):
                seen = os.stat(path)
                if stat.S_ISREG(seen.st_mode) and seen.st_dev == disk and not seen.st_nlink:
                    sizes[seen.st_ino] = seen.st_blocks * _BLOCK
    return count, sum(sizes.values())


def _ended(family: int) -> int:
    """Ends the family; the exit code of the detector's process, or minus the number of the signal that ended it."""
    for each in [family, *_descendants(os.getpid())]:
        with contextlib.suppress(OSError):
            os.kill(each, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(family, 0)[1])
    while left := list(_descendants(os.getpid())):  # orphans are handed to the keeper, or to a first process that died
        for each in left:
            with contextlib.suppress(OSError):
                os.kill(each, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.wait()
    return 128 - code if code > 128 else code  # as the first process of a namespace tells of a signal
