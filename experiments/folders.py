"""Results appear whole or not at all: they are written beside their place and then renamed into it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from scopedrift.experiments.errors import UsageError

RUNS: Final = Path("runs")
"""Where results go unless told otherwise, and where they are tracked."""


def run_folder(name: str, started: datetime) -> Path:
    """A new folder for results: `runs/<name>-<UTC time>`."""
    return RUNS / f"{name}-{started:%Y%m%dT%H%M%SZ}"


@contextmanager
def new_folder(place: Path, marker: str) -> Iterator[Path]:
    """A folder to write into, which becomes `place` when the block ends well and vanishes when it does not.

    An earlier result at `place` (recognised by its file `marker`) or an empty folder is replaced.
    Raises `UsageError` if anything else is there, before any work is done.
    """
    place = place.absolute()
    _refuse_foreign(place, marker)
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (place.with_name(f".{place.name}.{os.getpid()}.{part}") for part in ("part", "old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        yield fresh
        _refuse_foreign(place, marker)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _refuse_foreign(place: Path, marker: str) -> None:
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise UsageError(f"{place} is there and is not a folder: name another one")
    if place.is_dir() and any(place.iterdir()) and not (place / marker).is_file():
        raise UsageError(f"{place} holds other files, which are not overwritten: name another folder")
