"""Whether a detector that ran in this process left the world, and the process, as they were.

Code that shares a process with the truth can change anything in it.  So a world is hashed around each such cell: its
columns, its names, and what is true of them.  A world that changed is worth nothing to any other detector.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from scopedrift.detectors.isolation.traces import Traces
from scopedrift.experiments.evaluation.guard import DetectorError
from scopedrift.experiments.evaluation.windows import LabelledWorld
from scopedrift.simulator.log.event_log import Digest
from scopedrift.simulator.log.storage import ROW_GROUP


class SpoiledWorldError(DetectorError):
    """A detector changed the world that others are judged on."""


@contextmanager
def watched(detector: str, world: LabelledWorld) -> Iterator[None]:
    """Raises if a detector, run inside in this process, changes the world or leaves traces in the process.

    Raises `SpoiledWorldError`, or `DetectorError` for traces.
    """
    before, traces = fingerprint(world), Traces()
    try:
        with _no_way_out():
            yield
    finally:
        left = traces.left()
        traces.undo()
        if fingerprint(world) != before:
            problem = "changed the events, names or truth of the world: expected them untouched"
            raise SpoiledWorldError(detector, "leaving its input alone", problem)
    if left:
        raise DetectorError(detector, "leaving the process as it was", left)


@contextmanager
def _no_way_out() -> Iterator[None]:
    """`os._exit` in here raises: otherwise this process would end as if all had gone well, without a result."""
    leave, owner = os._exit, os.getpid()

    def refuse(status: int) -> NoReturn:
        if os.getpid() != owner:  # a process that was forked off
            leave(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


def fingerprint(world: LabelledWorld) -> str:
    """SHA-256 of a world's events, names and truth as they are now."""
    log, truth = world.log, world.truth
    digest = Digest()
    for batch in log.batches(ROW_GROUP):
        digest.update(batch.columns)
    told = pickle.dumps((truth.event, truth.label, truth.incident, truth.stage, truth.incidents, truth.changes))
    return digest.hexdigest(log.vocabulary) + hashlib.sha256(told).hexdigest()
