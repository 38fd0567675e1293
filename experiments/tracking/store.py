"""The tracking store: SQLite beside the results by default, `MLFLOW_TRACKING_URI` honoured.

MLflow is imported when a store is opened, and neither calls home nor talks on stderr.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from scopedrift.experiments.tracking.database import BESIDE, artifacts_of, prepare
from scopedrift.experiments.tracking.errors import explained
from scopedrift.experiments.tracking.processes import end_of_the_dead
from scopedrift.experiments.tracking.runs import Tracker

EXPERIMENT: Final = "scopedrift"
DATABASE: Final = "mlflow.db"


def tracking_uri(folder: Path) -> str:
    """Where runs are tracked: `MLFLOW_TRACKING_URI`, or SQLite in `folder`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / DATABASE).resolve()}"


def database_of(uri: str) -> Path | None:
    """The file behind a SQLite tracking URI."""
    prefix = "sqlite:///"
    return Path(uri.removeprefix(prefix)).resolve() if uri.startswith(prefix) else None


def quiet_environment() -> dict[str, str]:
    """Settings under which MLflow neither calls home nor talks on stderr (what the user set is kept)."""
    home = os.path.expanduser("~")  # stays `~` for a user whom the system does not know; MLflow needs a folder
    wanted = {
        "HOME": os.sep if home == "~" else home,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_DISABLE_AGENT_HINT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def open_tracker(folder: Path) -> Tracker:
    """Open the tracking store, and make it if it is new.  Call it before anything runs in parallel.

    Raises `TrackingError` with one readable sentence if the store cannot be reached.
    """
    os.environ.update(quiet_environment())
    uri = tracking_uri(folder)
    database = database_of(uri)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    with explained("open", uri):
        for logger in ("mlflow", "alembic"):
            logging.getLogger(logger).setLevel(logging.ERROR)
        if database:
            prepare(database)
            _write_ahead(database)
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient(tracking_uri=uri)
        if client.get_experiment_by_name(name) is None:
            place = artifacts_of(database) if database else None
            with suppress(MlflowException):  # another process was faster
                client.create_experiment(name, artifact_location=place, tags={BESIDE: place} if place else None)
        experiment = client.get_experiment_by_name(name)
        if experiment is None or experiment.lifecycle_stage != "active":
            raise OSError(f"experiment {name!r} cannot be made or was deleted; MLFLOW_EXPERIMENT_NAME names another")
        end_of_the_dead(client, experiment.experiment_id)
        return Tracker(client, uri, experiment.experiment_id)


@cache
def _write_ahead(database: Path) -> None:
    """Write-ahead logging for every connection to the database: the UI reads while we write, and a commit need not
    wait for the disk (only the last runs could be lost, and only if the machine itself goes down)."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def connected(connection: object, _: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            with suppress(sqlite3.Error):
                if connection.execute("PRAGMA database_list").fetchone()[2] == str(database):
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=NORMAL")

    event.listen(Engine, "connect", connected)
