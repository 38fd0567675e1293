"""Guarding an evaluation against its detectors: what they raise, and answers that are neither scores nor reasons.

Either becomes a `DetectorError` that says who failed, in which phase, and what was expected.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from scopedrift.detectors.answers import AnswerError, described, scores_of, storable
from scopedrift.detectors.base import Detector
from scopedrift.simulator.log.events import Array

_SIGNALS: Final = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class DetectorError(Exception):
    """A detector raised, or returned something other than scores.  One line: who, when, what, what was expected."""

    def __init__(self, detector: str, phase: str, problem: str) -> None:
        self.detector, self.phase, self.problem = detector, phase, " ".join(storable(problem).split())[:500]
        super().__init__(f"detector {detector!r} failed in {phase}: {self.problem}")

    def __reduce__(self) -> tuple[type[DetectorError], tuple[str, str, str]]:
        return type(self), (self.detector, self.phase, self.problem)


@contextmanager
def guarded(detector: str, phase: str) -> Iterator[None]:
    """Whatever the detector raises becomes a `DetectorError`, `KeyboardInterrupt` and `SystemExit` included.

    What a signal raises that really arrived, such as that of Ctrl-C, passes.
    """
    with _arrivals() as arrived:
        try:
            yield
        except AnswerError as error:
            raise DetectorError(detector, phase, str(error)) from error
        except BaseException as error:
            if arrived:
                raise
            raise DetectorError(detector, phase, described(error)) from error


@contextmanager
def _arrivals() -> Iterator[list[int]]:
    """The numbers of the signals that arrive in here; they are handled as before."""
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # no signal is handled here
        yield arrived
        return

    def note(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        handler = before[number]
        assert callable(handler)
        handler(number, frame)

    before = {number: handler for number in _SIGNALS if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, note)
    try:
        yield arrived
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is note:  # otherwise somebody changed it, which is told when the cell ends
                signal.signal(number, handler)


def checked_scores(returned: object, expected: int, detector: str, phase: str) -> Array:
    """The scores as float64, or a `DetectorError` that says what is wrong with them."""
    with guarded(detector, phase):
        return scores_of(returned, expected)


def name_of(detector: Detector) -> str:
    """The name under which a detector's results are kept."""
    return detector.name or type(detector).__name__
