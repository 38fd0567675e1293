"""Cells by content, and the store that keeps finished ones.

A cell's key is a hash of all that its result depends on: the scenario's digest, the seed, the detector with its
parameters (and its source, if it is a file of the user's), and this package's version and sources.  So a changed
scenario or detector runs again and nothing else does.  The store is one SQLite file that the parent process alone
writes, a transaction per world: a sweep that is killed has each cell whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from scopedrift.experiments.evaluation.tables import Tables, restored
from scopedrift.experiments.running.code import sources
from scopedrift.reports.columns import PER_CELL, TABLES
from scopedrift.scenarios.release import release

if TYPE_CHECKING:
    import pandas as pd

STORE: Final = "cells.sqlite"

Plain = dict[str, dict[str, list[Any]]]
"""Values by table and column: times in microseconds, missing values as None."""


@dataclass(frozen=True)
class Cell:
    """One scenario (by its label), seed and detector (as it was asked for, and as results call it)."""

    label: str
    digest: str
    """Of the scenario."""
    seed: int
    detector: str
    name: str
    code: str
    """What the detector's result depends on: its parameters and, if it is no part of this package, its source."""

    @property
    def key(self) -> str:
        """SHA-256 (hexadecimal) of the cell's content."""
        content = [release(), sources(), self.label, self.digest, self.seed, self.name, self.code]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def packed(tables: Tables) -> bytes:
    """The tables of one cell as compressed JSON: exact (floats round-trip), and nothing that could be executed."""
    return zlib.compress(json.dumps(plain(tables), separators=(",", ":")).encode(), 3)


def unpacked(payload: bytes) -> Plain:
    """The tables that were packed, as plain lists."""
    content: Plain = json.loads(zlib.decompress(payload))
    return content


def joined(parts: Iterable[Plain]) -> Tables:
    """The tables of many cells, each as one: making a table costs more than what a single cell puts into it."""
    together: dict[str, dict[str, list[Any]]] = {name: {column: [] for column in TABLES[name]} for name in PER_CELL}
    for part in parts:
        for name, columns in together.items():
            held = part.get(name, {})
            rows = len(next(iter(held.values()), ()))
            for column, values in columns.items():
                values += held.get(column, [None] * rows)
    return {name: restored(name, columns) for name, columns in together.items()}


def plain(tables: Tables) -> Plain:
    """Tables as lists by table and column, of what JSON has."""
    return {name: _plain(tables[name]) for name in PER_CELL}


def _plain(table: pd.DataFrame) -> dict[str, list[Any]]:
    columns = {}
    for name in table.columns:
        column = table[name]
        if column.dtype.kind == "M":
            stamps = column.astype("datetime64[us, UTC]").astype("int64").tolist()
            columns[name] = [None if missing else at for at, missing in zip(stamps, column.isna(), strict=True)]
        else:
            columns[name] = [None if value is None or value != value else value for value in column.tolist()]
    return columns


class Store:
    """Finished cells by key, in one file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / STORE)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute("CREATE TABLE IF NOT EXISTS cells (key TEXT PRIMARY KEY, tables BLOB NOT NULL)")
        self._database.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._database.close()

    def finished(self) -> set[str]:
        """The keys of all finished cells."""
        return {key for (key,) in self._database.execute("SELECT key FROM cells")}

    def add(self, results: Mapping[str, bytes]) -> None:
        """Keep the packed tables of some cells: all of them or none."""
        with self._database:
            self._database.executemany("INSERT OR REPLACE INTO cells VALUES (?, ?)", results.items())

    def get(self, key: str) -> Plain:
        """The tables of a finished cell."""
        (payload,) = self._database.execute("SELECT tables FROM cells WHERE key = ?", (key,)).fetchone()
        return unpacked(payload)
