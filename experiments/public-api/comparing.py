"""Comparing a simulated log, or your own, with what real platforms show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.progress import Progress, part_of, silent
from scopedrift.experiments.realism.compare import HOLDS, MET, MISSED, Agreement, agreements, passed
from scopedrift.experiments.realism.targets import load as load_targets
from scopedrift.experiments.realism.traces import targets_from
from scopedrift.experiments.running.worlds import make_world
from scopedrift.judging import SeedsLike, seeds_of
from scopedrift.logs import Log
from scopedrift.reports.notebook import fragment
from scopedrift.scenarios.schema import Scenario
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.worlds import ScenarioLike, World, scenario_or_world

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Realism:
    """The outcome of `realism`.

    Attributes:
        name: The scenario or log.
        rows: One for each statistic: what was `simulated()`, its `target`, the `distance` and its `spread` over worlds,
            the share of worlds `within` the tolerance, and the `verdict`.
        seeds: The worlds; empty for a log.
    """

    name: str
    rows: tuple[Agreement, ...]
    seeds: tuple[int, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether no statistic misses its target."""
        return passed(self.rows)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each statistic."""
        import pandas as pd

        return pd.DataFrame([row.asdict() for row in self.rows])

    @property
    def words(self) -> list[str]:
        """What it says in a few sentences."""
        counts = {verdict: sum(row.verdict == verdict for row in self.rows) for verdict in (MET, MISSED)}
        found = [
            f"{counts[MET]} statistics are within tolerance, {counts[MISSED]} are not. "
            f"{len(self.rows) - sum(counts.values())} do not count, because a naive model passes them too."
        ]
        if few := sum(row.simulated() is None for row in self.rows):
            found.append(f"{few} of the {counts[MISSED]} that are not have too few values to be measured.")
        if (worlds := len(self.seeds)) > 1:
            found.append(f"Within tolerance means: in at least {math.ceil(HOLDS * worlds - 1e-9)} of {worlds} worlds.")
        if narrow := [row.statistic.name for row in self.rows if row.narrow]:
            found.append(f"A naive model nearly passes {', '.join(narrow)}: little weight should rest on these.")
        return found

    def __repr__(self) -> str:
        return f"<Realism of {self.name}: {self.words[0]}>"

    def _repr_html_(self) -> str:
        columns = ["name", "simulated", "target", "distance", "tolerance", "within", "verdict"]
        return fragment([self.name, *self.words], {"Statistics": self.table[columns]})


def realism(
    source: ScenarioLike | World | Log = "realism",
    *,
    targets: str | Path | None = None,
    trace: str | Path | None = None,
    columns: Sequence[str] = (),
    seeds: SeedsLike = 1,
    progress: Progress = silent,
) -> Realism:
    """Compare simulated worlds, or a log, with published statistics of real platforms or with your own.

    Args:
        source: A scenario, whose worlds are simulated; a world, or a folder written by `simulate` or `inject`; or a log
            read by `read_log`.
        targets: Your own targets (YAML) instead of the published ones.
        trace: Your own trace (CSV) instead of targets.
        columns: Which columns of the trace are which statistic: texts such as `training.duration=run_s`.
        seeds: Number of worlds (seeds 0 to N-1), or which: a list, or a text such as `"200-211"`. Ignored for a log.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        ScenarioError: The scenario, the targets or the trace is invalid.
        UsageError: The seeds are invalid, or both `targets` and `trace` are given, or `columns` without `trace`.

    Examples:
        >>> import scopedrift as sd
        >>> found = sd.realism(sd.simulate("tiny", seed=0))
        >>> bool(found.table.set_index("name").loc["cloud.never_fail", "distance"] > 0)
        True
    """
    if trace is not None and targets is not None:
        raise UsageError("expected targets or a trace, not both")
    if columns and trace is None:
        raise UsageError("columns need a trace")
    wanted = (
        targets_from(Path(trace), columns)
        if trace is not None
        else load_targets(Path(targets) if targets is not None else None)
    )
    if isinstance(source, Log):
        return Realism(source.name, tuple(agreements([source.log], wanted)))
    chosen = scenario_or_world(source)
    if isinstance(chosen, World):
        return Realism(chosen.name, tuple(agreements([chosen.source.log], wanted)), (chosen.seed,))
    worlds = seeds_of(seeds)
    return Realism(chosen.name, tuple(agreements(_logs(chosen, worlds, progress), wanted)), worlds)


def _logs(scenario: Scenario, seeds: Sequence[int], progress: Progress) -> Iterator[EventLog]:
    for at, seed in enumerate(seeds):
        yield make_world(scenario, seed, part_of(progress, at / len(seeds), 1 / len(seeds))).log
