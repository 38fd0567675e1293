"""A trap for detectors that look for the truth: planted files, planted objects, and an audit hook.

While a `Watch` is open, the working directory holds the truth files that a saved run would have (with labels
that differ between two watches), the caller's frame holds a truth object, and every attempt to open such a file,
to list all objects, to read that object or to load what simulates worlds is noted.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from scopedrift.simulator.log.events import Array
from scopedrift.simulator.log.truth import Truth

_FILES = re.compile(r"truth.*|(incidents?|labels?)\b.*\.(parquet|json|csv|npy|arrow|feather)", re.IGNORECASE)
_EVENTS = ("gc.get_objects", "gc.get_referrers", "gc.get_referents", "sys._current_frames")
_SIMULATES = (
    "scopedrift.simulator.engine",
    "scopedrift.worlds",
    "scopedrift.judging",
    "scopedrift.experiments.running",
)
"""Modules that make worlds; while a watch is open they are not loaded, so that loading one is noticed."""
_open: list[Watch] = []


class Watch:
    """Context manager: plants truth, and notes in `seen` every attempt to look for it."""

    def __init__(self, events: int, *, swap: bool = False) -> None:
        self.seen: list[str] = []
        self._events = events
        self._swap = swap

    def __enter__(self) -> Self:
        _install()
        self._home = os.getcwd()
        self._folder = tempfile.TemporaryDirectory()
        label = np.zeros(self._events, np.int8)
        label[int(self._swap) :: 2] = 3
        self._plant(Path(self._folder.name), label)
        os.chdir(self._folder.name)
        self.truth = _Bait(event=np.flatnonzero(label), label=label[label > 0])
        object.__setattr__(self.truth, "watch", self)
        simulates = [name for name in sys.modules if name.startswith(_SIMULATES)]
        self._loaded = {name: sys.modules.pop(name) for name in simulates}
        _open.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        _open.remove(self)
        sys.modules.update(self._loaded)
        os.chdir(self._home)
        self._folder.cleanup()

    def _plant(self, folder: Path, label: Array) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({"event": np.arange(len(label)), "label": label})
        pq.write_table(table, folder / "truth.parquet")
        (folder / "incidents.json").write_text(json.dumps(np.flatnonzero(label).tolist()))
        np.save(folder / "truth.npy", label)
        (folder / "manifest.json").write_text("{}")


class _Bait(Truth):
    """A truth that notes every attempt to read it."""

    def __getattribute__(self, name: str) -> object:
        if name in ("event", "label", "incident", "stage", "incidents", "labels", "incident_of"):
            watch = object.__getattribute__(self, "__dict__").get("watch")
            if watch in _open:
                watch.seen.append(f"read `{name}` of a truth object that it was not given")
        return object.__getattribute__(self, name)


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if not _open:
        return
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        name = os.path.basename(os.fsdecode(arguments[0]))
        if _FILES.match(name):
            _open[-1].seen.append(f"opened the file {name}")
    elif event == "import" and str(arguments[0]).startswith(_SIMULATES):
        _open[-1].seen.append(f"loaded {arguments[0]}, with which a world can be simulated again")
    elif event in _EVENTS:
        _open[-1].seen.append(f"called {event}")


_installed = False


def _install() -> None:
    """An audit hook cannot be removed: there is one, and it sleeps while no watch is open."""
    global _installed
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True
