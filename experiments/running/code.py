"""What results depend on beside the scenario and the seed: the code of this package, and that of a detector.

Whatever is kept from one command to the next (cells of a sweep, trials of a search) is kept under these.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation.placement import as_asked, place
from scopedrift.detectors.sources import named_files


@cache
def sources() -> str:
    """SHA-256 (hexadecimal) of this package's code and data, except reports and the command line: what is being
    developed changes without its version."""
    digest = hashlib.sha256()
    for package in ("scenarios", "simulator", "detectors", "experiments"):
        folder = Path(str(files(f"scopedrift.{package}")))
        for file in sorted([*folder.rglob("*.py"), *folder.rglob("*.yaml")]):
            if not {"cli", "suites", "claims", "library"}.intersection(file.parts):
                digest.update(f"{file.relative_to(folder)}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def code_of(spec: str, placed: Detector | None = None) -> str:
    """What makes a detector what it is: its parameters, the files that its text names, and its own source.

    `placed` is the detector that `spec` asks for, if it was made already: to make another may start a process.
    Raises `SpecError` if there is no such detector.
    """
    detector = placed or place(spec)
    given = json.dumps(detector.parameters(), sort_keys=True, default=str)
    if spec != as_asked(spec):  # a result that was made in this process never stands for one that was isolated
        given += f" {spec}"
    named = b"".join(path.read_bytes() for path in named_files(spec))
    if not type(detector).__module__.startswith("scopedrift."):
        with suppress(OSError, TypeError):
            named += Path(inspect.getfile(type(detector))).read_bytes()
    return f"{given} {hashlib.sha256(named).hexdigest()}" if named else given
