"""`simulate`: a scenario and a seed become a log with its truth.

World, processes, clock: SimPy decides what happens; the recorder expands it window by window; each window is
renumbered by first arrival, hashed and written (or kept in memory).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from scopedrift.scenarios import Scenario
from scopedrift.scenarios.release import release
from scopedrift.simulator.expansion.arrival import ArrivalCodes
from scopedrift.simulator.expansion.columns import Window
from scopedrift.simulator.expansion.delivery import Delivery
from scopedrift.simulator.expansion.recorder import Recorder
from scopedrift.simulator.injection.incident_log import IncidentLog
from scopedrift.simulator.injection.schedule import start_injections
from scopedrift.simulator.log.event_log import Digest, EventLog
from scopedrift.simulator.log.events import COLUMNS, DTYPES, MINUTE, Array, Vocabulary
from scopedrift.simulator.log.storage import LogFormatError, LogWriter
from scopedrift.simulator.log.truth import Truth
from scopedrift.simulator.log.truth_file import load_truth, save_truth
from scopedrift.simulator.runtime.chores import start_chores
from scopedrift.simulator.runtime.detours import make_detours
from scopedrift.simulator.runtime.growth import start_growth
from scopedrift.simulator.runtime.platform import Platform
from scopedrift.simulator.workloads import orphans
from scopedrift.simulator.workloads.family import build_family
from scopedrift.simulator.world.organisation import SimulatedWorld
from scopedrift.simulator.world.policy import Deployment
from scopedrift.simulator.world.sizes import sizes
from scopedrift.simulator.world.world_file import load_setting, save_setting

WINDOW: Final = 500_000
"""Events that are expanded together; the log does not depend on it."""
TICK: Final = 15 * MINUTE
"""How often the clock stops to see whether a window is full."""

Progress = Callable[[float], None]
"""Called with the share of the horizon that is done, 0 to 1."""


@dataclass(frozen=True)
class Simulation:
    """One simulated world: its log, the truth about it, and what its deployment declares."""

    scenario: Scenario
    seed: int
    log: EventLog
    truth: Truth
    deployment: Deployment

    def save_beside_log(self, folder: Path) -> None:
        """Write all but the log into the log's folder."""
        save_truth(self.truth, folder)
        save_setting(self.scenario, self.deployment, folder)


def load_simulation(folder: Path) -> Simulation:
    """The simulated world that was saved in a folder.

    Raises `LogFormatError` if the folder holds none, or if it is damaged.
    """
    log = EventLog.load(folder)
    scenario, deployment = load_setting(folder)
    seed, digest = log.manifest.get("seed"), log.manifest.get("scenario_digest")
    if not isinstance(seed, int) or digest != scenario.digest():
        raise LogFormatError(f"{folder}: another version of scopedrift made this world: simulate it again")
    return Simulation(scenario, seed, log, load_truth(folder, len(log)), deployment)


def simulate(
    scenario: Scenario,
    seed: int,
    *,
    without: str | None = None,
    variants: Mapping[str, int] | None = None,
    out: Path | None = None,
    window: int = WINDOW,
    progress: Progress | None = None,
) -> Simulation:
    """Simulate a scenario under a seed.

    `variants` redraws how the named incidents act: each number is another way to do the same thing at the same time.
    `without` names one incident that does not take place (its counterfactual twin).  With `out`, events go to that
    directory window by window, so that memory is bounded by the window; otherwise they stay in memory.
    Raises `ValueError` if there is no incident of the name `without`.
    """
    world = SimulatedWorld(scenario, seed)
    starts = [start for name, given in sizes(scenario).items() for start in build_family(world, name, given)]
    starts += orphans.build(world)
    incidents = IncidentLog(scenario.end_us)
    delivery = Delivery(scenario, seed, world.operations)
    recorder = Recorder(world, delivery, scenario.errors)
    platform = Platform(world, recorder)
    for start in starts:
        platform.env.process(start(platform))
    platform.env.process(platform.outages())
    platform.env.process(platform.rotations())
    for workload in list(world.workloads.values()):
        platform.env.process(make_detours(platform, workload))
    start_chores(platform)
    start_growth(platform)
    deployment = start_injections(platform, incidents, without, variants)
    platform.decide_by(deployment)
    sink = _Disk(out, scenario, seed, world) if out is not None else _Memory(scenario, seed, world)
    with sink:
        now = scenario.start_us
        while now < scenario.end_us:
            now = min(now + TICK, scenario.end_us)
            platform.env.run(until=now)
            if recorder.count >= window:
                sink.add(recorder.flush(now), incidents)
            if progress is not None:
                progress((now - scenario.start_us) / scenario.horizon)
        sink.add(recorder.flush(scenario.end_us), incidents)
        log = sink.finish()
    return Simulation(scenario, seed, log, incidents.truth(), deployment)


class _Sink:
    """Takes windows in order: renumbers, hashes, notes the truth."""

    def __init__(self, scenario: Scenario, seed: int, world: SimulatedWorld) -> None:
        self.vocabulary = Vocabulary()
        self._codes = ArrivalCodes(world, lambda column, text: self.vocabulary[column].code(text))
        self._digest = Digest()
        self._written = 0
        self._manifest = {
            "scenario": scenario.name,
            "scenario_digest": scenario.digest(),
            "seed": seed,
            "version": release(),
        }

    def add(self, window: Window | None, incidents: IncidentLog) -> None:
        """Take the next window."""
        if window is None:
            return
        columns, truth = window
        self._codes.translate(columns)
        incidents.note(self._written, columns["time"], truth)
        self._written += len(truth)
        self._digest.update(columns)
        self._keep(columns)

    def _keep(self, columns: dict[str, Array]) -> None:
        raise NotImplementedError

    def manifest(self) -> dict[str, object]:
        """What made the log, and its digest."""
        return {**self._manifest, "events": self._written, "digest": self._digest.hexdigest(self.vocabulary)}


class _Memory(_Sink):
    def __init__(self, scenario: Scenario, seed: int, world: SimulatedWorld) -> None:
        super().__init__(scenario, seed, world)
        self._windows: list[dict[str, Array]] = []

    def __enter__(self) -> _Memory:
        return self

    def __exit__(self, *error: object) -> None:
        self._windows.clear()

    def _keep(self, columns: dict[str, Array]) -> None:
        self._windows.append(columns)

    def finish(self) -> EventLog:
        """The log in memory."""
        columns = {
            name: np.concatenate([window[name] for window in self._windows] or [np.empty(0, DTYPES[name])])
            for name in COLUMNS
        }
        return EventLog.from_columns(columns, self.vocabulary, self.manifest())


class _Disk(_Sink):
    def __init__(self, path: Path, scenario: Scenario, seed: int, world: SimulatedWorld) -> None:
        super().__init__(scenario, seed, world)
        self._path = path
        self._writer = LogWriter(path, self.vocabulary)

    def __enter__(self) -> _Disk:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()

    def _keep(self, columns: dict[str, Array]) -> None:
        self._writer.append(columns)

    def finish(self) -> EventLog:
        """The log on disk."""
        self._writer.finish(self.manifest())
        return EventLog.load(self._path)
