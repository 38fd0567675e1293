"""A user's mistake becomes one message on stderr; anything else is a bug and keeps its traceback."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import typer

from scopedrift.experiments.interrupts import Terminated

BAD_INPUT: Final = 2

_OURS: Final = (
    ("scopedrift.experiments.errors", "UsageError"),
    ("scopedrift.scenarios.documents", "ScenarioError"),
    ("scopedrift.detectors.spec", "SpecError"),
    ("scopedrift.simulator.records.errors", "LogError"),
    ("scopedrift.simulator.log.storage", "LogFormatError"),
    ("scopedrift.experiments.evaluation.guard", "DetectorError"),
    ("scopedrift.experiments.running.baseline", "BaselineError"),
    ("scopedrift.experiments.running.search", "TuneError"),
    ("scopedrift.experiments.tracking", "TrackingError"),
)
"""Errors that report a user's mistake: module and name. A module that was never imported raised nothing."""


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """The exit code of an interrupted command: 128 + the number of the signal."""
    return 128 + int(interrupt.args[0] if isinstance(interrupt, Terminated) else signal.SIGINT)


@contextmanager
def explained() -> Iterator[None]:
    """Ends the command with a message and an exit code if the block raises a user's mistake."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        _end("interrupted", exit_code(interrupt))
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename is None and not error.strerror:
            raise
        where = f"{error.filename}: " if error.filename is not None else ""
        _end(f"{where}{error.strerror or error}", BAD_INPUT)
    except Exception as error:
        if isinstance(error, _callers_mistakes()):
            _end(str(error), BAD_INPUT)
        raise


def _callers_mistakes() -> tuple[type[Exception], ...]:
    return tuple(getattr(sys.modules[module], name) for module, name in _OURS if module in sys.modules)


def _end(message: str, code: int) -> NoReturn:
    from scopedrift.experiments.cli.output import printable

    lines = [printable(line) for line in message.splitlines() if line.strip()] or ["no reason given"]
    print(f"scopedrift: {lines[0]}", *(f"    {line}" for line in lines[1:]), sep="\n", file=sys.stderr)
    raise typer.Exit(code)
