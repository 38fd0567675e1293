"""A real log with incidents, in memory and as a folder: a world to judge detectors on.

Its windows are shares of the events, as when a real log is scored: what is learned from, what sets the threshold,
and the test part that the incidents are in.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from scopedrift.scenarios.documents import Plain
from scopedrift.scenarios.parts import EvaluationSpec
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import DAY, Array
from scopedrift.simulator.log.storage import LogFormatError
from scopedrift.simulator.log.truth import Truth
from scopedrift.simulator.log.truth_file import load_truth, save_truth
from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.world.policy import Deployment

KEY: Final = "timetable"
"""Where a log's manifest holds its windows."""
_FAR: Final = 10
"""A gap is too long beyond this multiple of the span of the middle of a log (at least a day)."""
_FEW: Final = 20
"""Logs with fewer events are not checked for wrong clocks."""


@dataclass(frozen=True)
class LogTimetable:
    """The windows of a real log, and the terms of its evaluation; times are microseconds since 1970 UTC."""

    name: str
    start_us: int
    baseline_end_us: int
    calibration_end_us: int
    end_us: int
    evaluation: EvaluationSpec = field(default_factory=EvaluationSpec)
    version: int = 1

    def digest(self) -> str:
        """SHA-256 (hexadecimal) of all of it."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()

    def plain(self) -> Plain:
        """Its contents for a file, without the terms of an evaluation, which are chosen later."""
        return {name: value for name, value in asdict(self).items() if name != "evaluation"}

    @classmethod
    def of(cls, name: str, log: EventLog, learn: float, calibrate: float) -> LogTimetable:
        """Windows of the first `learn` of the events, the next `calibrate` of them (shares), and the rest.

        Raises `LogError` if one of them would be empty, or if a few wrong times would stretch one beyond all measure.
        """
        arrived = log.arrived
        _refuse_wrong_clocks(name, arrived)
        cuts = (0, round(learn * len(log)), round((learn + calibrate) * len(log)))
        edges = (*(int(arrived[min(cut, len(log) - 1)]) for cut in cuts), int(arrived[-1]) + 1)
        if any(later <= earlier for earlier, later in pairwise(edges)) or cuts[-1] >= len(log):
            raise LogError(
                f"{name}: {len(log)} events are too few to split into a part to fit on, a part to calibrate on and"
                " a test part"
            )
        return cls(name, edges[0], edges[1], edges[2], edges[3])


def _refuse_wrong_clocks(name: str, arrived: Array) -> None:
    """Raise `LogError` if a few events (at most 1 %) lie before or after a gap far longer than the rest of the log."""
    few = max(1, len(arrived) // 100)
    if len(arrived) < _FEW:
        return
    most = _FAR * max(int(arrived[-1 - few] - arrived[few]), DAY)
    gaps = np.diff(arrived)
    for where, at in (("before", np.arange(few)), ("after", np.arange(len(gaps) - few, len(gaps)))):
        far = at[gaps[at] > most]
        if len(far):
            edge = int(far[-1] if where == "before" else far[0])
            count, odd = (edge + 1, arrived[edge]) if where == "before" else (len(gaps) - edge, arrived[edge + 1])
            raise LogError(
                f"{name}: {count} of its {len(arrived)} events lie {gaps[edge] // DAY:,} days {where} all others "
                f"({np.datetime64(int(odd), 'us').astype('datetime64[s]')} UTC): remove them if a clock was wrong"
            )


@dataclass(frozen=True)
class RealWorld:
    """A log, the truth about its injected events, and its windows.

    Nothing but the log is known of the platform, so the deployment declares nothing.
    """

    scenario: LogTimetable
    seed: int
    log: EventLog
    truth: Truth
    deployment: Deployment = field(default_factory=Deployment)

    @classmethod
    def of(cls, name: str, log: EventLog, learn: float = 0.5, calibrate: float = 0.2) -> RealWorld:
        """A log without known incidents; see `LogTimetable.of`."""
        return cls(LogTimetable.of(name, log, learn, calibrate), 0, log, Truth())

    def at_budget(self, per_day: float) -> RealWorld:
        """The same world with another alert budget."""
        terms = self.scenario.evaluation.model_copy(update={"alert_budget": per_day})
        return replace(self, scenario=replace(self.scenario, evaluation=terms))

    def save(self, folder: Path) -> None:
        """Write log and truth into a folder, created if missing."""
        self.log.manifest |= {KEY: self.scenario.plain(), "seed": self.seed}
        self.log.save(folder)
        save_truth(self.truth, folder)


def load_world(folder: Path) -> RealWorld:
    """Load a world from a folder.

    Raises `LogFormatError` if it is not a log, lacks windows or truth, or is damaged.
    """
    log = EventLog.load(folder)
    if KEY not in log.manifest:
        raise LogFormatError(
            f"{folder}: not a whole world: expected a folder that `scopedrift simulate` or `scopedrift inject` of this"
            " version wrote"
        )
    try:
        timetable, seed = LogTimetable(**log.manifest[KEY]), int(log.manifest["seed"])
        edges = (timetable.start_us, timetable.baseline_end_us, timetable.calibration_end_us, timetable.end_us)
        if list(edges) != sorted(set(map(int, edges))):
            raise ValueError("its windows are not in order")
    except (TypeError, ValueError, KeyError) as error:
        raise LogFormatError(f"{folder}: damaged log (its manifest: {error})") from None
    return RealWorld(timetable, seed, log, load_truth(folder, len(log)))
