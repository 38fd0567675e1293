"""Errors of a tracking store, in one sentence each."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


class TrackingError(Exception):
    """The tracking store cannot be opened or written."""


def masked(text: str) -> str:
    """The text without the passwords of addresses in it: `postgresql://me:***@host/db`."""
    return re.sub(r"(://[^/\s:@]*):[^/\s@]*@", r"\1:***@", text)


@contextmanager
def explained(verb: str, uri: str = "") -> Iterator[None]:
    """Turn errors of MLflow and its database into one sentence."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise TrackingError(f"MLflow cannot be imported: {error}") from error
    try:
        yield
    except (MlflowException, SQLAlchemyError, sqlite3.Error, OSError, ImportError) as error:
        where = f" {uri}" if uri else ""
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise TrackingError(masked(f"cannot {verb} the tracking store{where}: {reason}")) from error
