"""Guarding an evaluation against its detectors: what they raise, and what they return that is no score or reason.

Either becomes a `DetectorError` that says who failed, in which phase, and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from scopedrift.detectors.base import Detector
from scopedrift.simulator.log.events import Array


class DetectorError(Exception):
    """A detector raised, or returned something other than scores.  One line: who, when, what, what was expected."""

    def __init__(self, detector: str, phase: str, problem: str) -> None:
        self.detector, self.phase, self.problem = detector, phase, " ".join(storable(problem).split())[:500]
        super().__init__(f"detector {detector!r} failed in {phase}: {self.problem}")

    def __reduce__(self) -> tuple[type[DetectorError], tuple[str, str, str]]:
        return DetectorError, (self.detector, self.phase, self.problem)


@contextmanager
def guarded(detector: str, phase: str) -> Iterator[None]:
    """Whatever the detector raises, `SystemExit` included, becomes a `DetectorError`."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise DetectorError(detector, phase, f"{type(error).__name__}: {error}") from error


def checked_scores(returned: object, expected: int, detector: str, phase: str) -> Array:
    """The scores as float64, or a `DetectorError` that says what is wrong with them.

    NaN abstains.  Infinities are scores like any other: the highest and the lowest there are.
    """
    try:
        scores = np.asarray(returned)
    except Exception as error:
        raise DetectorError(detector, phase, f"returned no array of scores: {error}") from error
    if scores.dtype.kind not in "fiub":
        kind = type(returned).__name__ if scores.dtype == object or not scores.ndim else f"dtype {scores.dtype}"
        raise DetectorError(detector, phase, f"returned {kind}, expected {expected} floats")
    if scores.shape != (expected,):
        raise DetectorError(
            detector, phase, f"returned shape {scores.shape}, expected ({expected},): one score an event"
        )
    return scores.astype(np.float64, copy=False)


def checked_reason(reason: object) -> str:
    """The reason as text that can be stored; raises `TypeError` if it is none."""
    if not isinstance(reason, str):
        raise TypeError(f"returned {type(reason).__name__}, expected one sentence (str)")
    return storable(reason)


def storable(text: str) -> str:
    """The text with what UTF-8 does not have (halves of a pair, as in file names that are no UTF-8) written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def name_of(detector: Detector) -> str:
    """The name under which a detector's results are kept."""
    return detector.name or type(detector).__name__
