"""Logs without ground truth: real audit records, or what `simulate` wrote."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.folders import new_folder
from scopedrift.experiments.progress import Progress, silent
from scopedrift.experiments.running import logs
from scopedrift.reports.notebook import fragment
from scopedrift.reports.text import slug
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.own_logs.pseudonyms import pseudonymised
from scopedrift.simulator.own_logs.world import RealWorld
from scopedrift.simulator.records.formats import format_named
from scopedrift.simulator.records.reading.stores import is_address, shown_place
from scopedrift.simulator.records.writing.exporter import Exported, export_log
from scopedrift.worlds import World

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from scopedrift.simulator.records.reading.importer import Imported
    from scopedrift.simulator.records.reading.report import ImportReport

EXPORT: Final = ".scopedrift-export.json"
"""The file that marks an export; hidden, so that readers of the folder do not take it for a log."""


@dataclass(frozen=True, eq=False, repr=False)
class Log:
    """Events without ground truth, in order of arrival; `len(log)` is their number.

    Attributes:
        name: Its name in results.
        log: The events as detectors are given them: `log.batches()` yields `EventBatch`es.
        imported: For audit records, access to the originals: `imported.original(position)`.
        anonymous: Whether its names were replaced (`pseudonymised`). If so, no output quotes its records.
    """

    name: str
    log: EventLog
    imported: Imported | None = None
    anonymous: bool = False

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row for each event, in order of arrival: text as categories, UTC timestamps, NaN where missing."""
        return self.log.frame()

    @property
    def report(self) -> ImportReport | None:
        """What the import read and what it could not read, with reasons; None if not imported or pseudonymised."""
        return self.imported.report if self.imported and not self.anonymous else None

    def arrow(self) -> pa.Table:
        """The events as an Arrow table."""
        return self.log.arrow()

    def pseudonymised(self, key: str) -> Log:
        """The same log with names replaced by keyed hashes; one name always gets the same hash."""
        return replace(self, name="log", log=pseudonymised(self.log, key), anonymous=True)

    def split(self, learn: float = 0.5, calibrate: float = 0.2) -> World:
        """The log as a world without incidents, for `inject` and `tune`.

        Args:
            learn: Share of events to fit on.
            calibrate: Share of events, after those, that sets the threshold. The rest is the test part.

        Raises:
            UsageError: Nothing would be left for the test part.
            LogError: One of the parts would be empty, or a few wrong clocks would stretch one of them far.
        """
        if not 0 < learn < learn + calibrate <= 0.99:
            raise UsageError(
                f"fitting on {learn:g} and calibrating on {calibrate:g} of the events leaves none for a test part"
            )
        return World(RealWorld.of(slug(self.name.split(".")[0]) or "log", self.log, learn, calibrate))

    @property
    def words(self) -> list[str]:
        """Its size and the import summary, line by line."""
        return [f"{self.name}: {len(self):,} events.", *(self.report.summary() if self.report else [])]

    def __len__(self) -> int:
        return len(self.log)

    def __repr__(self) -> str:
        return f"<Log {' '.join(self.words)}>"

    def _repr_html_(self) -> str:
        return fragment(self.words, {"First events": self.log.batch(0, 5).frame()})


def read_log(
    path: str | Path, *, format: str | None = None, mapping: str | Path | None = None, progress: Progress = silent
) -> Log:
    """Read a log: audit records, or a folder written by `simulate` or `inject`.

    Files are JSON, JSON lines or CSV, compressed or not; folders are read recursively. `Log.report` counts the records
    that cannot be read, by reason. Nothing leaves the machine.

    Args:
        path: A file or folder, or an address of `s3://`, `gs://`, `az://` or `https://`, whose files are fetched.
        format: Record format, such as `cloudtrail` or `kubernetes`. Default: detected for each record.
        mapping: A mapping file (YAML) that describes other JSON or CSV.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Raises:
        LogError: The log holds no events, or the format or mapping is invalid.
        LogFormatError: A folder written by `simulate` or `inject` is damaged.
        OSError: The path cannot be read.

    Examples:
        >>> import scopedrift as sd
        >>> out = sd.simulate("tiny", seed=0, out="world")
        >>> log = sd.read_log("world")
        >>> len(log) == len(out), log.events["stream"].unique().tolist()
        (True, ['runtime', 'issuance', 'cloud_audit', 'kubernetes_audit'])
    """
    given = Path(mapping) if mapping is not None else None
    log, imported = logs.read_log(path, format=format, mapping=given, progress=progress)
    name = urlsplit(str(path)).path.rstrip("/") if is_address(path) else str(Path(path).absolute())
    return Log(PurePath(name).name or urlsplit(str(path)).netloc, log, imported)


def log_of(source: Log | World | str | Path, progress: Progress = silent) -> Log:
    """A log as given, the log of a world, or the log at a path."""
    if isinstance(source, World):
        return Log(source.name, source.log)
    return source if isinstance(source, Log) else read_log(source, progress=progress)


def export(log: Log | World | str | Path, format: str, out: str | Path, *, progress: Progress = silent) -> Exported:
    """Write a log as audit records of a real platform, for your own rules and parsers.

    A format carries only its own log streams; the result counts the events that it leaves out.

    Args:
        log: What `read_log` or `simulate` returned, or a path.
        format: Such as `cloudtrail`, `kubernetes` or `ocsf` (`scopedrift export --help` lists all).
        out: The output folder. An interrupted call leaves no folder.
        progress: Called with the share done (0 to 1) and the current step; `print` works.

    Returns:
        The numbers of records and files written, and of events left out for each stream.

    Raises:
        LogError: The format does not exist, or carries none of the log's streams.
        UsageError: `out` holds other files.

    Examples:
        >>> import scopedrift as sd
        >>> world = sd.simulate("tiny", seed=0)
        >>> written = sd.export(world, "cloudtrail", "trail")
        >>> written.records == len(sd.read_log("trail"))
        True
    """
    streams = format_named(format).streams
    events = log_of(log, progress).log
    with new_folder(Path(out), EXPORT) as folder:
        result = export_log(events, format, folder, lambda done: progress(done, f"writing {format}"))
        facts = {
            "log": shown_place(log) if isinstance(log, str | Path) else log.name,
            "digest": events.digest,
            "format": format,
            "streams": list(streams),
            "records": result.records,
            "files": len(result.files),
            "left_out": dict(result.left),
            "without_counterpart": dict(result.foreign),
        }
        (folder / EXPORT).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return replace(result, files=[Path(out) / file.relative_to(folder) for file in result.files])
