"""Handing worlds to workers: one code path on Dask, in process, on this machine or on a cluster.

A task is a world with all its unfinished cells, so that the engine's round trip (about 10 ms) is small beside it.  A
worker that dies costs a retry.  When a task keeps killing its workers, its cells are tried one by one, and those
that still do are named and set aside.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

from scopedrift.detectors.answers import described
from scopedrift.experiments.machine import THREADS
from scopedrift.experiments.running.cells.worker import run_cells

DEATHS: Final = 3
"""Workers that a task may cost before it is set aside."""
LOOKS: Final = 4
EACH_S: Final = 5
"""A worker without a process at so many looks, so many seconds apart, is gone for good (assumed)."""


@dataclass(frozen=True)
class CellTask:
    """One world: scenario as text, what results call it, seed, and by key the (name, specification) of detectors."""

    scenario: str
    label: str
    seed: int
    detectors: tuple[tuple[str, tuple[str, str]], ...]

    def apart(self) -> list[CellTask]:
        """The same work, a cell a task."""
        return [CellTask(self.scenario, self.label, self.seed, (each,)) for each in self.detectors]


@dataclass(frozen=True)
class Done:
    """What became of a task: packed results by key, and why others have none."""

    task: CellTask
    results: dict[str, bytes]
    reasons: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def failed(cls, task: CellTask, reason: str) -> Done:
        """None of its cells has a result."""
        return cls(task, {}, dict.fromkeys((key for key, _ in task.detectors), reason))


@contextmanager
def client(jobs: int, address: str | None) -> Iterator[Any]:
    """A Dask client: of the cluster at `address`, or of one started here with that many processes (1: none).

    Raises `OSError` if there is no scheduler at the address.
    """
    import dask
    import distributed

    Client: Any = distributed.Client

    settings = {
        "distributed.scheduler.allowed-failures": DEATHS - 1,
        # a world waits at the scheduler until a worker is free: worlds differ in size, and none is moved once given out
        "distributed.scheduler.worker-saturation": 1.0,
        # its loops wake the process 1,000 times a second to see that they are not late: 8 % of the work's own time
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.worker.profile.enabled": False,
        "distributed.admin.log-format": "%(message)s",
        "distributed.logging.distributed": "critical",
        "distributed.worker.daemon": True,
        # without Dask's own MALLOC_TRIM_THRESHOLD_, under which every large array is paged in anew
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREADS, 1),
    }
    with dask.config.set(settings):
        if address is not None:
            _reach(address)
            with Client(address, set_as_default=False) as connected:
                yield connected
            return
        cluster, security = _local_cluster(jobs)
        with cluster, Client(cluster, set_as_default=False, security=security) as connected, _replaced(cluster, jobs):
            yield connected


def _local_cluster(jobs: int) -> tuple[Any, Any]:
    """A scheduler with workers on this machine, and what opens it: nobody else can connect to its processes.

    A worker that dies while it starts costs a retry.  Raises `OSError` if that goes on.
    """
    import distributed

    LocalCluster: Any = distributed.LocalCluster
    Security: Any = distributed.Security
    options: dict[str, Any] = {"processes": False}
    if jobs > 1:  # whoever could connect would run code as the user: a certificate that only this process has
        options = {"processes": True, "host": "127.0.0.1", "protocol": "tls://"}
        options["security"] = Security.temporary()
    pages = "127.0.0.1:0"  # of its own accord, a worker in this process serves them to the whole network
    for left in reversed(range(DEATHS)):
        try:
            cluster = LocalCluster(
                n_workers=jobs, threads_per_worker=1, dashboard_address=pages, worker_dashboard_address=pages,
                silence_logs=50, memory_limit=0, **options,
            )  # fmt: skip
            return cluster, options.get("security")
        except RuntimeError as error:
            if not left:
                raise OSError(None, f"workers die while they start: {error}") from error
    raise AssertionError


@contextmanager
def _replaced(cluster: Any, jobs: int) -> Iterator[None]:
    """Replaces workers of this machine that are gone for good: Dask gives up one that dies at a bad moment while it
    starts again, and waits for ever once it has given up all."""
    from tornado.ioloop import PeriodicCallback

    missed: dict[object, int] = {}

    def look() -> None:
        for name, keeper in list(cluster.workers.items()):
            alive = keeper.process is not None and keeper.process.is_alive()
            missed[name] = 0 if alive else missed.get(name, 0) + 1
            if missed[name] >= LOOKS:
                del missed[name], cluster.workers[name]
                cluster.loop.add_callback(keeper.close)
        if len(cluster.workers) < jobs:  # Dask, too, forgets those that it gave up, and starts no other
            cluster.scale(jobs)

    looking = PeriodicCallback(look, EACH_S * 1000)
    if jobs > 1:
        cluster.loop.add_callback(looking.start)
    try:
        yield
    finally:
        cluster.loop.add_callback(looking.stop)


def _reach(address: str) -> None:
    """Raises `OSError` if nothing listens at the address (a Dask client that fails to connect is hard to end)."""
    place = urlsplit(address if "://" in address else f"tcp://{address}")
    try:
        socket.create_connection((place.hostname, place.port), timeout=20).close()
    except (OSError, ValueError, TypeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise OSError(None, f"no Dask scheduler answers: {reason}", address) from None


def run_tasks(connected: Any, tasks: Sequence[CellTask], done: Callable[[Done], None]) -> None:
    """Run all tasks; `done` hears of each as it ends, in any order."""
    import distributed

    # one graph of one group, since Dask keeps tasks at the scheduler only if it sees more of a kind than workers
    group = f"worlds-{uuid4().hex}"
    submitted = connected.map(_work, tasks, key=[(group, i) for i in range(len(tasks))], pure=False, retries=0)
    futures = dict(zip(submitted, tasks, strict=True))
    waiting: Any = distributed.as_completed(list(futures), loop=connected.loop)  # type: ignore[no-untyped-call]
    for future in waiting:
        task = futures.pop(future)
        try:
            done(Done(task, *future.result()))
        except distributed.KilledWorker:
            if len(task.detectors) > 1:
                for alone in task.apart():
                    again = connected.submit(_work, alone, pure=False, retries=0)
                    futures[again] = alone
                    waiting.add(again)
            else:
                done(Done.failed(task, f"its worker died {DEATHS} times"))
        except Exception as error:  # simulating failed: a scenario that cannot be run, a machine without memory
            done(Done.failed(task, " ".join(described(error).split())[:300]))
        future.release()


def _work(task: CellTask) -> tuple[dict[str, bytes], dict[str, str]]:
    return run_cells(task.scenario, task.label, task.seed, dict(task.detectors))
