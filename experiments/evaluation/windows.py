"""What is evaluated and when: a world and its three windows.

A detector learns on the *baseline* window, its threshold is set on the *calibration* window, and it is judged on
the *test* window only.  Windows are cut by time of arrival, as a deployment would cut them, and an event that
arrives after the horizon is in none.

Units: times are microseconds since 1970-01-01 UTC; `start` and `stop` are positions in the log (order of arrival).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from scopedrift.simulator.log.events import DAY
from scopedrift.simulator.log.truth import Truth
from scopedrift.simulator.world.policy import Deployment

if TYPE_CHECKING:
    from scopedrift.simulator.log.event_log import EventLog


class Terms(Protocol):
    """The terms of an evaluation, as a scenario states them."""

    @property
    def alert_budget(self) -> float:
        """False alarms that a team accepts per day, over the whole fleet."""

    @property
    def cooldown(self) -> int:
        """How long an alert stays open, in microseconds."""


class Timetable(Protocol):
    """The part of a scenario that an evaluation reads."""

    @property
    def name(self) -> str:
        """The scenario's name."""

    @property
    def start_us(self) -> int:
        """When the baseline window begins."""

    @property
    def baseline_end_us(self) -> int:
        """When the calibration window begins."""

    @property
    def calibration_end_us(self) -> int:
        """When the test window begins."""

    @property
    def end_us(self) -> int:
        """The horizon."""

    @property
    def evaluation(self) -> Terms:
        """Alert budget and cooldown."""


class LabelledWorld(Protocol):
    """Anything with events and ground truth: a simulation, or a real log with incidents injected."""

    @property
    def scenario(self) -> Timetable:
        """What was simulated."""

    @property
    def seed(self) -> int:
        """With which seed."""

    @property
    def log(self) -> EventLog:
        """The events."""

    @property
    def truth(self) -> Truth:
        """Which of them were injected."""

    @property
    def deployment(self) -> Deployment:
        """What the deployment declares beside its log."""


@dataclass(frozen=True)
class Window:
    """One span of the log, by position and by time of arrival."""

    start: int
    stop: int
    began_us: int
    ended_us: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.ended_us - self.began_us) / DAY


@dataclass(frozen=True)
class Windows:
    """The three windows of an evaluation, one after the other."""

    baseline: Window
    calibration: Window
    test: Window

    @classmethod
    def of(cls, scenario: Timetable, log: EventLog) -> Windows:
        """The windows that `scenario` sets, found in `log`."""
        edges = (scenario.start_us, scenario.baseline_end_us, scenario.calibration_end_us, scenario.end_us)
        cuts = [log.position(edge) for edge in edges]
        return cls(*(Window(cuts[i], cuts[i + 1], edges[i], edges[i + 1]) for i in range(3)))
