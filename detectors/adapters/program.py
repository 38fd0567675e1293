"""Any program as a detector, in any language: events in, scores out, one JSON value a line.

    scopedrift run core-week --detector 'program(command=node score.js)'

The program reads one event a line from its standard input and answers each with one line on its standard output
(`event_json` defines both).  It must answer each line without waiting for more input, and flush its output.  An extra
line is an error, because it would shift all later answers.  The events of the history come first, so that it can learn;
its answers to them are ignored.  `SCOPEDRIFT_SEED` in its environment is the seed.

A program that dies or falls silent is restarted, gets the history again, and then the same batch; anything it learned
after the history is lost.  It has failed after `restarts` restarts.
"""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from scopedrift.detectors.adapters.event_json import decoded, encoded, judged, most, shown
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.isolation.abstentions import Abstentions
from scopedrift.detectors.isolation.child import Child, ChildError
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.events import EventBatch

_BATCH: Final = 10_000
"""Events of the history that are sent at once."""
_SILENCE: Final = 0.005
"""Seconds after the answers to a batch in which another line is noticed at once; later ones are before the next."""


@dataclass
class Program(Detector):
    """Scores events with your own program, in any language, over JSON lines: program(command=./score.sh)."""

    command: str = param("", doc="the program and its arguments, as on a command line (no shell runs them)")
    timeout: float = param(60.0, doc="seconds for the answers to a batch")
    memory: int = param(2048, doc="memory limit in MiB; 0: no limit")
    restarts: int = param(1, doc="how often to restart it after it died or fell silent")
    history: bool = param(True, doc="whether to show it the baseline window first")
    silence: int = param(50_000, doc="events that it may abstain on before its first score")

    name = "program"

    def __post_init__(self) -> None:
        self._folder = Path.cwd()
        self._command = _command(self.command, self._folder)

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Starts the program and shows it the history."""
        self._seed, self._left = knowledge.seed, self.restarts
        self._history = history if self.history else history.slice(0, 0)
        self._abstentions = Abstentions(self.silence)
        self._reasons: dict[int, str] = {}
        while not self._started():
            pass

    def score(self, batch: EventBatch) -> Scores:
        """The program's scores; null is an abstention."""
        while True:
            try:
                scores, self._reasons = judged(self._answers(batch), len(batch))
                return self._abstentions.judged(scores)
            except ChildError as error:
                self._again(error)
                while not self._started():
                    pass

    def explain(self, batch: EventBatch, row: int) -> str:
        """The program's reason for its score, if any."""
        return self._reasons.get(row, "")

    def _started(self) -> bool:
        self._given = 0
        environment = {**os.environ, "SCOPEDRIFT_SEED": str(self._seed), "PYTHONUNBUFFERED": "1"}
        self._child = Child(self._command, memory_mib=self.memory, folder=self._folder, environment=environment)
        try:
            for first in range(0, len(self._history), _BATCH):
                self._answers(self._history.slice(first, first + _BATCH))
        except ChildError as error:
            self._again(error)
            return False
        return True

    def _again(self, error: ChildError) -> None:
        """Counts a restart, or gives up."""
        if self._left <= 0:
            after = f", after {self.restarts} restart{'s' * (self.restarts > 1)}" if self.restarts else ""
            raise RuntimeError(f"{self.command} {error}{after}") from error
        self._left -= 1

    def _answers(self, batch: EventBatch) -> list[object]:
        size = len(batch)
        if not size:
            return []
        data = b"\n".join(encoded(batch)) + b"\n"
        self._expect_silence(0.0)
        try:
            answer = self._child.exchange(
                [data], lambda said: said.count(b"\n") >= size, timeout=self.timeout, most=most(size)
            )
        except TimeoutError as error:
            done = error.args[0].count(b"\n")
            hint = "it must read and write line by line, and keep nothing in a buffer"
            raise ChildError(f"answered {done} of {size} events in {self.timeout:g} s ({hint})") from None
        lines = answer.decode(errors="replace").split("\n")
        self._given = size
        if len(lines) != size + 1 or lines[-1]:
            raise self._surplus()
        self._expect_silence(_SILENCE)
        return [self._value(line) for line in lines[:-1]]

    def _expect_silence(self, seconds: float) -> None:
        if self._child.babbles(seconds):
            raise self._surplus()

    def _surplus(self) -> ValueError:
        self._child.close()
        return ValueError(
            f"{self.command} answered more than the {self._given} events it was given: expected a line for each"
        )

    def _value(self, line: str) -> object:
        try:
            return decoded(line)
        except ValueError:
            if line.strip().lower() in ("nan", "-nan", "+nan"):  # as awk and C print it
                return np.nan
            raise ValueError(
                f"{self.command} answered {shown(line)}: expected a number, null, or an object with a score"
            ) from None


def _command(text: str, folder: Path) -> list[str]:
    """The words of a command; its program is there and may be run, or it is a `ValueError`."""
    words = shlex.split(text)
    if not words:
        raise ValueError("expected a program to run: program(command=./score.sh)")
    name = words[0]
    path = str(folder / name) if os.sep in name else name
    found = shutil.which(path)
    if found is None:
        exists = os.sep in name and Path(path).is_file()
        raise ValueError(f"{name} cannot be run: {'chmod +x makes it executable' if exists else 'no such program'}")
    return [found, *words[1:]]
