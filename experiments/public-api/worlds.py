"""Worlds: events with ground truth, simulated or built from a real log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, overload

from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import new_folder
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running.worlds import make_world
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios.durations import format_rate, parse_rate
from scopedrift.scenarios.loader import load, override
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.engine import Simulation, load_simulation
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.storage import MANIFEST
from scopedrift.simulator.own_logs.world import KEY, LogTimetable, RealWorld, load_world
from scopedrift.simulator.world.world_file import WORLD

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SHOWN = ["id", "label", "first_observable_at", "end_reason", "stages", "identity"]
"""Columns of the incidents to show in a notebook."""
ScenarioLike = str | Path | Mapping[str, object] | Scenario
"""A scenario, or any argument of `load_scenario`."""


@dataclass(frozen=True, eq=False, repr=False)
class World:
    """Events with ground truth: a simulated world, or a real log with injected incidents.

    `len(world)` is the number of events. Positions (0 to `len(world)` - 1, in order of arrival) identify events.

    Attributes:
        source: The underlying simulation or log: its `scenario`, `seed`, `log`, `truth` and `deployment`.

    Examples:
        >>> import scopedrift as sd
        >>> world = sd.simulate("tiny", seed=0)
        >>> sorted(world.incidents["template"].unique())
        ['adjacent-training-data', 'rogue-job', 'token-theft']
        >>> attacked = world.events.join(world.truth, how="inner")  # the injected events only
        >>> bool((attacked["time"] >= world.events["time"].min()).all())
        True
    """

    source: Simulation | RealWorld

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Load a world that `save`, `simulate` or `inject` wrote.

        Raises:
            LogFormatError: The folder holds no world or is damaged.
        """
        simulated = (Path(folder) / WORLD).is_file()
        return cls(load_simulation(Path(folder)) if simulated else load_world(Path(folder)))

    @property
    def scenario(self) -> Scenario | LogTimetable:
        """The scenario; for a real log, its windows."""
        return self.source.scenario

    @property
    def name(self) -> str:
        """The name of the scenario, or of the log."""
        return self.scenario.name

    @property
    def seed(self) -> int:
        """The seed of the world."""
        return self.source.seed

    @property
    def log(self) -> EventLog:
        """The events as detectors are given them: `log.batches()` yields `EventBatch`es."""
        return self.source.log

    @property
    def digest(self) -> str:
        """SHA-256 of all events, in hexadecimal; the same scenario, seed and version give the same digest."""
        return self.log.digest

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row for each event, in order of arrival: text as categories, UTC timestamps, NaN where missing."""
        return self.log.frame()

    @cached_property
    def truth(self) -> pd.DataFrame:
        """One row for each injected event, indexed by its position: `label`, `incident`, `stage`, `technique`.

        `world.events.join(world.truth)` joins them; an event without a row is baseline.
        """
        return self.source.truth.frame()

    @cached_property
    def incidents(self) -> pd.DataFrame:
        """One row for each injected incident: identity, kind, times (UTC), how it ended, and its number of stages."""
        return self.source.truth.incidents_frame()

    @cached_property
    def changes(self) -> pd.DataFrame:
        """One row for each benign change: kind, times (UTC), whether announced, and number of identities."""
        return self.source.truth.changes_frame()

    def arrow(self, table: Literal["events", "truth"] = "events") -> pa.Table:
        """The events, or the truth, as an Arrow table."""
        if table == "events":
            return self.log.arrow()
        import pyarrow as pa

        return pa.Table.from_pandas(self.truth)

    def save(self, folder: str | Path) -> Path:
        """Write log and truth into a folder (Parquet and JSON). An interrupted call leaves no folder.

        Raises:
            UsageError: The folder holds other files.
        """
        with new_folder(Path(folder), MANIFEST) as place:
            self.write(place)
        return Path(folder)

    def write(self, folder: Path) -> None:
        """Write the files of `save` into an existing folder."""
        if isinstance(self.source, RealWorld):
            self.source.save(folder)
        else:
            self.log.save(folder)
            self.source.save_beside_log(folder)

    @property
    def words(self) -> str:
        """Its contents in a sentence."""
        truth = self.source.truth
        return (
            f"{self.name}, seed {self.seed}: {len(self):,} events, {len(truth.event):,} of them injected, by"
            f" {len(truth.incidents)} incidents and {len(truth.changes)} benign changes."
        )

    def __len__(self) -> int:
        return len(self.log)

    def __repr__(self) -> str:
        return f"<World {self.words}>"

    def _repr_html_(self) -> str:
        return fragment([self.words], {"Incidents": self.incidents[SHOWN], "Benign changes": self.changes})


def simulate(
    scenario: ScenarioLike, seed: int = 0, *, out: str | Path | None = None, progress: Progress = silent
) -> World:
    """Simulate one world of a scenario.

    The same scenario, seed and version of scopedrift give the same events on any machine.

    Args:
        scenario: A name in the library, a path, a mapping, or a scenario.
        seed: Seed of the world (0 or more).
        out: A folder for the log and its truth, written during the simulation so that memory stays bounded. By default
            everything stays in memory, about 100 bytes an event.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Returns:
        The world with its events, incidents and truth.

    Raises:
        ScenarioError: The scenario does not exist or is invalid.
        UsageError: `out` holds other files.

    Examples:
        >>> import scopedrift as sd
        >>> world = sd.simulate("tiny", seed=0)
        >>> len(world.incidents), world.digest == sd.simulate("tiny", seed=0).digest
        (6, True)
    """
    chosen = scenario_of(scenario)
    if out is None:
        return World(make_world(chosen, seed, progress))
    with new_folder(Path(out), MANIFEST) as folder:
        made = make_world(chosen, seed, progress, out=folder)
        made.save_beside_log(folder)
    return World(replace(made, log=EventLog.load(Path(out))))


def saved_world(folder: str | Path) -> World | None:
    """The world that `inject` wrote into a folder; None if the folder holds anything else."""
    made = (Path(folder) / MANIFEST).is_file() and KEY in EventLog.load(Path(folder)).manifest
    return World.load(folder) if made else None


def scenario_or_world(source: ScenarioLike | World) -> Scenario | World:
    """The scenario or world that was given; for a folder written by `simulate` or `inject`, its world."""
    if isinstance(source, str | Path) and (Path(source) / MANIFEST).is_file():
        return World.load(source)
    return source if isinstance(source, World) else scenario_of(source)


@overload
def at_budget(source: World, alert_budget: str | float | None) -> World: ...
@overload
def at_budget(source: Scenario | World, alert_budget: str | float | None) -> Scenario | World: ...
def at_budget(source: Scenario | World, alert_budget: str | float | None) -> Scenario | World:
    """The same scenario or world with another alert budget: a text such as `3/week`, or a number a day.

    Raises `UsageError` for anything else.
    """
    if alert_budget is None:
        return source
    try:
        per_day = parse_rate(alert_budget if isinstance(alert_budget, str) else f"{alert_budget}/day")
    except ValueError as error:
        raise UsageError(f"alert budget: {error}") from None
    if isinstance(source, Scenario):
        return override(source, {"evaluation.alert_budget": format_rate(per_day)})
    if isinstance(source.source, RealWorld):
        return World(source.source.at_budget(per_day))
    changed = override(source.source.scenario, {"evaluation.alert_budget": format_rate(per_day)})
    return World(replace(source.source, scenario=changed))


def scenario_of(source: ScenarioLike) -> Scenario:
    """A scenario as given, or loaded from a name, path or mapping."""
    return source if isinstance(source, Scenario) else load(source)
