"""The process of one world: makes it, then forks a process for each detector that is to be judged on it.

It is forked by a fork server and never runs a detector: a detector gets a process of its own, which shares the world's
memory copy-on-write.  So one that crashes costs its cell, and what one does to the world, no other one sees.  Results
are packed tables, plain text: nothing that a detector's process says is unpickled.  All of these processes end with the
one that asked for them.
"""

from __future__ import annotations

import ctypes
import gc
import os
import pickle
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn, TypedDict

from scopedrift.detectors.answers import described
from scopedrift.detectors.isolation import frames
from scopedrift.detectors.isolation.keeper import end_with_parent
from scopedrift.experiments.evaluation.evaluate import evaluate_safely
from scopedrift.experiments.evaluation.shared import in_order
from scopedrift.experiments.evaluation.tables import cell_tables
from scopedrift.experiments.evaluation.windows import Windows
from scopedrift.experiments.progress import Progress
from scopedrift.experiments.running.cells.store import packed

if TYPE_CHECKING:
    from scopedrift.experiments.evaluation.windows import LabelledWorld

STEP: Final = 0.02
"""Share of a world's horizon after which progress is told."""
CHATTER: Final = 1 << 16
"""Bytes that are kept of what a detector's process prints."""


class HostTerms(TypedDict):
    """What the process of a world takes over from the one that asked for it."""

    path: list[str]
    folder: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Work:
    """What happens in the process of a world."""

    make: Callable[[Progress], LabelledWorld]
    detectors: Mapping[str, bytes]
    """Pickled, by name: unpickled in their own processes only."""


@dataclass
class _Cell:
    """A detector's process, and the files that it writes: its packed tables, and what it prints."""

    name: str
    process: int
    results: int = field(default_factory=lambda: os.memfd_create("results"))
    printed: int = field(default_factory=lambda: os.memfd_create("printed"))


def host(start: HostTerms, channel: int) -> NoReturn:
    """Serves the other end of `channel` until it is closed.

    The first frame from there is a pickled `Work`.  It is answered by frames with `done` (share) and `held` (bytes)
    while the world is made, and then by one with `bytes` (of its columns), or with `failed` and the pickled error.
    Each later frame names a detector, `cell`, and is answered in any order by one with the same `cell`, the exit `code`
    of its process, what it `printed`, and its packed tables.
    """
    code = 1
    try:
        end_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.environ.update(start["environment"])
        os.chdir(start["folder"])
        sys.path[:] = start["path"]
        with socket.socket(fileno=channel) as link, suppress(frames.Closed):
            _serve(link)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _serve(link: socket.socket) -> None:
    work: Work = pickle.loads(frames.receive(link)[1])
    try:
        world = work.make(_told(link))
        _settled(world)
    except Exception as error:
        frames.send(link, {"failed": described(error)}, _pickled(error))
        return
    row = sum(column.itemsize for column in world.log.batch(0, 0).columns.values())
    frames.send(link, {"bytes": max(row * len(world.log), 1)})
    with selectors.DefaultSelector() as ready:
        ready.register(link, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is link:
                    cell = _forked(link, frames.said(frames.receive(link)[0])["cell"], work, world)
                    ready.register(os.pidfd_open(cell.process), selectors.EVENT_READ, cell)
                else:
                    ready.unregister(key.fileobj)
                    os.close(key.fd)
                    _answer(link, key.data)


def _told(link: socket.socket) -> Progress:
    """Tells how much of the world is made, now and then."""
    began, last = _held(), 0.0

    def progress(done: float, what: str) -> None:
        nonlocal last
        if done >= last + STEP:
            last = done
            frames.send(link, {"done": done, "held": _held() - began})

    return progress


def _held() -> int:
    """Bytes of memory of this process alone."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return (int((numbers := file.read().split())[1]) - int(numbers[2])) * os.sysconf("SC_PAGE_SIZE")


def _pickled(error: Exception) -> bytes:
    try:
        pickle.loads(body := pickle.dumps(error))  # some can be written and not read
        return body
    except Exception:
        return pickle.dumps(RuntimeError(described(error)))


def _settled(world: LabelledWorld) -> None:
    """What all detectors need is worked out once; memory that only making the world took is given back."""
    windows = Windows.of(world.scenario, world.log)
    for window in (windows.calibration, windows.test):
        in_order(world.log, window, int(world.scenario.evaluation.cooldown))
    gc.collect()
    with suppress(AttributeError):  # a libc without it
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()  # a collection in a forked process would copy all that it looks at


def _forked(link: socket.socket, name: str, work: Work, world: LabelledWorld) -> _Cell:
    cell, parent = _Cell(name, 0), os.getpid()
    cell.process = os.fork()
    if not cell.process:
        end_with_parent(parent)
        link.close()
        _judge(cell, work.detectors[name], world)
    return cell


def _judge(cell: _Cell, pickled: bytes, world: LabelledWorld) -> NoReturn:
    """Runs a detector over the world, in a process of its own."""
    code = 1
    try:
        for standard in (1, 2):
            os.dup2(cell.printed, standard)
        found, _ = cell_tables(evaluate_safely(pickle.loads(pickled), world, name=cell.name), world)
        left = packed(found)
        while left:
            left = left[os.write(cell.results, left) :]
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code)


def _answer(link: socket.socket, cell: _Cell) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(cell.process, 0)[1])
    printed, found = (_content(file) for file in (cell.printed, cell.results))
    said = {"cell": cell.name, "code": code, "printed": printed[-CHATTER:].decode(errors="replace")}
    frames.send(link, said, found if code == 0 else b"")


def _content(file: int) -> bytes:
    with open(file, "rb") as content:
        content.seek(0)
        return content.read()
