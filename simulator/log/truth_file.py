"""Ground truth on disk, beside a log: `truth.parquet` (one row for each injected event) and `truth.json` (incidents).

A folder with both the log's and the truth's files is a world on which detectors can be judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scopedrift.simulator.log.storage import LogFormatError
from scopedrift.simulator.log.truth import BenignChange, Incident, StageTruth, Truth

FORMAT: Final = "scopedrift-truth/1"
ROWS, STORY = "truth.parquet", "truth.json"
_COLUMNS: Final[Mapping[str, Any]] = {
    "event": np.int64,
    "label": np.int8,
    "incident": np.int32,
    "stage": np.int16,
    "technique": np.int16,
}


def save_truth(truth: Truth, folder: Path) -> None:
    """Write the truth into the folder of its log."""
    rows = {name: pa.array(getattr(truth, name), pa.from_numpy_dtype(kind)) for name, kind in _COLUMNS.items()}
    pq.write_table(pa.table(rows), folder / ROWS, compression="zstd")
    story = {
        "format": FORMAT,
        "techniques": list(truth.techniques),
        "incidents": [asdict(incident) for incident in truth.incidents],
        "changes": [asdict(change) for change in truth.changes],
    }
    (folder / STORY).write_text(json.dumps(story, indent=2) + "\n", encoding="utf-8")


def load_truth(folder: Path, events: int) -> Truth:
    """The truth of a log with this number of events.

    Raises `LogFormatError` if there is none, or if it is damaged.
    """
    for name in (ROWS, STORY):
        if not (folder / name).is_file():
            raise LogFormatError(f"{folder}: no truth beside the log ({name} is missing)")
    try:
        table = pq.read_table(folder / ROWS)
        rows = {name: table.column(name).to_numpy().astype(kind) for name, kind in _COLUMNS.items()}
        story = json.loads((folder / STORY).read_text(encoding="utf-8"))
        if story["format"] != FORMAT:
            raise ValueError(f"expected the format {FORMAT!r}")
        incidents = tuple(
            Incident(**{**each, "stages": tuple(StageTruth(**stage) for stage in each["stages"])})
            for each in story["incidents"]
        )
        changes = tuple(BenignChange(**{**each, "identities": tuple(each["identities"])}) for each in story["changes"])
        truth = Truth(**rows, techniques=tuple(story["techniques"]), incidents=incidents, changes=changes)
        _refuse_strangers(truth, events)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise LogFormatError(f"{folder}: damaged truth ({reason})") from None
    return truth


def _refuse_strangers(truth: Truth, events: int) -> None:
    at = truth.event
    if len(at) and not (at[0] >= 0 and at[-1] < events and bool(np.all(np.diff(at) > 0))):
        raise ValueError(f"its events are not positions, ascending, in a log of {events}")
    for bound, owners in ((len(truth.changes), truth.label == 1), (len(truth.incidents), truth.label != 1)):
        owned = truth.incident[owners]
        if len(owned) and not 0 <= owned.min() <= owned.max() < bound:
            raise ValueError("an event belongs to an unknown incident")
