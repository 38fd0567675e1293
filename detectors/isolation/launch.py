"""Our side of a detector's process: starts it by the fork server, asks it, and hears how it ended.

There is one fork server for each process of ours that runs detectors.  It starts with the first of them and ends with
this process, however that happens.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Final

from scopedrift.detectors.isolation import frames
from scopedrift.detectors.isolation.forks import ForkServer
from scopedrift.detectors.isolation.keeper import Start
from scopedrift.detectors.sources import places

_ENVIRONMENT: Final = ("PATH", "LANG", "TZ", "PYTHONPATH", "PYTHONHASHSEED", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/sys/devices/system", "/sys/fs/cgroup")
_SETTINGS: Final = ("/etc/ld.so.cache", "/etc/ld.so.preload", "/etc/localtime", "/etc/timezone", "/etc/alternatives")
_OURSELVES: Final = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_READ: Final = (
    "detectors", "simulator/__init__.py", "simulator/log", "simulator/world/__init__.py", "simulator/world/policy.py",
)  # fmt: skip
"""What it may read of this package: nothing that could simulate a world again."""
_LISTED: Final = ("simulator", "simulator/world")
_KEEP: Final = "scopedrift.detectors.isolation.keeper:keep"
_PRELOAD: Final = ("scopedrift.detectors.isolation.confinement", "scopedrift.detectors.isolation.server")
_PARTS: Final = ("detectors", "simulator", "scenarios", "experiments", "reports")
_CHATTER: Final = 1 << 20
_HEADER: Final = 1 << 20
"""Bytes of an answer beside its scores (assumed)."""
_END: Final = 10.0
"""Seconds in which a process that was told to end has ended."""


Supply = Callable[[dict[str, object]], tuple[Mapping[str, object], Sequence[int]]]


class IsolationError(RuntimeError):
    """What an isolated detector did instead of answering."""


class Process:
    """The process of one detector."""

    def __init__(self, *, read: Sequence[str], listed: Sequence[str], memory_mib: int) -> None:
        folder = tempfile.TemporaryDirectory(prefix="scopedrift-", ignore_cleanup_errors=True)
        errors = tempfile.TemporaryFile("ab+")  # noqa: SIM115 (lives as long as the process)
        self._channel, theirs = socket.socketpair()
        self._status, keepers = socket.socketpair()
        terms = Start(
            path=[entry for entry in sys.path if entry],
            places={"read": [*_reach()[0], *read], "listed": [*_reach()[1], *listed], "write": [folder.name]},
            home=folder.name,
            memory_mib=memory_mib,
        )
        self._errors = errors
        self._end = weakref.finalize(self, _closed, self._channel, self._status, errors, folder)
        try:
            _fork(terms, [theirs.fileno(), keepers.fileno(), errors.fileno()])
        finally:
            theirs.close()
            keepers.close()

    def ask(
        self,
        header: Mapping[str, object],
        body: bytes = b"",
        files: Sequence[int] = (),
        *,
        timeout: float,
        expected: int = 0,
        supply: Supply | None = None,
    ) -> tuple[dict[str, object], bytearray]:
        """Header and bytes of the answer; until then, `supply` answers what the process wants.

        Raises `IsolationError`; the process is gone then, unless it is what the process answered.
        """
        until = time.monotonic() + timeout
        try:
            self._channel.settimeout(timeout)
            frames.send(self._channel, header, body, files)
            while True:
                text, answer, _ = frames.receive(self._channel, until=until, most=_HEADER + expected)
                said = frames.said(text)
                if supply is None or "want" not in said:
                    break
                more, files = supply(said)
                frames.send(self._channel, more, b"", files)
        except frames.Closed:
            raise self._died() from None
        except TimeoutError:
            self.close()
            raise IsolationError(f"did not {header['do']} within {timeout:g} s: its process was stopped") from None
        except ValueError as error:
            self.close()
            raise IsolationError(f"its process answered nonsense: {error}") from error
        if "error" in said:
            raise IsolationError(str(said["error"])[:1000])
        if self._errors.seek(0, os.SEEK_END) > _CHATTER:
            self._errors.truncate(0)  # it is open for appending: the process goes on at the new end
        return said, answer

    def close(self) -> None:
        """Ends it, and all that it started."""
        self._end()

    def _died(self) -> IsolationError:
        self._status.settimeout(_END)
        try:
            told = json.loads(self._status.recv(4096) or b"{}")
        except (OSError, ValueError):
            told = {}
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4096))
        lines = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        self.close()
        last = f": {lines[-1][:300]}" if lines else ""
        return IsolationError(f"its process {told.get('why') or how_ended(told.get('code'))}{last}")


def how_ended(code: object) -> str:
    """How a process ended, by its exit code or minus the number of a signal."""
    import signal

    if not isinstance(code, int):
        return "was ended by the system"
    return f"died of signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"ended with exit code {code}"


def _closed(
    channel: socket.socket, status: socket.socket, errors: IO[bytes], folder: tempfile.TemporaryDirectory[str]
) -> None:
    channel.close()
    with contextlib.suppress(OSError):
        status.shutdown(socket.SHUT_WR)  # its keeper ends it now, and closes the other end when all is over
        status.settimeout(_END)
        while status.recv(4096):
            pass
    status.close()
    errors.close()
    with contextlib.suppress(RecursionError):
        folder.cleanup()
    if os.path.isdir(folder.name):  # nested more deeply than Python can follow
        subprocess.run(["rm", "-rf", "--", folder.name], check=False, stderr=subprocess.DEVNULL)


_lock = threading.Lock()
_server: ForkServer | None = None


def _started() -> ForkServer:
    known = {n: v for n, v in os.environ.items() if n in _ENVIRONMENT or n.endswith("_NUM_THREADS")}
    return ForkServer(_KEEP, preload=_PRELOAD, environment=known)


def _fork(terms: Start, files: Sequence[int]) -> None:
    global _server
    with _lock:
        for last in (False, True):
            if _server is None or not _server.usable:
                _server = _started()
            try:
                return _server.fork(terms, files)
            except OSError as error:  # it was killed: once more, with another one
                _server = None
                if last:
                    raise IsolationError(f"no process can be started for it: {error}") from error


@cache
def _reach() -> tuple[list[str], list[str]]:
    """What every detector may read, and folders of which it may read the names.

    That is the system, Python and what is installed; of this package what it needs.
    """
    installed = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    libraries = [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    ours = [place.resolve() for part in _PARTS for place in places(f"scopedrift.{part}")]
    read: list[str] = []
    listed: list[str] = []
    for root in dict.fromkeys([*_SYSTEM, sys.prefix, sys.base_prefix, *installed, *libraries]):
        _around(Path(root), ours, read, listed)
    front = importlib.util.find_spec("scopedrift")
    if front is not None and front.origin:  # its names alone: what they lead to stays out of reach
        read.append(str(Path(front.origin).resolve()))
    for folder in ours:
        read += [str(folder.parent / part) for part in _READ if part.partition("/")[0] == folder.name]
        listed += [str(folder.parent / part) for part in _LISTED if part.partition("/")[0] == folder.name]
    return [*_SETTINGS, *_OURSELVES, *_DEVICES, *read], listed


def _around(root: Path, holes: Sequence[Path], read: list[str], listed: list[str]) -> None:
    """Adds the folder to `read`; one that leads to a hole only with what is beside the hole."""
    real = root.resolve()
    if not any(hole.is_relative_to(real) for hole in holes):
        read.append(str(root))
    elif real not in holes and real.is_dir():
        listed.append(str(root))
        for inner in sorted(real.iterdir()):
            _around(inner, holes, read, listed)
