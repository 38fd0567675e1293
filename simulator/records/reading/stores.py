"""Logs where they live: files of `s3://`, `gs://`, `az://` and `https://` addresses, fetched to be read.

Files are fetched in the order in which they are read, some at a time and not far ahead.  Each is kept in a folder of
the user's cache, under its address and version, so that whatever reads a record again has it.  A fetch that was stopped
goes on behind the bytes that it has, and a file that is there is not fetched again.  Bytes are only written where they
belong: two imports that fetch the same file at the same time do no harm.

Credentials, endpoints and proxies are those that the store's own library finds.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final, Protocol
from urllib.parse import quote, urlsplit

from scopedrift.simulator.records.errors import LogError

STORES: Final = {"s3": "s3", "gs": "gs", "az": "az", "https": "https", "http": "https"}
"""The extra of this package that reads each scheme."""
PARALLEL: Final = 8
"""Files that are fetched at the same time."""
AHEAD: Final = 16
"""Files that are fetched, or about to be, before they are read."""
PIECE: Final = 4 << 20
"""Bytes of a request, and all of a file that is in memory."""
_VERSION: Final = ("etag", "generation", "last_modified", "lastmodified", "updated", "last-modified", "mtime")
"""The fields, in small letters, by which stores tell that a file has changed."""


class FileStore(Protocol):
    """What is used of a file system of fsspec."""

    def info(self, path: str) -> Mapping[str, object]: ...  # noqa: D102
    def find(self, path: str, *, detail: bool) -> Mapping[str, Mapping[str, object]]: ...  # noqa: D102
    def open(self, path: str, mode: str, *, block_size: int, cache_type: str) -> StoreFile: ...  # noqa: D102
    def invalidate_cache(self) -> None: ...  # noqa: D102


class StoreFile(Protocol):
    """A file of a store."""

    def __enter__(self) -> StoreFile: ...
    def __exit__(self, *raised: object) -> object: ...
    def seek(self, at: int) -> int: ...  # noqa: D102
    def read(self, size: int) -> bytes: ...  # noqa: D102


@dataclass(frozen=True)
class Stored:
    """A file of a store, and where it is kept once it was fetched."""

    address: str
    size: int
    kept: Path
    path: str = field(repr=False)
    store: FileStore = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name, without what is before it."""
        return self.kept.name

    def __str__(self) -> str:
        return self.address


def is_address(place: str | Path) -> bool:
    """Whether a place is the address of a store, and not a path of this machine."""
    return isinstance(place, str) and place.partition("://")[0].lower() in STORES and "://" in place


def find(address: str) -> list[Stored]:
    """The files that an address names: itself, or those below it, in order of name.

    Raises `LogError` if the store's library is missing, or if there is nothing, or nothing that may be read.
    """
    scheme, shown = address.partition("://")[0].lower(), shown_place(address)
    try:
        import fsspec

        store, path = fsspec.url_to_fs(address)
    except ImportError:
        extra = STORES[scheme]
        raise LogError(f"{shown}: {scheme} addresses need more packages: pip install 'scopedrift[{extra}]'") from None
    except Exception as error:  # each library has errors of its own
        raise LogError(f"{shown}: {_said(error)}") from None
    try:
        store.invalidate_cache()  # what was listed before may have changed
        info = store.info(path)
        files = {path: info} if info.get("type") == "file" else store.find(path, detail=True)
    except Exception as error:
        raise LogError(f"{shown}: {_said(error)}") from None
    return [
        _stored(shown_place(name if "://" in name else f"{scheme}://{name}"), name, files[name], store)
        for name in sorted(files)
    ]


def shown_place(place: str | Path) -> str:
    """A path, or an address without the secrets that it may hold: a password, the signature of a request."""
    if not is_address(place):
        return str(place)
    parts = urlsplit(str(place))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _stored(address: str, path: str, info: Mapping[str, object], store: FileStore) -> Stored:
    told = {name.lower(): value for name, value in info.items()}
    version = [f"{name}={told[name]}" for name in _VERSION if told.get(name)] or [os.urandom(16).hex()]
    size = told.get("size")
    known = hashlib.sha256("\n".join((path, str(size), *version)).encode()).hexdigest()[:16]
    parts = urlsplit(address)
    names = [quote(name, safe=" ") for name in (parts.scheme, parts.netloc, *parts.path.split("/")) if name.strip(".")]
    return Stored(address, size if isinstance(size, int) else 0, cache().joinpath(known, *names), path, store)


def cache() -> Path:
    """The folder that files are kept in; deleting it only costs another download."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base, "scopedrift", "logs")


def arriving(files: Sequence[Path | Stored]) -> Iterator[tuple[Path | Stored, Path | None, str]]:
    """Each file in order, where it is on this machine, or why it is not."""
    stop = Event()
    pool = ThreadPoolExecutor(PARALLEL, "fetch")
    ahead: deque[tuple[Path | Stored, Future[None] | None]] = deque()
    try:
        for file in files:
            ahead.append((file, pool.submit(_fetch, file, stop) if isinstance(file, Stored) else None))
            if len(ahead) > AHEAD:
                yield _arrived(*ahead.popleft())
        while ahead:
            yield _arrived(*ahead.popleft())
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _arrived(file: Path | Stored, fetched: Future[None] | None) -> tuple[Path | Stored, Path | None, str]:
    if fetched is None or not isinstance(file, Stored):
        return file, Path(str(file)), ""
    error = fetched.exception()
    return (file, None, f"cannot be fetched: {_said(error)}") if error else (file, file.kept, "")


def _fetch(file: Stored, stop: Event) -> None:
    """Fetch what is missing of a file; its name shows whether the file is complete."""
    if file.kept.exists():
        return
    cache().mkdir(parents=True, exist_ok=True, mode=0o700)
    file.kept.parent.mkdir(parents=True, exist_ok=True)
    part = file.kept.with_name(f"{file.kept.name}.part")
    with open(os.open(part, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as held:
        end = held.seek(0, os.SEEK_END)
        for at, piece in _pieces(file, end):
            if stop.is_set():
                raise OSError("stopped")
            _write(held, at, piece)
            end = at + len(piece)
    if file.size and end != file.size:
        part.unlink(missing_ok=True)
        raise OSError(f"it has {end} bytes and not {file.size} as its store says")
    try:
        part.replace(file.kept)
    except FileNotFoundError:  # another import was first
        if not file.kept.exists():
            raise


def _pieces(file: Stored, begin: int) -> Iterator[tuple[int, bytes]]:
    """What a file has from a byte on, and where; from its begin where a server gives only whole files."""
    for block, start in ((PIECE, begin), (0, 0)):
        at = start
        with file.store.open(file.path, "rb", block_size=block, cache_type="none") as source:
            try:
                if at:
                    source.seek(at)
                while not (file.size and at >= file.size) and (piece := source.read(PIECE)):
                    yield at, piece
                    at += len(piece)
                return
            except ValueError:  # so fsspec says that the server gives only whole files
                if not block or at > start:
                    raise


def _write(held: BinaryIO, at: int, piece: bytes) -> None:
    held.seek(at)
    held.write(piece)
    held.flush()


def _said(error: BaseException) -> str:
    """What an error says, in one line."""
    if isinstance(error.__cause__, OSError) and isinstance(error, FileNotFoundError):
        return _said(error.__cause__)  # a server that cannot be reached, to fsspec
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    if isinstance(error, PermissionError):
        return "access denied"
    return " ".join(str(error).split()) or type(error).__name__
