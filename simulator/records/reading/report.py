"""What an import read, what it could not read, and why: nothing is dropped in silence.

Every record of every file ends as an event or as one of `skipped`; a file that could not be read whole is
listed with the place where reading ended.  Offsets are bytes in the (uncompressed) file, lines count from 1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scopedrift.simulator.records.json_paths import Record
from scopedrift.simulator.records.reading.stores import Stored

LONGEST: Final = 120
"""Characters of a name in a summary, at most."""


@dataclass(frozen=True)
class Sample:
    """One record that could not be read: where it is and why."""

    file: Path
    offset: int
    line: int | None
    """The line, where the file holds one record a line."""
    item: int | None
    """The position in the list that holds the record, where there is one."""
    reason: str
    excerpt: str
    """Its first characters, unprintable ones escaped."""

    def __str__(self) -> str:
        place = f"line {self.line}" if self.line is not None else f"byte {self.offset}"
        item = "" if self.item is None else f", record {self.item + 1} of the list there"
        return f"{self.file}, {place}{item}: {self.reason}: {self.excerpt}"


@dataclass
class ImportReport:
    """Counts of one import."""

    files: int = 0
    """Files that gave at least one record."""
    ignored: int = 0
    """Files in folders whose names are not those of logs (`sources.SUFFIXES`)."""
    records: int = 0
    """Records found: events, further records of the same acts, and skipped ones."""
    events: int = 0
    repeated: int = 0
    """Records of an act that another record covers: repeated delivery, a later stage, the end of an operation."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Records that are no events, by reason."""
    repaired: Counter[str] = field(default_factory=Counter)
    """Records that were kept although part of them made no sense, by what was done."""
    formats: Counter[str] = field(default_factory=Counter)
    """Records that were read, by format."""
    unused: Counter[str] = field(default_factory=Counter)
    """Fields that were there and said nothing that could be used of who acted, on what or how it ended, by name."""
    unlisted: list[str] = field(default_factory=list)
    """Operations that no table of access lists: what they are was judged by their words."""
    unreadable: list[tuple[Path | Stored, str]] = field(default_factory=list)
    """Files and folders that could not be read, or not to their end: what was read before counts."""
    samples: list[Sample] = field(default_factory=list)
    """The first skipped records (at most `SAMPLES` for each reason)."""

    SAMPLES = 5

    def skip(self, file: Path, offset: int, line: int | None, item: int | None, reason: str, raw: bytes) -> None:
        """Count a record that cannot be read, and keep it as a sample if it is among the first of its reason."""
        self.records += 1
        self.skipped[reason] += 1
        if self.skipped[reason] <= self.SAMPLES:
            excerpt = ascii(raw[:120].decode("utf-8", "replace"))
            self.samples.append(Sample(file, offset, line, item, reason, excerpt))

    def summary(self) -> list[str]:
        """The report as plain lines."""
        lines = [f"{_many(self.events, 'event')} from {_many(self.records, 'record')} in {_many(self.files, 'file')}"]
        if self.formats:
            lines[0] += " (" + ", ".join(f"{name} {count}" for name, count in self.formats.most_common()) + ")"
        if self.repeated:
            lines.append(f"merged {self.repeated} records that repeat another record's act")
        lines += [f"skipped {count}: {reason}" for reason, count in self.skipped.most_common()]
        lines += [f"repaired {count}: {what}" for what, count in self.repaired.most_common()]
        lines += [f"not used {count}: {name}" for name, count in self.unused.most_common()]
        if self.unlisted:
            named = [name if len(name) <= LONGEST else f"{name[:LONGEST]}..." for name in self.unlisted[: self.SAMPLES]]
            some = ", ".join(named) + (", ..." if len(self.unlisted) > self.SAMPLES else "")
            lines.append(f"access judged by the words of {_many(len(self.unlisted), 'unlisted operation')}: {some}")
        lines += [f"{file}: {reason}" for file, reason in self.unreadable]
        if self.ignored:
            lines.append(f"{_many(self.ignored, 'file')} not read: the name is not that of a log")
        return lines

    def asdict(self) -> Record:
        """The report as plain JSON values."""
        return {
            "files": self.files,
            "ignored": self.ignored,
            "records": self.records,
            "events": self.events,
            "repeated": self.repeated,
            "skipped": dict(self.skipped),
            "repaired": dict(self.repaired),
            "formats": dict(self.formats),
            "unused": dict(self.unused),
            "unlisted": self.unlisted,
            "unreadable": [{"file": str(file), "reason": reason} for file, reason in self.unreadable],
            "samples": [
                {"file": str(s.file), "offset": s.offset, "line": s.line, "item": s.item, "reason": s.reason,
                 "excerpt": s.excerpt}
                for s in self.samples
            ],
        }  # fmt: skip


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
