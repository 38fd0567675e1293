"""A process that detectors talk to over its standard input and output: with deadlines, a memory limit, and an end.

The memory limit is of data (RLIMIT_DATA), not of address space, of which Node and others reserve a lot that they never
use.  Every failure is a `ChildError` that says what was seen; the process and its children are killed then, when
the `Child` is let go, and when this process dies, however that happens: a guard, a process of its own, waits for the
end of a pipe of which only this process holds the other end.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

_CHUNK: Final = 1 << 16
_CHATTER: Final = 1 << 20
_GLANCE: Final = 0.1
"""Seconds after which it is looked at what a silent process writes to its errors."""
_LIMITED: Final = """
import os, resource, sys
most = int(sys.argv[1]) << 20
if most:
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"cannot be started: {error.strerror} (a script needs a first line such as #!/bin/sh)")
"""
_GUARD: Final = """
import os, signal, sys
sys.stdin.buffer.read()
os.killpg(int(sys.argv[1]), signal.SIGKILL)
"""


class ChildError(RuntimeError):
    """A process that died, fell silent or said too much; the text says what was seen."""


class Child:
    """A process, started at once; `exchange` asks it something."""

    def __init__(
        self, command: Sequence[str], *, memory_mib: int, folder: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._memory_mib = memory_mib
        self._errors = tempfile.TemporaryFile("ab+")  # noqa: SIM115 (lives as long as the process)
        python = [sys.executable, "-I", "-S", "-c"]
        self._process = subprocess.Popen(
            [*python, _LIMITED, str(memory_mib), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            cwd=folder,
            env=environment,
            start_new_session=True,
            bufsize=0,
        )
        try:
            guard = subprocess.Popen(
                [*python, _GUARD, str(self._process.pid)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            _ended(self._process, self._errors)
            raise
        assert self._process.stdin is not None and self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        for pipe in (self._input, self._output):
            os.set_blocking(pipe.fileno(), False)
        self._end = weakref.finalize(self, _ended, self._process, self._errors, guard)

    def exchange(
        self, data: Iterable[bytes | memoryview], complete: Callable[[bytearray], bool], *, timeout: float, most: int
    ) -> bytearray:
        """Writes `data` and reads until the answer is `complete`, at most `most` bytes of it.

        Raises `ChildError`; `TimeoutError` (with what was read as its argument) after `timeout` seconds.  In both
        cases the process is gone.
        """
        answer, left = bytearray(), deque(memoryview(part).cast("B") for part in data if len(part))
        until = time.monotonic() + timeout
        with selectors.DefaultSelector() as ready:
            ready.register(self._output, selectors.EVENT_READ)
            if left:
                ready.register(self._input, selectors.EVENT_WRITE)
            while left or not complete(answer):
                seconds = until - time.monotonic()
                if seconds <= 0:
                    self.close()
                    raise TimeoutError(bytes(answer))
                for key, _ in ready.select(min(seconds, _GLANCE)):
                    if key.fileobj is self._output:
                        self._read(answer, most)
                    elif not self._write(left):
                        ready.unregister(self._input)
                self._forget_chatter()
        self._forget_chatter()
        return answer

    def _forget_chatter(self) -> None:
        """Cuts what it writes to its errors, lest a flood fill the disk; it goes on at the new end."""
        if os.fstat(self._errors.fileno()).st_size > _CHATTER:
            self._errors.truncate(0)

    def babbles(self, seconds: float) -> bool:
        """Whether it writes something within `seconds`, although nothing was asked."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._output, selectors.EVENT_READ)
            return bool(ready.select(seconds)) and bool(self._output.read(_CHUNK))

    def close(self) -> None:
        """Ends the process and its children."""
        self._end()

    def _read(self, answer: bytearray, most: int) -> None:
        chunk = self._output.read(_CHUNK)
        if chunk == b"":
            raise self._died()
        answer += chunk or b""
        if len(answer) > most:
            self.close()
            raise ChildError(f"answered with more than {most:,} bytes: expected scores")

    def _write(self, left: deque[memoryview]) -> bool:
        """Writes what fits; whether there is more."""
        part = left.popleft()
        try:
            part = part[self._input.write(part[:_CHUNK]) or 0 :]
        except BrokenPipeError:
            raise self._died() from None
        if part:
            left.appendleft(part)
        return bool(left)

    def _died(self) -> ChildError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)  # its output is closed: it is about to be over
        code = self._process.poll()
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 4096))
        said = [line.strip() for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        self.close()
        if code is None:
            how = "closed its output"
        elif code < 0:
            how = f"died of signal {-code} ({signal.Signals(-code).name})"
        else:
            how = f"ended with exit code {code}"
        limit = f" (memory limit: {self._memory_mib} MiB)" if self._memory_mib and code != 0 else ""
        return ChildError(f"{how}{limit}{f': {said[-1][:300]}' if said else ''}")


def _ended(process: subprocess.Popen[bytes], errors: IO[bytes], guard: subprocess.Popen[bytes] | None = None) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # children may have outlived it in its group
        os.killpg(process.pid, signal.SIGKILL)
    if guard is not None:  # before its charge's number may be another's
        guard.kill()
        guard.wait()
    process.wait()
    for pipe in (process.stdin, process.stdout, errors, guard.stdin if guard else None):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
