"""What was run, kept in MLflow: SQLite beside the results by default, `MLFLOW_TRACKING_URI` honoured.

One parent run per invocation, below it one run per scenario and detector with the estimate and the interval
over seeds (`recall`, `recall_low`, `recall_high`), and below that one run per cell where asked for.  The
parent process alone writes, and opens the store before anything runs in parallel; everything goes in batches.

Operating curves are stepped metrics on one grid of false alarms per day, so that step 7 means the same budget
in every run: `curve/false_positives_per_day`, `curve/recall`, `curve/precision`.
"""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

EXPERIMENT: Final = "scopedrift"
DATABASE: Final = "mlflow.db"
BUDGETS: Final = np.geomspace(0.01, 100.0, 21)
"""False alarms per day at the steps of the curve metrics: five a decade."""

_DIGEST_LENGTH: Final = 32
"""MLflow keeps at most 36 characters of a dataset's digest; the whole one is in the run's tags."""
_METRICS_PER_BATCH: Final = 900
_PARAMS_PER_BATCH: Final = 90
_KEYS: Final = ("scenario", "detector", "seed")
_USED: Final = ("cells", "curves", "worlds")


class TrackingError(Exception):
    """The tracking store cannot be opened or written."""


def tracking_uri(folder: Path) -> str:
    """Where runs are tracked: `MLFLOW_TRACKING_URI`, or SQLite in `folder`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / DATABASE).resolve()}"


def database_of(uri: str) -> Path | None:
    """The file behind a SQLite tracking URI."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)).resolve() if uri.startswith(prefix) else None


def quiet_environment() -> dict[str, str]:
    """Settings under which MLflow neither calls home nor talks on stderr (what the user set is kept)."""
    wanted = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


@dataclass(frozen=True)
class Tracker:
    """An open tracking store."""

    client: Any
    uri: str
    experiment: str
    """Id of the experiment."""

    @contextmanager
    def invocation(self, command: str, tags: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator[Invocation]:
        """The parent run of one command; it ends as finished, failed or, on Ctrl-C, killed."""
        started = _now()
        with _told("write to"):
            run = self.client.create_run(
                self.experiment,
                start_time=started,
                run_name=command,
                tags=_tags({"command": command, **tags}) | _source(command),
            )
            _log(self.client, run.info.run_id, params=params)
        parent = Invocation(self, run.info.run_id, started)
        status = "FAILED"
        try:
            yield parent
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            with _told("write to") if status == "FINISHED" else suppress(Exception):
                self.client.set_terminated(parent.run_id, status)


@dataclass(frozen=True)
class Invocation:
    """The parent run of one command, and what is written below it."""

    tracker: Tracker
    run_id: str
    started: int

    def log_results(
        self,
        tables: Mapping[str, pd.DataFrame],
        *,
        params: Mapping[str, Any] | None = None,
        detectors: Mapping[str, Mapping[str, Any]] | None = None,
        cells: bool = False,
    ) -> dict[tuple[str, str], str]:
        """One run per scenario and detector of `tables["summary"]`; with `cells`, one per cell below it.

        `params` hold for all runs, `detectors` are the parameters of each detector.  Uses the tables
        `summary` and `cells`, and `curves` and `worlds` where given.  Returns the run ids by (scenario, detector).
        """
        runs: dict[tuple[str, str], str] = {}
        with _told("write to"):
            for row in tables["summary"].to_dict("records"):
                scenario, detector = str(row["scenario"]), str(row["detector"])
                mine = {name: _of(tables[name], scenario, detector) for name in _USED if name in tables}
                own = {**(params or {}), **_prefixed((detectors or {}).get(detector, {}))}
                runs[scenario, detector] = self._log_pair(scenario, detector, row, mine, own, cells)
        return runs

    def _log_pair(
        self,
        scenario: str,
        detector: str,
        row: Mapping[Any, Any],
        tables: Mapping[str, pd.DataFrame],
        params: Mapping[str, Any],
        each_cell: bool,
    ) -> str:
        """The run of one detector on one scenario."""
        client, cells = self.tracker.client, tables["cells"]
        worlds = tables.get("worlds")
        ended = _now()
        seconds = float(cells["score_seconds"].fillna(0).sum()) if "score_seconds" in cells else 0.0
        tags = {"scenario": scenario, "detector": detector, **_facts(cells), **_digests(worlds)}
        run = client.create_run(
            self.tracker.experiment,
            start_time=ended - round(1000 * seconds),
            run_name=f"{detector} on {scenario}",
            tags=_tags(tags) | _source("scopedrift") | {"mlflow.parentRunId": self.run_id},
        )
        run_id: str = run.info.run_id
        _log(
            client,
            run_id,
            metrics=[*_metrics(row), *_curve(tables.get("curves"))],
            params={"scenario": scenario, "detector": detector, **params},
        )
        _log_worlds(client, run_id, scenario, worlds)
        if each_cell:
            for cell in cells.to_dict("records"):
                self._log_cell(run_id, cell, _of_seed(worlds, cell["seed"]))
        failed = bool(len(cells)) and bool((cells["status"] == "failed").all())
        client.set_terminated(run_id, "FAILED" if failed else "FINISHED", ended)
        return run_id

    def _log_cell(self, parent: str, cell: Mapping[Any, Any], world: pd.DataFrame | None) -> None:
        """The run of one cell."""
        client = self.tracker.client
        ended = _now()
        seconds = float(cell.get("score_seconds") or 0.0)
        wanted = ("scenario", "detector", "seed", "status", "reason", "knowledge")
        texts = {name: cell[name] for name in wanted if not _absent(cell.get(name))}
        run = client.create_run(
            self.tracker.experiment,
            start_time=ended - round(1000 * (seconds if math.isfinite(seconds) else 0.0)),
            run_name=f"{cell['detector']} on {cell['scenario']}, seed {cell['seed']}",
            tags=_tags({**texts, "level": "cell"}) | {"mlflow.parentRunId": parent},
        )
        run_id: str = run.info.run_id
        _log(client, run_id, metrics=_metrics(cell), params={name: cell[name] for name in _KEYS})
        _log_worlds(client, run_id, str(cell["scenario"]), world)
        client.set_terminated(run_id, "FAILED" if cell.get("status") == "failed" else "FINISHED", ended)

    def log_steps(self, metrics: Mapping[str, Sequence[float]]) -> None:
        """Log series of numbers as stepped metrics of the parent run; NaN is left out."""
        rows = [(name, v, step) for name, values in metrics.items() for step, v in enumerate(values) if v == v]
        with _told("write to"):
            _log(self.tracker.client, self.run_id, metrics=rows)

    def log_files(self, files: Iterable[Path], folder: str | None = None, run_id: str | None = None) -> None:
        """Attach files (the report, plots, tables) to the parent run, or to another one."""
        with _told("write to"):
            for file in files:
                self.tracker.client.log_artifact(run_id or self.run_id, str(file), folder)


def open_tracker(folder: Path) -> Tracker:
    """Open the tracking store, and make it if it is new.  Call it before anything runs in parallel.

    Raises `TrackingError` with one readable sentence if the store cannot be reached.
    """
    os.environ.update(quiet_environment())
    uri = tracking_uri(folder)
    database = database_of(uri)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    with _told("open", uri):
        if database:
            database.parent.mkdir(parents=True, exist_ok=True)
            _tune(database)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        client = MlflowClient(tracking_uri=uri)
        if client.get_experiment_by_name(name) is None:
            place = (database.parent / "artifacts").as_uri() if database else None
            with suppress(MlflowException):  # another process was faster
                client.create_experiment(name, artifact_location=place)
        experiment = client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage != "active":
            raise OSError(f"experiment {name!r} cannot be made or was deleted; MLFLOW_EXPERIMENT_NAME names another")
        return Tracker(client, uri, experiment.experiment_id)


@cache
def _tune(database: Path) -> None:
    """Write-ahead logging for every connection to the database: the UI reads while we write, and a commit need not
    wait for the disk (only the last runs could be lost, and only if the machine itself goes down)."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def connected(connection: Any, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            with suppress(sqlite3.Error):
                if connection.execute("PRAGMA database_list").fetchone()[2] == str(database):
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(Engine, "connect", connected)


@contextmanager
def _told(verb: str, uri: str = "") -> Iterator[None]:
    """Turns what MLflow and its database raise into one sentence."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise TrackingError(f"MLflow cannot be imported: {error}") from error
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError) as error:
        where = f" {uri}" if uri else ""
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TrackingError(f"cannot {verb} the tracking store{where}: {reason}") from error


def _now() -> int:
    return time.time_ns() // 1_000_000


def _log(
    client: Any,
    run_id: str,
    *,
    metrics: Sequence[tuple[str, float, int]] = (),
    params: Mapping[str, Any] | None = None,
) -> None:
    """Write metrics (name, value, step) and parameters in as few batches as MLflow allows."""
    from mlflow.entities import Metric, Param

    now = _now()
    rows = [Metric(name, value, now, step) for name, value, step in metrics]
    pairs = [Param(name, _text(value)) for name, value in (params or {}).items() if value is not None]
    while rows or pairs:
        client.log_batch(run_id, metrics=rows[:_METRICS_PER_BATCH], params=pairs[:_PARAMS_PER_BATCH])
        rows, pairs = rows[_METRICS_PER_BATCH:], pairs[_PARAMS_PER_BATCH:]


def _metrics(row: Mapping[Any, Any]) -> list[tuple[str, float, int]]:
    """The finite numbers of a table's row; NaN ("not reached", "nothing alerted") is not logged."""
    numbers = []
    for name, value in row.items():
        if name in _KEYS or isinstance(value, str) or not isinstance(value, (bool, int, float, np.number, np.bool_)):
            continue
        if math.isfinite(number := float(value)):
            numbers.append((str(name), number, 0))
    return numbers


def _curve(curves: pd.DataFrame | None) -> list[tuple[str, float, int]]:
    """The operating curve on the grid `BUDGETS`: means over seeds of the best recall within each budget."""
    if curves is None or not len(curves):
        return []
    recalls, precisions = [], []
    for _, points in curves.groupby("seed"):
        points = points.sort_values(["false_positives_per_day", "recall"])
        recall = points["recall"].to_numpy(float)
        best = np.maximum.accumulate(np.nan_to_num(recall, nan=-1.0))
        first = np.searchsorted(best, best)  # the cheapest point that reaches the best recall so far
        at = np.searchsorted(points["false_positives_per_day"].to_numpy(float), BUDGETS, side="right") - 1
        recalls.append(np.where(at >= 0, np.maximum(best[at], 0.0), 0.0))
        precisions.append(np.where(at >= 0, points["precision"].to_numpy(float)[first[at]], np.nan))
    recall, counts = np.mean(recalls, axis=0), np.sum(np.isfinite(precisions), axis=0)
    precision = np.nansum(precisions, axis=0) / np.maximum(counts, 1)
    rows: list[tuple[str, float, int]] = []
    for step, budget in enumerate(BUDGETS):
        rows.append(("curve/false_positives_per_day", float(budget), step))
        rows.append(("curve/recall", float(recall[step]), step))
        if counts[step]:
            rows.append(("curve/precision", float(precision[step]), step))
    return rows


def _log_worlds(client: Any, run_id: str, scenario: str, worlds: pd.DataFrame | None) -> None:
    """The simulated worlds as a dataset input, under our own digest (hashing a frame would take seconds)."""
    if worlds is None or not len(worlds):
        return
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag

    digests = {str(row["seed"]): str(row["digest"]) for row in worlds.to_dict("records")}
    source = CodeDatasetSource(tags={"scenario": scenario, "scopedrift": version("scopedrift"), "digests": digests})
    name = scenario if len(digests) > 1 else f"{scenario}-seed-{next(iter(digests))}"
    digest = combined_digest(digests.values())[:_DIGEST_LENGTH]
    dataset = MetaDataset(source, name=name, digest=digest)  # type: ignore[abstract]  # it lacks `profile`, unused
    context = InputTag("mlflow.data.context", "evaluation")
    client.log_inputs(run_id, datasets=[DatasetInput(dataset._to_mlflow_entity(), [context])])


def combined_digest(digests: Iterable[str]) -> str:
    """One digest for several worlds: that of the only one, or a hash over all, whatever their order."""
    from hashlib import sha256

    parts = sorted(set(digests))
    return parts[0] if len(parts) == 1 else sha256("\n".join(parts).encode()).hexdigest()


def _digests(worlds: pd.DataFrame | None) -> dict[str, str]:
    if worlds is None or not len(worlds):
        return {}
    return {"digest": combined_digest(worlds["digest"].astype(str))}


def _facts(cells: pd.DataFrame) -> dict[str, str]:
    """What the cells of one run have in common."""
    facts = {"seeds": ",".join(str(seed) for seed in cells["seed"]), "level": "summary"}
    for name in ("knowledge", "reason"):
        if name in cells and (texts := sorted({str(text) for text in cells[name].dropna() if str(text)})):
            facts[name] = "; ".join(texts)
    return facts


def _of(table: pd.DataFrame, scenario: str, detector: str) -> pd.DataFrame:
    """The rows of a table that concern one scenario and, where it has such a column, one detector."""
    for name, value in (("scenario", scenario), ("detector", detector)):
        if name in table:
            table = table[table[name] == value]
    return table


def _of_seed(table: pd.DataFrame | None, seed: Any) -> pd.DataFrame | None:
    return None if table is None else table[table["seed"] == seed]


def _tags(tags: Mapping[str, Any]) -> dict[str, str]:
    known = {"version": version("scopedrift"), **tags}
    return {name: _text(value) for name, value in known.items() if value is not None}


def _absent(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _prefixed(params: Mapping[str, Any]) -> dict[str, Any]:
    return {f"detector.{name}": value for name, value in params.items()}


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(str(part) for part in (sorted(value) if isinstance(value, (set, frozenset)) else value))
    return str(value)


def _source(command: str) -> dict[str, str]:
    """MLflow's own tags for where a run came from."""
    commit = git_commit()
    source = {"mlflow.source.name": command, "mlflow.source.type": "LOCAL"}
    return source | ({"mlflow.source.git.commit": commit} if commit else {})


@cache
def git_commit() -> str | None:
    """The commit that is checked out in the current folder, if it is in a Git repository."""
    with suppress(OSError, subprocess.SubprocessError):
        command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=True).stdout.strip()
    return None
