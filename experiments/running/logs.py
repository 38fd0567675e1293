"""Opening a log: one that `simulate` or `inject` wrote, or real audit records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scopedrift.experiments.progress import Progress, silent
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.storage import MANIFEST
from scopedrift.simulator.records.errors import LogError

if TYPE_CHECKING:
    from scopedrift.simulator.records.reading.importer import Imported


def read_log(
    path: str | Path, *, format: str | None = None, mapping: Path | None = None, progress: Progress = silent
) -> tuple[EventLog, Imported | None]:
    """The log at a path or address and, for audit records, the import with the way back to each record.

    `format` and `mapping` say what the records are, as for `import_log`; by default they are recognised.
    Raises `LogError` or `LogFormatError` if there is no event, `OSError` if the path cannot be read.
    """
    from scopedrift.simulator.records.reading.stores import is_address, shown_place

    if not is_address(path) and (Path(path) / MANIFEST).is_file() and format is None and mapping is None:
        log, imported = EventLog.load(Path(path)), None
    else:
        from scopedrift.simulator.records.reading.importer import import_log

        def share(done: int, whole: int) -> None:
            progress(done / max(whole, 1), "reading")

        imported = import_log(path, format=format, mapping=mapping, progress=share)
        log = imported.log
    if not len(log):
        raise LogError(f"{shown_place(path)}: no events in it")
    return log, imported
