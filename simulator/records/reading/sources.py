"""Files as streams of bytes: finding the logs in a folder, plain or gzip, never more than a piece in memory.

A damaged gzip gives everything before the damage; `Source.problem` then says where it ended.  Only regular
files are opened, and a folder is entered once however many links lead to it.
"""

from __future__ import annotations

import os
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from scopedrift.simulator.records.errors import LogError
from scopedrift.simulator.records.reading import stores
from scopedrift.simulator.records.reading.stores import Stored

PIECE: Final = 1 << 18
"""Bytes in memory at a time: as much as is used again without asking for new pages, which costs more than reading."""
LIMIT: Final = 64 << 20
"""Longest single record or whole document (bytes) that is held in memory."""

SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".log", ".csv", ".gz", ".parquet")
MOST_UNPACKED: Final = 256 << 20
"""Bytes that any gzip file may unpack to; beyond, at most `RATIO` times its size."""
RATIO: Final = 500
"""Logs shrink 10 to 60 times (assumed); a gzip bomb about 1,000 times, the most that deflate can do."""
GZIP_MAGIC: Final = b"\x1f\x8b"


def find_files(
    places: Sequence[str | Path],
) -> tuple[list[Path | Stored], int, list[tuple[Path | Stored, str]]]:
    """The log files that paths and addresses name, in order of name, and how many others the folders hold.

    A file given directly may have any name.  Raises `LogError` for a place that does not exist.
    """
    found: dict[str, Path | Stored] = {}
    ignored = 0
    unreadable: list[tuple[Path | Stored, str]] = []
    for place in places:
        if stores.is_address(place):
            files = stores.find(str(place))
            named = [file for file in files if _is_log(file.name) or len(files) == 1]
            found |= {str(file): file for file in named}
            ignored += len(files) - len(named)
            continue
        path = Path(place)
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise LogError(f"{path}: {error.strerror or error}") from None
        if stat.S_ISDIR(mode):
            for file in _walk(path, unreadable):
                if _is_log(file.name):
                    found.setdefault(os.path.realpath(file), file)
                else:
                    ignored += 1
        elif stat.S_ISREG(mode):
            found.setdefault(os.path.realpath(path), path)
        else:
            raise LogError(f"{path}: neither a file nor a folder")
    return list(found.values()), ignored, unreadable


def _is_log(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _walk(folder: Path, unreadable: list[tuple[Path | Stored, str]]) -> Iterator[Path]:
    """Files below `folder`, in order of name; a folder that links lead to twice is entered once."""
    entered: set[tuple[int, int]] = set()

    def closed(error: OSError) -> None:
        unreadable.append((Path(error.filename), f"cannot be read: {error.strerror or error}"))

    for root, folders, files in os.walk(folder, onerror=closed, followlinks=True):
        here = os.stat(root)
        if (here.st_dev, here.st_ino) in entered:
            folders.clear()
            continue
        entered.add((here.st_dev, here.st_ino))
        folders.sort()
        for name in sorted(files):
            if not name.startswith("."):
                yield Path(root, name)


_WIDE: Final = re.compile(rb"(\0{1,3}[\t\n\r -~]){2}|([\t\n\r -~]\0{1,3}){2}")
"""The begin of plain text in UTF-16 (or UTF-32) without a byte order mark."""


def encoding_problem(head: bytes) -> str | None:
    """Why a file that begins with `head` cannot be read as UTF-8, if its first bytes say so."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or _WIDE.match(head):
        return "UTF-16 text: convert it to UTF-8 first"
    return None


class Source:
    """One file's content, piece by piece."""

    def __init__(self, path: Path, advance: Callable[[int], None] | None = None) -> None:
        self.path = path
        self.problem: str | None = None
        """Why the file ended before its end, once the pieces are exhausted."""
        self._advance = advance

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """The content from byte `start` on, unpacked if it is gzip (told by its first bytes, not by its name)."""
        try:
            if not stat.S_ISREG(os.stat(self.path).st_mode):
                self.problem = "not a regular file"
                return
            with open(self.path, "rb") as file:
                zipped = file.read(2) == GZIP_MAGIC
                file.seek(0 if zipped else start)
                packed = self._counted(iter(lambda: file.read(PIECE), b""))
                if zipped:
                    yield from _behind(self._unzip(packed), start)
                else:
                    yield from packed
        except OSError as error:
            self.problem = f"cannot be read: {error.strerror or error}"

    def _counted(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self._advance is not None:
                self._advance(len(piece))
            yield piece

    def _unzip(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(wbits=31)
        read = given = 0
        for packed in pieces:
            read += len(packed)
            data = packed
            while data:
                if unpacker.eof:  # another member, or padding
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    unpacker = zlib.decompressobj(wbits=31)
                try:
                    unpacked = unpacker.decompress(data, PIECE)
                except zlib.error as error:
                    self.problem = f"damaged gzip near compressed byte {read - len(data)}: {error}"
                    return
                given += len(unpacked)
                if given > MOST_UNPACKED and given > RATIO * read:
                    self.problem = f"gzip that unpacks to over {RATIO} times its size: read up to {given >> 20} MiB"
                    return
                if unpacked:
                    yield unpacked
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
        while not unpacker.eof:  # what the unpacker still holds, or the end is missing
            unpacked = unpacker.decompress(unpacker.unconsumed_tail, PIECE)
            if not unpacked:
                self.problem = f"truncated gzip: it ends at compressed byte {read} without an end mark"
                return
            yield unpacked


def _behind(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    """The stream without its first `start` bytes."""
    for piece in pieces:
        if start < len(piece):
            yield piece[start:]
        start = max(start - len(piece), 0)
