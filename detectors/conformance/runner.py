"""Conformance: does a detector keep the contract that makes its results comparable?

`check` runs every check of `checks` on made-up events; a failure says what was expected and why it matters.
In a test suite::

    def test_contract():
        assert_conforms(NewRegistry)

A check that takes too long is interrupted, and is the last one.  `check_apart` runs everything in another process, so
that a detector which cannot be interrupted, or which kills its process, fails the check as well.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from scopedrift.detectors import loading
from scopedrift.detectors.base import Detector
from scopedrift.detectors.conformance.candidate import MAX_COST, Candidate
from scopedrift.detectors.conformance.checks import (
    CHECKS,
    Check,
    fits,
    scores_have_the_right_shape,
)
from scopedrift.detectors.conformance.deadline import TooLong, deadline
from scopedrift.detectors.conformance.sample import sample_knowledge, sample_log
from scopedrift.detectors.isolation.child import Child, ChildError
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.spec import SpecError, with_files
from scopedrift.simulator.log.event_log import EventLog

_GRACE: Final = 20.0
"""Seconds for another process to begin, and to interrupt itself."""
_APART: Final = "from scopedrift.detectors.conformance.runner import _serve; _serve()"


@dataclass(frozen=True)
class CheckResult:
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
    max_cost: float = MAX_COST,
    max_seconds: float = 180.0,
) -> list[CheckResult]:
    """Runs every check; one finding per check, in order.

    `detector` is a class, a function that makes fresh detectors, or a name as on the command line.  `log` and
    `knowledge` replace the made-up ones; the checks of memory, speed and other processes always use made-up events.
    Raises `SpecError` for a name that cannot be found.
    """
    make, spec = (_maker(detector), detector) if isinstance(detector, str) else (detector, "")
    log, knowledge = log or sample_log(), knowledge or sample_knowledge()
    return list(run(Candidate(make, log, knowledge, spec, max_cost, max_seconds=max_seconds)))


def check_apart(detector: str, *, max_seconds: float = 180.0) -> Iterator[CheckResult]:
    """`check` of a detector that can be named, in a process of its own; findings come as they are made.

    Raises `SpecError` for a name that cannot be found.
    """
    terms = json.dumps(
        {"detector": detector, "max_seconds": max_seconds, "path": [entry for entry in sys.path if entry]}
    )
    child = Child([sys.executable, "-P", "-c", _APART, terms], memory_mib=0, folder=Path.cwd())
    done = 0
    while done < len(CHECKS):
        name, why = CHECKS[done][0].__name__, CHECKS[done][1]
        try:
            said = child.exchange([], lambda said: b"\n" in said, timeout=max_seconds + _GRACE, most=1 << 20)
        except TimeoutError:
            yield CheckResult(name, False, f"{_too_long(max_seconds)} (it could not be interrupted)", why)
            return
        except ChildError as error:
            yield CheckResult(name, False, f"the process of the check {error}: expected it to go on", why)
            return
        for line in said.decode().splitlines():
            found = json.loads(line)
            if "error" in found:
                raise SpecError(found["error"])
            if "end" in found:
                return
            done += 1
            yield CheckResult(**found)


def run(candidate: Candidate, checks: Iterable[tuple[Check, str]] = CHECKS) -> Iterator[CheckResult]:
    """Runs checks one after the other; stops if the detector cannot even be fitted, cannot score, or hangs."""
    for function, why in checks:
        hopeless = False
        try:
            with deadline(candidate.max_seconds):
                message = function(candidate)
            hopeless = bool(message) and function is fits
        except TooLong:
            hopeless, message = True, _too_long(candidate.max_seconds)
        except Exception as error:
            hopeless = function in (fits, scores_have_the_right_shape)
            message = f"raised {type(error).__name__}: {error}"
            if "read-only" in str(error):
                message += " (the columns of a batch are read-only: copy before you change them)"
        yield CheckResult(function.__name__, not message, message, why if message else "")
        if hopeless:
            return


def assert_conforms(detector: str | Callable[[], Detector], log: EventLog | None = None, **options: Any) -> None:
    """For pytest: fails with every broken check's message."""
    failures = [finding for finding in check(detector, log, **options) if not finding.ok]
    if failures:
        raise AssertionError("the detector breaks its contract:\n" + "\n".join(f"- {f}" for f in failures))


def _too_long(seconds: float) -> str:
    return f"did not end within {seconds:g} s: expected an answer"


def _serve() -> None:
    """The other side of `check_apart`: a finding a line on what was our standard output."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what the detector prints is no finding
    terms = json.loads(sys.argv[1])
    sys.path += [entry for entry in terms["path"] if entry not in sys.path]
    spec = terms["detector"]
    try:
        candidate = Candidate(_maker(spec), sample_log(), sample_knowledge(), spec, max_seconds=terms["max_seconds"])
    except SpecError as error:
        print(json.dumps({"error": str(error)}), file=answers)
        return
    for finding in run(candidate):
        print(json.dumps(vars(finding)), file=answers)
    print(json.dumps({"end": True}), file=answers)


def _maker(spec: str) -> Callable[[], Detector]:
    """Fresh copies of the detector that `spec` names, of one and the same class.

    Copies: it found the files that its parameters name where the check began, which may not be where it runs.  So do
    detectors within it that are made later.
    """
    first = loading.load(with_files(spec, lambda path: str(path.absolute())))
    return lambda: copy.deepcopy(first)
