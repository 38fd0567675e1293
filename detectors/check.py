"""Conformance: does a detector keep the contract that makes its results comparable?

`check` runs every check of `_contract` on made-up events; a failure says what was expected and why it matters.
In a test suite::

    def test_contract():
        assert_conforms(NewRegistry)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from scopedrift.detectors import registry
from scopedrift.detectors._contract import (
    CHECKS,
    Check,
    fits,
    is_causal,
    is_independent_of_batch_cuts,
    scores_have_the_right_shape,
)
from scopedrift.detectors._sample import sample_knowledge, sample_log
from scopedrift.detectors._subject import Subject
from scopedrift.detectors.base import Detector
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log import EventLog

__all__ = [
    "CHECKS",
    "Finding",
    "Subject",
    "assert_conforms",
    "check",
    "is_causal",
    "is_independent_of_batch_cuts",
    "run",
]


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    check: str
    """Name of the check."""
    ok: bool
    message: str = ""
    """What was seen, and what was expected."""
    why: str = ""
    """Why it matters."""

    def __str__(self) -> str:
        return f"{self.check}: passed" if self.ok else f"{self.check}: {self.message}. Why it matters: {self.why}"


def check(
    detector: str | Callable[[], Detector],
    log: EventLog | None = None,
    knowledge: Knowledge | None = None,
    *,
    min_events_per_second: float = 1000.0,
) -> list[Finding]:
    """Runs every check; one finding per check, in order.

    `detector` is a class, a function that makes fresh detectors, or a name as on the command line.  `log` and
    `knowledge` replace the made-up ones; the checks of memory, speed and other processes always use made-up events.
    Raises `registry.DetectorError` for a name that cannot be found.
    """
    make, spec = (_maker(detector), detector) if isinstance(detector, str) else (detector, "")
    subject = Subject(make, log or sample_log(), knowledge or sample_knowledge(), spec, min_events_per_second)
    return list(run(subject))


def run(subject: Subject, checks: Iterable[tuple[Check, str]] = CHECKS) -> Iterator[Finding]:
    """Runs checks one after the other; stops if the detector cannot even be fitted, or cannot score."""
    for function, why in checks:
        hopeless = False
        try:
            message = function(subject)
            hopeless = bool(message) and function is fits
        except Exception as error:
            hopeless = function in (fits, scores_have_the_right_shape)
            message = f"raised {type(error).__name__}: {error}"
            if "read-only" in str(error):
                message += " (the columns of a batch are read-only: copy before you change them)"
        yield Finding(function.__name__, not message, message, why if message else "")
        if hopeless:
            return


def assert_conforms(detector: str | Callable[[], Detector], log: EventLog | None = None, **options: Any) -> None:
    """For pytest: fails with every broken check's message."""
    failures = [finding for finding in check(detector, log, **options) if not finding.ok]
    if failures:
        raise AssertionError("the detector breaks its contract:\n" + "\n".join(f"- {f}" for f in failures))


def _maker(spec: str) -> Callable[[], Detector]:
    """Fresh copies of the detector that `spec` names, of one and the same class.

    Copies: it found the files that its parameters name where the check began, which may not be where it runs.
    """
    first = registry.load(spec)
    return lambda: copy.deepcopy(first)
