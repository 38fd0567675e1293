"""The SQLite file of a tracking store: it appears whole or not at all, and its artifacts move with it.

A new database is made beside its place and renamed, under the lock of its folder, so that two first runs share one
store and a killed one leaves none.  What an older version left half made holds no run: it is set aside.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

from scopedrift.experiments.folders import locked

BESIDE: Final = "scopedrift.artifacts"
"""Tag of an experiment whose artifacts lie beside the database; it holds the place where they were last."""
log = logging.getLogger("scopedrift")


def prepare(database: Path) -> None:
    """Make the database if it is new, set it aside if it is unusable, and follow it if it was moved.

    Raises what MLflow and SQLite raise; `OSError` where the file is a database of another program.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with locked(database.parent):
        for left in database.parent.glob(f".{database.name}.*.part"):  # of processes that were killed
            shutil.rmtree(left)
        if database.exists() and not _usable(database):
            aside = _free_name(database.with_name(f"{database.name}.broken"))
            for suffix in ("", "-wal", "-shm"):
                part = database.with_name(database.name + suffix)
                if part.exists():
                    part.rename(aside.with_name(aside.name + suffix))
            log.warning("%s is no usable tracking store: kept as %s, and a new one made", database, aside.name)
        if not database.exists():
            _make(database)
        _follow(database)


def artifacts_of(database: Path) -> str:
    """The address of the artifacts that lie beside a database."""
    return (database.parent / "artifacts").as_uri()


def _make(database: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{database.name}.", suffix=".part", dir=database.parent) as folder:
        fresh = Path(folder) / database.name
        _open(fresh)
        os.replace(fresh, database)


def _open(database: Path) -> None:
    """Let MLflow make or check the tables."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=f"sqlite:///{database}").search_experiments(max_results=1)


def _usable(database: Path) -> bool:
    """Whether the file is a tracking store, or one that MLflow itself can complain about without losing anything."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        with closing(sqlite3.connect(database)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "runs" in tables and connection.execute("SELECT count(*) FROM runs").fetchone()[0]:
                return True
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorname in ("SQLITE_NOTADB", "SQLITE_CORRUPT"):
            return False
        raise
    if not tables:
        return False
    if not tables & {"experiments", "alembic_version"}:
        raise OSError(f"{database} is a database of another program: name another folder")
    with tempfile.TemporaryDirectory() as folder:  # a copy: MLflow keeps connections to what it has opened
        copy = Path(folder) / database.name
        for suffix in ("", "-wal"):
            if (part := database.with_name(database.name + suffix)).exists():
                shutil.copyfile(part, copy.with_name(copy.name + suffix))
        try:
            _open(copy)
        except (MlflowException, SQLAlchemyError):
            return False
    return True


def _follow(database: Path) -> None:
    """Rewrite the addresses of artifacts that lie beside the database, if its folder was moved or copied."""
    here = artifacts_of(database)
    with closing(sqlite3.connect(database)) as connection, connection:
        query = "SELECT DISTINCT value FROM experiment_tags WHERE key = ? AND value <> ?"
        for (old,) in connection.execute(query, (BESIDE, here)).fetchall():
            for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?)"
                    f" WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (here, len(old) + 1, old, len(old) + 1, f"{old}/"),
                )
            connection.execute("UPDATE experiment_tags SET value = ? WHERE key = ? AND value = ?", (here, BESIDE, old))


def _free_name(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number, free = number + 1, path.with_name(f"{path.name}-{number}")
    return free
