"""The registered detector `isolated`: another one in a process of its own, with limits that are given.

    scopedrift run quickstart --detector 'isolated(detector=./somebody_elses.py, memory=1024)'

Without it, whatever is not built in runs so, too, with the limits as they are (`placement`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scopedrift.detectors.base import Detector, param
from scopedrift.detectors.isolation.apart import Apart, Limits
from scopedrift.detectors.isolation.placement import source_of


@dataclass
class Isolated(Apart):
    """Runs another detector in a process that cannot reach the truth: isolated(detector=./theirs.py:Theirs)."""

    detector: str = param("", doc="the detector, as on the command line; files with their folder, such as ./a.py")
    timeout: float = param(60.0, doc="seconds to score a batch, or to explain an alert")
    fit_timeout: float = param(900.0, doc="seconds to fit; loading may take as long, or a minute")
    memory: int = param(4096, doc="MiB that it may hold with its children, the history included; 0: no limit")
    read: str = param("", doc=f"more files and folders that it may read, with {os.pathsep} between them")
    silence: int = param(50_000, doc="events that it may abstain on before its first score")
    require: bool = param(False, doc="whether it must not run where the system cannot shut it in")

    name = "isolated"
    parameters = Detector.parameters

    def __post_init__(self) -> None:
        if not self.detector:
            raise ValueError("expected a detector: isolated(detector=./theirs.py:Theirs)")
        source, read, listed = source_of(self.detector)
        more = [str(Path(part).resolve()) for part in self.read.split(os.pathsep) if part]
        limits = Limits(
            self.timeout, self.fit_timeout, self.memory, self.silence, (*read, *more), tuple(listed), self.require
        )
        self._begin(source, limits)
