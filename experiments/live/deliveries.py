"""Whose alerts are where: names in results, and the files of each.

A text may be `NAME=PATH`, and a path may have `*` and `?`.  Files of one name are the alerts of one system.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import urlsplit

from scopedrift.detectors.registry import reference
from scopedrift.experiments.errors import UsageError
from scopedrift.simulator.records.reading.stores import is_address

AlertsLike = str | Path | Sequence[str | Path] | Mapping[str, str | Path | Sequence[str | Path]]
"""Files of alerts: one, several, or by the names of the systems that raised them."""
_NAMED: Final = re.compile(r"([^=/\\]{1,100})=(.+)", re.DOTALL)
_SUFFIXES: Final = re.compile(r"(\.(json|jsonl|ndjson|log|csv|tsv|txt|gz|parquet|sarif))+$", re.IGNORECASE)


def named_files(alerts: AlertsLike) -> dict[str, list[str | Path]]:
    """The files of each system, by its name.

    Raises `UsageError` for none at all, for two systems of one name, and for the name of a reference.
    """
    found: dict[str, list[str | Path]] = {}
    nameless: dict[str, str | Path] = {}
    for name, path in _given(alerts):
        called = name or _stem(path)
        if name is None and nameless.setdefault(called, path) != path:
            raise UsageError(f"{nameless[called]} and {path} are both called {called!r}: give names, as NAME=PATH")
        if path not in (mine := found.setdefault(called, [])):
            mine.append(path)
    if not found:
        raise UsageError("expected files of alerts")
    if taken := next(filter(reference, found), None):
        raise UsageError(f"{taken!r} is the name of a reference: give the alerts another, as NAME=PATH")
    return found


def _given(alerts: AlertsLike) -> Iterator[tuple[str | None, str | Path]]:
    if isinstance(alerts, Mapping):
        for name, paths in alerts.items():
            for path in [paths] if isinstance(paths, str | Path) else paths:
                yield from ((name, each) for each in _matching(path))
        return
    for given in [alerts] if isinstance(alerts, str | Path) else alerts:
        named = _NAMED.fullmatch(given) if isinstance(given, str) and not os.path.lexists(given) else None
        for each in _matching(named[2] if named else given):
            yield (named[1] if named else None), each


def _matching(path: str | Path) -> list[str | Path]:
    """The files that a path with `*` or `?` means; itself, if it has none or is there."""
    text = str(path)
    if is_address(path) or os.path.lexists(text) or not glob.has_magic(text):
        return [path]
    found = sorted(glob.glob(text, recursive=True))
    if not found:
        raise UsageError(f"{text}: no file has such a name")
    return list(found)


def _stem(path: str | Path) -> str:
    name = PurePath(urlsplit(str(path)).path if is_address(path) else os.path.abspath(path)).name
    return _SUFFIXES.sub("", name) or name
