"""A detector in a process of its own: it gets events and knowledge, and cannot reach the truth or anything else.

    scopedrift run quickstart --detector 'isolated(detector=./somebody_elses.py, memory=1024)'

Its code is loaded nowhere else.  The process starts with an empty folder and almost no environment; on Linux it is
shut in before it loads anything (`confinement`): it can read Python, this package, the files that its specification
names and what `read` adds, and cannot look into our memory or at other processes; from Linux 6.7 on it opens no TCP
connection, from 6.12 on it signals no process.  `confined` says whether files were closed; elsewhere a warning says
that they were not.  UDP and the sockets of other programs stay open, and a detector that brings a copy of the simulator
can try seeds against the history: evaluate on seeds that cannot be guessed.

A call that takes too long, memory beyond the limit, a crash, scores of another shape or nothing but NaN end it with
an `IsolationError`, and cost one cell.  Its answers are numbers and texts, and are never unpickled.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import re
import sys
import tempfile
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.isolation import confinement
from scopedrift.detectors.isolation.abstentions import Abstentions
from scopedrift.detectors.isolation.child import Child, ChildError
from scopedrift.detectors.isolation.frames import SIZE, Sender, framed, lengths
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.sources import places, places_of_target
from scopedrift.detectors.spec import parse
from scopedrift.simulator.log.events import EventBatch

_PARTS: Final = ("scopedrift.detectors", "scopedrift.simulator", "scopedrift.scenarios")
_SYSTEM: Final = ("/usr", "/bin", "/lib", "/lib32", "/lib64", "/etc", "/sys")
_OURSELVES: Final = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems")
_DEVICES: Final = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
_ENVIRONMENT: Final = ("PATH", "LANG", "TZ", "PYTHONPATH", "PYTHONHASHSEED", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_VALUE: Final = re.compile(r"[^()=,'\"\[\]{}]+")
_WORD: Final = re.compile(r"\S+")
_HEADER: Final = 1 << 16
"""Bytes of an answer beside its scores (assumed)."""
_START: Final = 60.0
"""Seconds that Python and this package may take to load, however little time the detector has (assumed)."""


class IsolationError(RuntimeError):
    """What an isolated detector did instead of answering."""


@dataclass
class Isolated(Detector):
    """Runs another detector in a process that cannot reach the truth: isolated(detector=./theirs.py:Theirs)."""

    detector: str = param("", doc="the detector, as on the command line; files with their folder, such as ./a.py")
    timeout: float = param(60.0, doc="seconds to score a batch, or to explain an alert")
    fit_timeout: float = param(900.0, doc="seconds to fit; loading may take as long, or a minute")
    memory: int = param(4096, doc="MiB of data that it may hold, the history included; 0: no limit")
    read: str = param("", doc=f"more files and folders that it may read, with {os.pathsep} between them")
    silence: int = param(50_000, doc="events that it may abstain on before its first score")

    name = "isolated"

    def __post_init__(self) -> None:
        if not self.detector:
            raise ValueError("expected a detector: isolated(detector=./theirs.py:Theirs)")
        self._spec, self._files = _resolved(self.detector)
        self._read = [str(Path(part).resolve()) for part in self.read.split(os.pathsep) if part]
        try:
            hello = _Process(self)
        except IsolationError as error:
            raise ValueError(str(error)) from error
        self.needs = hello.needs
        self.confined: bool = hello.confined
        hello.close()

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Starts the process, and fits the detector in it."""
        self._abstentions = Abstentions(self.silence)
        self._process = _Process(self)
        if not self.confined:
            warnings.warn("this system cannot shut a process in: the detector can read files", stacklevel=2)
        self._sender = Sender()
        known = pickle.dumps(knowledge)
        frame = self._sender.framed(history, known, do="fit", knowledge=len(known))
        self._process.ask(frame, self.fit_timeout, "fit")

    def score(self, batch: EventBatch) -> Scores:
        """The detector's scores."""
        body = self._process.ask(self._sender.framed(batch, do="score"), self.timeout, "score", 8 * len(batch))[1]
        if len(body) != 8 * len(batch):
            raise IsolationError(f"answered {len(body)} bytes for {len(batch)} events: expected a float64 each")
        return self._abstentions.judged(np.frombuffer(body, np.float64))

    def explain(self, batch: EventBatch, row: int) -> str:
        """The detector's reason."""
        said = self._process.ask(framed({"do": "explain", "row": row}), self.timeout, "explain")[0].get("reason")
        if not isinstance(said, str):
            raise IsolationError(f"explain returned {type(said).__name__}: expected a sentence")
        return said


class _Process:
    """The process of one detector."""

    def __init__(self, terms: Isolated) -> None:
        self._folder = tempfile.TemporaryDirectory()
        home = self._folder.name
        code = places_of_target(parse(terms._spec).target)
        config = {
            "detector": terms._spec,
            "path": [entry for entry in sys.path if entry],
            "read": [*_readable(), *terms._files, *terms._read, *map(str, code)],
            "listed": [str(place.parent) for place in code],
            "write": [home],
        }
        environment = {
            name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.endswith("_NUM_THREADS")
        }
        self._child = Child(
            [sys.executable, "-P", confinement.__file__, json.dumps(config)],
            memory_mib=terms.memory,
            folder=Path(home),
            environment={**environment, "HOME": home, "TMPDIR": home},
        )
        header, _ = self.ask([], max(terms.fit_timeout, _START), "load")
        needs = header.get("needs")
        if not isinstance(needs, list):
            raise IsolationError(f"its process says that it needs {needs!r}: expected a list")
        self.needs = frozenset(map(str, needs))
        self.confined = bool(header.get("confined"))

    def ask(
        self, frame: Iterable[bytes | memoryview], timeout: float, what: str, expected: int = 0
    ) -> tuple[dict[str, object], bytes]:
        """Header and bytes of the answer.

        Raises `IsolationError`.
        """
        try:
            answer = self._child.exchange(frame, _whole, timeout=timeout, most=SIZE + _HEADER + expected)
            size, _ = lengths(answer)
            header = json.loads(answer[SIZE : SIZE + size])
        except ChildError as error:
            raise IsolationError(f"its process {error}") from error
        except TimeoutError:
            raise IsolationError(f"did not {what} within {timeout:g} s: its process was stopped") from None
        except ValueError as error:
            raise IsolationError(f"its process gave an invalid answer: {error}") from error
        if not isinstance(header, dict):
            raise IsolationError(f"its process answered {type(header).__name__}: expected an object")
        if "error" in header:
            raise IsolationError(str(header["error"])[:1000])
        return header, bytes(answer[SIZE + size :])

    def close(self) -> None:
        """Ends it."""
        self._child.close()
        self._folder.cleanup()


def _whole(answer: bytearray) -> bool:
    return len(answer) >= SIZE and len(answer) >= SIZE + sum(lengths(answer))


def _resolved(spec: str) -> tuple[str, list[str]]:
    """The specification with the files and folders that it names made absolute, and these."""
    found: list[str] = []

    def absolute(text: str) -> str | None:
        path, colon, name = text.partition(":") if ".py:" in text else (text, "", "")
        if (os.sep not in path and not path.endswith(".py")) or not Path(path).exists():
            return None
        found.append(str(Path(path).resolve()))
        return found[-1] + colon + name

    def resolved(value: re.Match[str]) -> str:
        whole = absolute(value[0].strip())  # a name may hold blanks; others are words of a command
        return whole or _WORD.sub(lambda word: absolute(word[0]) or word[0], value[0])

    return _VALUE.sub(resolved, spec), found


def _readable() -> list[str]:
    """What every detector may read: the system, Python, what is installed, this package."""
    packages = [str(place.resolve()) for part in _PARTS for place in places(part)]
    front = importlib.util.find_spec("scopedrift")
    if front is not None and front.origin:  # its names alone: what they lead to stays out of reach
        packages.append(str(Path(front.origin).resolve()))
    installed = [entry for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")]
    libraries = [entry for entry in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if entry]
    return [*_SYSTEM, *_OURSELVES, *_DEVICES, sys.prefix, sys.base_prefix, *installed, *libraries, *packages]
