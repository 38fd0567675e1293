"""Runs as MLflow keeps them: one per invocation, below it one per scenario and detector, below that one per cell.

The parent process alone writes; everything goes in batches.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from scopedrift.experiments.tracking import entries
from scopedrift.experiments.tracking.errors import explained

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

Values = Mapping[str, object]
"""Parameters or tags by name."""
_USED: Final = ("cells", "curves", "worlds")


@dataclass(frozen=True)
class Tracker:
    """An open tracking store."""

    client: MlflowClient
    uri: str
    experiment: str
    """Id of the experiment."""

    @contextmanager
    def invocation(self, command: str, tags: Values, params: Values) -> Iterator[Invocation]:
        """The parent run of one command; it ends as finished, failed or, on Ctrl-C, killed."""
        with explained("write to"):
            texts = entries.tags_of({"command": command, **tags}) | entries.source_of(command)
            run = self.client.create_run(self.experiment, start_time=entries.now(), run_name=command, tags=texts)
            entries.log(self.client, run.info.run_id, params=params)
        status = "FAILED"
        try:
            yield Invocation(self, run.info.run_id)
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            with explained("write to") if status == "FINISHED" else suppress(Exception):
                self.client.set_terminated(run.info.run_id, status)


@dataclass(frozen=True)
class Invocation:
    """The parent run of one command, and what is written below it."""

    tracker: Tracker
    run_id: str

    def log_results(
        self,
        tables: Mapping[str, pd.DataFrame],
        *,
        params: Values | None = None,
        detectors: Mapping[str, Values] | None = None,
        cells: bool = False,
    ) -> dict[tuple[str, str], str]:
        """One run per scenario and detector of `tables["summary"]`; with `cells`, one per cell below it.

        `params` hold for all runs, `detectors` are the parameters of each detector.  Uses the tables
        `summary` and `cells`, and `curves` and `worlds` where given.  Returns the run ids by (scenario, detector).
        """
        runs: dict[tuple[str, str], str] = {}
        with explained("write to"):
            for row in tables["summary"].to_dict("records"):
                scenario, detector = str(row["scenario"]), str(row["detector"])
                mine = {name: _where(tables[name], scenario, detector) for name in _USED if name in tables}
                own = {f"detector.{name}": value for name, value in (detectors or {}).get(detector, {}).items()}
                runs[scenario, detector] = self._log_detector(row, mine, {**(params or {}), **own}, cells)
        return runs

    def log_params(self, params: Mapping[str, object]) -> None:
        """Log parameters of the parent run."""
        with explained("write to"):
            entries.log(self.tracker.client, self.run_id, params=params)

    def log_steps(self, metrics: Mapping[str, Sequence[float]]) -> None:
        """Log series of numbers as stepped metrics of the parent run; NaN is left out."""
        rows = [(name, v, step) for name, values in metrics.items() for step, v in enumerate(values) if v == v]
        with explained("write to"):
            entries.log(self.tracker.client, self.run_id, metrics=rows)

    def log_files(self, files: Iterable[Path], folder: str | None = None) -> None:
        """Attach files (the report, plots, tables)."""
        with explained("write to"):
            for file in files:
                self.tracker.client.log_artifact(self.run_id, str(file), folder)

    def _log_detector(
        self, row: Mapping[Hashable, object], tables: Mapping[str, pd.DataFrame], params: Values, each_cell: bool
    ) -> str:
        """The run of one detector on one scenario."""
        scenario, detector = str(row["scenario"]), str(row["detector"])
        cells, worlds = tables["cells"], tables.get("worlds")
        seconds = float(cells["score_seconds"].fillna(0).sum()) if "score_seconds" in cells else 0.0
        key = {"scenario": scenario, "detector": detector}
        tags = {**key, **entries.facts_of(cells), **entries.digest_of(worlds), **entries.source_of("scopedrift")}
        failed = bool(len(cells)) and bool((cells["status"] == "failed").all())
        with self._child(self.run_id, f"{detector} on {scenario}", tags, seconds, failed) as run_id:
            numbers = [*entries.metrics_of(row), *entries.curve_of(tables.get("curves"))]
            entries.log(self.tracker.client, run_id, metrics=numbers, params={**key, **params})
            entries.log_worlds(self.tracker.client, run_id, scenario, worlds)
            for cell in cells.to_dict("records") if each_cell else ():
                self._log_cell(run_id, cell, None if worlds is None else worlds[worlds["seed"] == cell["seed"]])
        return run_id

    def _log_cell(self, parent: str, cell: Mapping[Hashable, object], world: pd.DataFrame | None) -> None:
        """The run of one cell."""
        wanted = ("scenario", "detector", "seed", "status", "reason", "knowledge")
        texts = {name: cell[name] for name in wanted if cell.get(name) not in (None, "") and cell[name] == cell[name]}
        seconds = cell.get("score_seconds")
        seconds = seconds if isinstance(seconds, float) and math.isfinite(seconds) else 0.0
        name = f"{cell['detector']} on {cell['scenario']}, seed {cell['seed']}"
        failed = cell.get("status") == "failed"
        with self._child(parent, name, {**texts, "level": "cell"}, seconds, failed) as run_id:
            numbers, key = entries.metrics_of(cell), {name: cell[name] for name in entries.KEYS}
            entries.log(self.tracker.client, run_id, metrics=numbers, params=key)
            entries.log_worlds(self.tracker.client, run_id, str(cell["scenario"]), world)

    @contextmanager
    def _child(self, parent: str, name: str, tags: Values, seconds: float, failed: bool) -> Iterator[str]:
        """A run below another, which took so long and ended now."""
        client, ended = self.tracker.client, entries.now()
        texts = entries.tags_of(tags) | {"mlflow.parentRunId": parent}
        start = ended - round(1000 * seconds)
        run = client.create_run(self.tracker.experiment, start_time=start, run_name=name, tags=texts)
        yield run.info.run_id
        client.set_terminated(run.info.run_id, "FAILED" if failed else "FINISHED", ended)


def _where(table: pd.DataFrame, scenario: str, detector: str) -> pd.DataFrame:
    """The rows of a table that concern one scenario and, where it has such a column, one detector."""
    for name, value in (("scenario", scenario), ("detector", detector)):
        if name in table:
            table = table[table[name] == value]
    return table
