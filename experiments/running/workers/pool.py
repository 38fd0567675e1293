"""What runs when: worlds are made, and detectors judged on them, in as many processes as cores and memory allow.

A world is made as soon as fewer worlds than workers are in memory; other workers judge detectors on the first world
that has some left, slow ones first, so that all workers end together.  Whatever the order, the tables come in that of
the worlds and detectors.

A process that dies costs a detector its cell, and a world another attempt.  When this side is interrupted, all of its
processes end at once.
"""

from __future__ import annotations

import os
import pickle
import selectors
import socket
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation import frames
from scopedrift.detectors.isolation.forks import ForkServer
from scopedrift.detectors.isolation.launch import how_ended
from scopedrift.detectors.isolation.placement import handed_over, run_as
from scopedrift.detectors.registry import BUILTIN
from scopedrift.experiments.evaluation.guard import DetectorError, name_of
from scopedrift.experiments.evaluation.tables import Tables, failed_cell
from scopedrift.experiments.evaluation.windows import LabelledWorld
from scopedrift.experiments.machine import THREADS, written
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.cells.store import joined, unpacked
from scopedrift.experiments.running.workers.host import HostTerms, Work

MAKING: Final = 2.5
"""Memory that making a world takes at its peak, in sizes of its columns (2.3 measured on `core`, 6.6M events)."""
KEEPING: Final = 1.3
"""Memory of a finished world (1.2 measured)."""
JUDGING: Final = 0.9
"""Memory that a detector takes beside the world (0.5 to 0.85 measured)."""
PROCESS: Final = 100 << 20
"""Bytes of a process that holds nothing yet (measured)."""
SIMULATION_SHARE: Final = 0.4
"""Of a world's work, for the progress bar (assumed)."""
DEATHS: Final = 2
"""Attempts that a world gets whose process dies (assumed)."""
SLOW: Final = ("ensemble", "isolation-forest", "histogram", "chain-correlation", "sequence")
"""Built-in detectors that take longest, slowest first (measured on `core`)."""

_END: Final = 10.0
"""Seconds in which a process that was killed is gone."""
PRELOAD: Final = (
    "pandas",
    "pyarrow.pandas_compat",
    "scipy.stats",
    "sklearn.ensemble",
    *sorted({place.partition(":")[0] for place in BUILTIN.values()}),
)
"""What most detectors need, or judging them: loaded once, for all processes."""
_HOST: Final = "scopedrift.experiments.running.workers.host:host"
_idle: list[ForkServer] = []


@dataclass(frozen=True)
class WorldTask:
    """A world that is to be made in a process of its own."""

    scenario: str
    seed: int
    make: Callable[[Progress], LabelledWorld]
    """Can be pickled."""


@dataclass(frozen=True)
class Workers:
    """What a run may use."""

    jobs: int
    """Processes that work at the same time."""
    memory: int
    """Bytes."""


@dataclass(eq=False)
class _Host:
    """The process of a world, as this side sees it."""

    at: int
    link: socket.socket
    done: float = 0.0
    held: int = 0
    size: int = 0
    """Bytes of the world's columns; 0 until it is made."""
    running: set[str] = field(default_factory=set)


def lacking() -> str:
    """What this system lacks for several workers; empty if nothing."""
    try:
        os.close(os.pidfd_open(os.getpid()))
        os.close(os.memfd_create("try"))
    except (AttributeError, OSError):
        return "several workers need Linux 5.3 or newer"
    return ""


def warm() -> None:
    """Starts a fork server, which gets ready while this process goes on."""
    if not lacking() and not any(server.usable for server in _idle):
        _idle[:] = [_started()]


def tables_of(
    worlds: Sequence[WorldTask],
    detectors: Mapping[str, Detector],
    workers: Workers,
    progress: Progress = silent,
) -> list[Tables]:
    """The tables of all detectors on all worlds, in order.

    Raises what making a world raises, and `SpecError` for a detector that cannot be handed to another process.
    """
    handed = {name: handed_over(detector) for name, detector in detectors.items()}
    with tempfile.TemporaryDirectory(prefix="scopedrift-", ignore_cleanup_errors=True) as place:
        pool = _Pool(worlds, detectors, handed, workers, place)
        try:
            pool.run(progress)
        except BaseException:
            pool.kill()
            raise
        pool.rest()
    return [pool.found[at, name] for at in range(len(worlds)) for name in detectors]


def _started() -> ForkServer:
    return ForkServer(_HOST, preload=PRELOAD, environment={**os.environ, **dict.fromkeys(THREADS, "1")})


def _rank(detector: Detector) -> int:
    """Slow detectors first; those of others, about which nothing is known, before all."""
    name = name_of(detector)
    return -1 if run_as(detector) != "built-in" else SLOW.index(name) if name in SLOW else len(SLOW)


class _Pool:
    """The processes of a run, and what they found."""

    def __init__(
        self,
        worlds: Sequence[WorldTask],
        detectors: Mapping[str, Detector],
        handed: Mapping[str, bytes],
        workers: Workers,
        place: str,
    ) -> None:
        self._worlds, self._detectors, self._handed, self._workers = worlds, detectors, handed, workers
        self._place = place
        self._server = _idle.pop() if _idle else _started()
        self._to_make = list(range(len(worlds)))
        order = sorted(detectors, key=lambda name: _rank(detectors[name]))
        self._to_judge = [list(order) for _ in worlds]
        self._made = [0.0] * len(worlds)
        self._deaths = [0] * len(worlds)
        self._hosts: list[_Host] = []
        self._ready = selectors.DefaultSelector()
        self._size = 0
        self._told = False
        self.found: dict[tuple[int, str], Tables] = {}

    def run(self, progress: Progress) -> None:
        """Returns once every cell is found."""
        cells = len(self._worlds) * len(self._detectors)
        what = ""
        while len(self.found) < cells:
            what = self._start() or what
            share = SIMULATION_SHARE * sum(self._made) / len(self._worlds)
            share += (1 - SIMULATION_SHARE) * len(self.found) / cells
            progress(share, f"{len(self.found):,} of {cells:,} cells; {what}")
            for key, _ in self._ready.select():
                self._hear(key.data)

    def rest(self) -> None:
        """Keeps the fork server for the next run."""
        self._ready.close()
        _idle.append(self._server)

    def kill(self) -> None:
        """Ends all processes."""
        self._ready.close()
        self._server.kill()
        for host in self._hosts:
            with suppress(OSError):
                host.link.settimeout(_END)
                while host.link.recv(1 << 16):  # until the system has ended it
                    pass
            host.link.close()

    def _start(self) -> str:
        """Starts what cores and memory allow; what was started last, in words."""
        what = ""
        while self._busy() < self._workers.jobs:
            hungry = next((host for host in self._hosts if host.size and self._to_judge[host.at]), None)
            if self._to_make and len(self._hosts) < self._workers.jobs and self._fits(MAKING):
                what = self._make(self._to_make.pop(0))
            elif hungry is not None and self._fits(JUDGING):
                what = self._judge(hungry)
            else:
                break
        return what

    def _busy(self) -> int:
        return sum(len(host.running) if host.size else 1 for host in self._hosts)

    def _fits(self, share: float) -> bool:
        """Whether there is memory for one more process, which takes so much of a world's size."""
        busy = self._busy()
        if not busy:
            return True
        size = self._size or max(int(host.held / host.done) if host.done else 0 for host in self._hosts)
        if not size:  # nobody knows yet how large worlds are
            return False
        worlds = sum(KEEPING if host.size else MAKING for host in self._hosts)
        cells = sum(len(host.running) for host in self._hosts)
        expected = (worlds + JUDGING * cells + share) * size + PROCESS * (len(self._hosts) + cells + 1)
        if self._size and expected > self._workers.memory and not self._told:
            self._told = True
            each = f"a world takes about {written(int(MAKING * size))}, a detector {written(int(JUDGING * size))}"
            few = f"{written(self._workers.memory)} of memory are too few for {self._workers.jobs} workers"
            warnings.warn(f"{few}: {each}; fewer work at a time", stacklevel=2)
        return expected <= self._workers.memory

    def _make(self, at: int) -> str:
        """Begins the process of a world."""
        if not self._server.usable:
            self._server = _started()
        link, theirs = socket.socketpair()
        host = _Host(at, link)
        self._hosts.append(host)
        self._ready.register(link, selectors.EVENT_READ, host)
        environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "TMPDIR": self._place}
        with theirs:
            start = HostTerms(path=sys.path, folder=os.getcwd(), environment=environment)
            with suppress(OSError, frames.Closed):  # it died already, which is heard
                self._server.fork(start, [theirs.fileno()])
                frames.send(link, {}, pickle.dumps(Work(self._worlds[at].make, self._handed)))
        return f"making world {self._worlds[at].seed}"

    def _judge(self, host: _Host) -> str:
        """Begins the process of a detector."""
        name = self._to_judge[host.at].pop(0)
        host.running.add(name)
        with suppress(frames.Closed):
            frames.send(host.link, {"cell": name})
        return f"{name} on world {self._worlds[host.at].seed}"

    def _hear(self, host: _Host) -> None:
        try:
            text, body, _ = frames.receive(host.link)
        except frames.Closed:
            self._died(host)
            return
        said = frames.said(text)
        if "failed" in said:
            raise pickle.loads(body)  # of our own code: no detector runs in there
        if "done" in said:
            host.done, host.held = said["done"], said["held"]
            self._made[host.at] = host.done
        if "bytes" in said:
            host.size, self._made[host.at] = said["bytes"], 1.0
            self._size = max(self._size, host.size)
        if "cell" in said:
            self._ended(host, said, body)

    def _ended(self, host: _Host, said: Mapping[str, Any], body: bytearray) -> None:
        """Takes over what a detector's process left."""
        name = said["cell"]
        host.running.discard(name)
        if said["printed"]:
            sys.stderr.write(said["printed"])
        if body:
            self.found[host.at, name] = joined([unpacked(bytes(body))])
        else:
            last = (said["printed"].strip().splitlines() or [""])[-1]
            self._fail(host.at, name, f"it {how_ended(said['code'])}{last and f': {last[:300]}'}")
        if not host.running and not self._to_judge[host.at]:
            self._let_go(host)

    def _died(self, host: _Host) -> None:
        """Has a world made once more whose process is gone, with what is left to judge; or gives it up."""
        self._let_go(host)
        self._deaths[host.at] += 1
        left = [*host.running, *self._to_judge[host.at]]
        if self._deaths[host.at] < DEATHS:
            self._made[host.at], self._to_judge[host.at] = 0.0, left
            self._to_make.insert(0, host.at)
            return
        self._to_judge[host.at] = []
        for name in left:
            self._fail(host.at, name, f"that of its world died {DEATHS} times")

    def _let_go(self, host: _Host) -> None:
        self._hosts.remove(host)
        self._ready.unregister(host.link)
        host.link.close()

    def _fail(self, at: int, name: str, problem: str) -> None:
        world = self._worlds[at]
        reason = str(DetectorError(name, "its own process", problem))
        failed = failed_cell(world.scenario, world.seed, name, reason)
        self.found[at, name] = {**failed, "cells": failed["cells"].assign(run_as=run_as(self._detectors[name]))}
