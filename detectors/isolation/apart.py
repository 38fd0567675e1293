"""A detector in a process of its own, as the rest of the package sees it: it fits, scores and explains like any other.

Its code is loaded nowhere else.  The process gets one batch at a time, as memory that it can only read (`columns`),
the names that have arrived and the knowledge that it asked for; its answers are numbers and texts, and are never
unpickled.  A call that takes too long, memory beyond the limit, a crash or an answer that is none ends in an
`IsolationError`, and costs one cell.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Self, cast

import numpy as np

from scopedrift.detectors.answers import AnswerError, parts_of, scores_of
from scopedrift.detectors.base import Detector, Part, Scores, SearchRange
from scopedrift.detectors.description import ParameterInfo
from scopedrift.detectors.isolation.abstentions import Abstentions
from scopedrift.detectors.isolation.columns import Placed, Sender
from scopedrift.detectors.isolation.launch import IsolationError, Process
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.events import EventBatch

_START: Final = 60.0
"""Seconds that loading may take, however little time the detector has (assumed)."""
_RULES: Final = 1 << 26
"""Bytes of what rules matched, at most (assumed)."""
_told: set[str] = set()


@dataclass(frozen=True)
class Limits:
    """What a detector in a process of its own may use, and what it may read beside its own files."""

    timeout: float = 60.0
    """Seconds for a batch, or to explain an alert."""
    fit_timeout: float = 900.0
    """Seconds to fit, and to load."""
    memory: int = 4096
    """MiB that it may hold with its children, the history included; 0: no limit."""
    silence: int = 50_000
    """Events that it may abstain on before it has judged any."""
    read: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    require: bool = False
    """Whether it must not run where the system cannot shut it in."""


@dataclass(frozen=True)
class DetectorSource:
    """Which detector: a specification whose files are absolute, with parameters; or a pickled object."""

    spec: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    pickled: bytes = b""
    tuned: Mapping[str, tuple[str, dict[str, object]]] = field(default_factory=dict)
    """Detector and parameters of the tuned detectors that the specification names, by file."""


class Apart(Detector):
    """Runs a detector in a process of its own; made by `placement`, or by name as `isolated(detector=...)`."""

    def __init__(self, source: DetectorSource, limits: Limits) -> None:
        self._begin(source, limits)

    def _begin(self, source: DetectorSource, limits: Limits) -> None:
        """Loads the detector, for what it says of itself; the process waits to be fitted.

        Raises `ValueError` if it cannot be loaded.
        """
        self._source, self._limits = source, limits
        self._process: Process | None = None
        try:
            process, said = self._loaded()
            self._searchable = _searchable(said["searched"])
        except IsolationError as error:
            raise ValueError(str(error)) from error
        self._waiting = [process]  # copies share it: who fits first has it
        self._said = said
        if type(self) is Apart:
            self.name = str(said["name"])  # type: ignore[misc]  # of the detector that runs in it
        self.needs = frozenset(map(str, cast(list[object], said["needs"])))
        if limits.require and self.lacks:
            raise ValueError(f"this system cannot {self.lacks[0]}, and isolation is required")
        for what in self.lacks:
            if what not in _told:
                _told.add(what)
                warnings.warn(f"detectors are not shut in: this system cannot {what}", stacklevel=4)

    @property
    def has_rules(self) -> bool:
        """Whether it is made of rules."""
        return bool(self._said["rules"])

    def parameters(self) -> dict[str, object]:
        """Those of the detector."""
        return dict(cast(dict[str, object], self._said["parameters"]))

    def searchable(self) -> tuple[ParameterInfo, ...]:
        """What there is to say of its parameters."""
        return self._searchable

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Fits the detector, in a process in which nothing has been fitted yet."""
        if self._process is not None:
            self._process.close()
        self._process = self._waiting.pop() if self._waiting else self._loaded()[0]
        self._abstentions = Abstentions(self._limits.silence)
        self._sender = Sender()
        self._asked("fit", history, self._limits.fit_timeout, pickle.dumps(knowledge))

    def score(self, batch: EventBatch) -> Scores:
        """The detector's scores."""
        body = self._asked("score", batch, self._limits.timeout)
        if len(body) != 8 * len(batch):
            raise IsolationError(f"answered {len(body)} bytes for {len(batch)} events: expected a float64 each")
        return self._abstentions.judged(scores_of(np.frombuffer(body, np.float64), len(batch)))

    def explain(self, batch: EventBatch, row: int) -> str:
        """The detector's reason."""
        supply = partial(self._supplied, again=False)
        asked = {"do": "explain", "row": row}
        reason = self._running.ask(asked, timeout=self._limits.timeout, supply=supply)[0].get("reason")
        if not isinstance(reason, str):
            raise IsolationError(f"explain gave {type(reason).__name__}: expected a sentence")
        return reason

    def parts(self) -> Sequence[Part]:
        """The detector's rules; ends its process, which must be as it was."""
        process, self._process = self._running, None
        try:
            said, body = process.ask({"do": "parts"}, timeout=self._limits.timeout, expected=_RULES)
        finally:
            process.close()
        parts = []
        try:
            rows = np.frombuffer(body, np.int64)
            for name, level, blind, key, count in cast(list[Any], said["parts"]):
                parts.append(Part(name, level, rows[:count].tolist(), blind, key))
                rows = rows[count:]
        except (KeyError, TypeError, ValueError) as error:
            raise AnswerError("answered no list of rules") from error
        return parts_of(parts)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Another one that is not fitted."""
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__, _process=None)
        return twin

    def __getstate__(self) -> dict[str, object]:
        """Without its processes, which stay here."""
        return {**self.__dict__, "_process": None, "_waiting": []}

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise IsolationError("was not fitted")
        return self._process

    def _asked(self, do: str, batch: EventBatch, timeout: float, body: bytes = b"") -> bytearray:
        header, files = self._sender.announced(batch)
        asked = {**header, "do": do}
        supply = partial(self._supplied, again=do == "score")
        said, found = self._running.ask(asked, body, files, timeout=timeout, expected=8 * len(batch), supply=supply)
        self._sender.freed(said.get("free"))
        return found

    def _supplied(self, said: Mapping[str, object], *, again: bool) -> tuple[Placed, list[int]]:
        self._sender.freed(said.get("free"))
        return self._sender.asked(said, again=again)

    def _loaded(self) -> tuple[Process, dict[str, object]]:
        limits, source = self._limits, self._source
        process = Process(read=limits.read, listed=limits.listed, memory_mib=limits.memory)
        # asked before any code of the detector runs, which could answer in its place
        confined, _ = process.ask({"do": "confined"}, timeout=_START)
        self.lacks = tuple(map(str, cast(list[object], confined["lacks"])))
        asked = {"do": "load", "spec": source.spec, "parameters": dict(source.parameters), "tuned": dict(source.tuned)}
        said, _ = process.ask(asked, source.pickled, timeout=max(limits.fit_timeout, _START))
        kinds = {"needs": list, "parameters": dict, "searched": list, "name": str}
        if wrong := [name for name, kind in kinds.items() if not isinstance(said.get(name), kind)]:
            raise IsolationError(f"its process says nothing of its {wrong[0]}: expected a description")
        return process, said


def _searchable(said: object) -> tuple[ParameterInfo, ...]:
    found = []
    try:
        for each in cast(list[dict[str, Any]], said):
            found.append(ParameterInfo(**{**each, "range": SearchRange(*each["range"]) if each["range"] else None}))
    except (KeyError, TypeError, ValueError) as error:
        raise IsolationError("its process says nothing of its parameters: expected a description") from error
    return tuple(found)
