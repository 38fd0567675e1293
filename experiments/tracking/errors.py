"""What can go wrong with a tracking store, in one sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class TrackingError(Exception):
    """The tracking store cannot be opened or written."""


@contextmanager
def explained(verb: str, uri: str = "") -> Iterator[None]:
    """Turn what MLflow and its database raise into one sentence."""
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
