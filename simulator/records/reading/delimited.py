"""CSV files as JSON records: every row an object of texts by column name.

A row may span lines (quotes).  A row with more or fewer fields than the header is counted, not guessed at.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading.sources import LIMIT, Source, encoding_problem
from scopedrift.simulator.records.reading.splitting import Value

NOT_CSV: Final = "not CSV"
_BOM: Final = b"\xef\xbb\xbf"


class _Lines:
    """The lines of a stream as text, counting what has been taken."""

    def __init__(self, source: Source, start: int) -> None:
        self.offset = start
        """Where the next line begins."""
        self.number = 0
        self._lines = _split(source.pieces(start))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.offset += len(line)
        self.number += 1
        return line.removeprefix(_BOM).decode("utf-8", "replace")


@dataclass(frozen=True)
class Delimited:
    """How CSV files are cut."""

    delimiter: str = ","
    header: tuple[str, ...] = ()
    """The names of the columns; empty: the first row holds them."""

    def values(self, source: Source) -> Iterator[Value]:
        """The rows of a file as JSON objects."""
        source.problem = encoding_problem(next(source.pieces(), b""))
        if source.problem:
            return
        lines = _Lines(source, 0)
        rows = csv.reader(lines, delimiter=self.delimiter)
        header = self.header
        while True:
            offset, line = lines.offset, lines.number + 1
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield offset, line, b"", f"{NOT_CSV}: {error}"
                continue
            if not header:
                header = tuple(row)
                if twice := next((name for name in header if name and header.count(name) > 1), None):
                    source.problem = f"the header has two columns named {twice!r}"
                    return
            elif row:
                wrong = f"{len(row)} fields where {len(header)} were expected" if len(row) != len(header) else None
                yield offset, line, _encoded(header, row), wrong

    def value_at(self, file: Path, offset: int) -> bytes:
        """The row that begins at byte `offset`, as a JSON object.

        Raises `LogError` if the file is gone or has changed.
        """
        try:
            header = self.header or self._row(file, 0)
            return _encoded(tuple(header), self._row(file, offset))
        except (StopIteration, csv.Error):
            raise LogError(f"{file}: the row at byte {offset} is gone") from None

    def _row(self, file: Path, offset: int) -> list[str]:
        """The row that begins at byte `offset`; raises `StopIteration` where there is none."""
        return next(iter(csv.reader(_Lines(Source(file), offset), delimiter=self.delimiter)))


def _encoded(header: tuple[str, ...], row: list[str]) -> bytes:
    return msgspec.json.encode(dict(zip(header, row, strict=False)))


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Lines with their ends; one of more than `LIMIT` bytes is cut."""
    held = b""
    for piece in pieces:
        held += piece
        lines = held.splitlines(keepends=True) if len(held) > LIMIT else held.split(b"\n")
        if len(held) > LIMIT:
            yield from lines
            held = b""
            continue
        yield from (line + b"\n" for line in lines[:-1])
        held = lines[-1]
    if held:
        yield held
