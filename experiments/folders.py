"""Results as folders and files: written completely or not at all, without losing a user's files.

A result is written into a hidden folder beside its place, which then takes the place in one atomic exchange
(`renameat2` on Linux; two renames elsewhere).  A marker lists every file of the result.  Only a folder with such a
marker is ours to replace; files that it does not list are the user's, and move into the new result.

Single files (`write_file`), and files beside others (`new_files`), are made in such a folder, too, and renamed.

A process holds a lock on its hidden folder.  What a killed process left behind has none: the next call for the same
place removes it, or puts an earlier result back.
"""

from __future__ import annotations

import ctypes
import errno
import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from scopedrift.experiments.errors import UsageError
from scopedrift.experiments.interrupts import heed

RUNS: Final = Path("runs")
"""The default folder of results, and of the tracking store."""
MARKER: Final = ".scopedrift-folder.json"
FORMAT: Final = "scopedrift-folder/1"
UNFINISHED: Final = ".scopedrift-unfinished"
"""Stands in a hidden folder while a result is being written."""
_BEGIN: Final = 4096
"""Bytes of a file within which its mark stands."""
log = logging.getLogger("scopedrift")


def run_folder(name: str, started: datetime) -> Path:
    """A new folder for results: `runs/<name>-<UTC time>`."""
    return RUNS / f"{name}-{started:%Y%m%dT%H%M%SZ}"


def ours(place: Path, kind: str) -> None:
    """Clean up what killed processes left of a place; then, `UsageError` if it is not ours to write a result into."""
    place = place.absolute()
    _recover(place)
    _refuse_foreign(place, kind)


@contextmanager
def new_folder(place: Path, kind: str) -> Iterator[Path]:
    """A folder to write into, which becomes `place` when the block ends well and vanishes when it does not.

    An empty folder, or an earlier result of the same `kind`, is replaced; a log line names files of the user that
    were kept.  Raises `UsageError` if anything else is there, before any work is done.
    """
    place = place.absolute()
    if (place / UNFINISHED).is_file():  # within a folder that is hidden still
        yield place
        return
    ours(place, kind)
    with _hidden(place) as fresh:
        _usual_permissions(fresh)
        yield fresh
        _refuse_foreign(place, kind)
        _mark(fresh, kind, _files(fresh))
        heed()
        (fresh / UNFINISHED).unlink()
        _put(fresh, place)


@contextmanager
def new_files(place: Path, kind: str) -> Iterator[Path]:
    """A folder for files that take their places in `place`, each whole, when the block ends well.

    Unlike `new_folder`, what else is in `place` stays as it is: a search that can resume, or files of the user.
    Raises `UsageError` instead of overwriting a file that scopedrift did not write.
    """
    place = place.absolute()
    place.mkdir(parents=True, exist_ok=True)
    _recover(place / kind)
    with _hidden(place / kind) as fresh:
        yield fresh
        made = _files(fresh)
        refuse_foreign_files(place, made)
        _mark(fresh, kind, sorted({*made, *_listed(place)}))
        heed()
        for name in (MARKER, *made):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            os.replace(fresh / name, place / name)


def write_file(path: Path, text: str, *, mark: str = "", new: bool = False, private: bool = False) -> Path:
    """Write a file completely or not at all; a pipe or a terminal is written to as it is.

    Raises `UsageError` if a file is there that lacks the `mark` (see `replaceable`).  `new` raises `FileExistsError`
    if anything is there; a `private` file only its owner can read.  Errors name the path, not the hidden folder.
    """
    replaceable(path, mark)
    place = path.absolute() if new else Path(os.path.realpath(path))
    try:
        if not new and place.exists() and not (place.is_file() or place.is_dir()):
            place.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
        place.parent.mkdir(parents=True, exist_ok=True)
        _recover(place)
        with _hidden(place) as fresh:
            file = fresh / place.name
            file.touch(0o600 if private else 0o666)
            file.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")
            if place.is_file() and not new:
                shutil.copymode(place, file)
            heed()
            if not new:
                os.replace(file, place)
            elif not _linked(file, place):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    return path


def replaceable(path: Path, mark: str) -> None:
    """`UsageError` if a file is there that is not empty and lacks the `mark`, which ours have in their first lines."""
    if path.is_file():
        with path.open("rb") as file:
            begin = file.read(_BEGIN)
        if begin and mark.encode() not in begin:
            raise UsageError(f"{path} is a file that scopedrift did not write: choose another one, or remove it")


def refuse_foreign_files(place: Path, names: Iterable[str]) -> None:
    """`UsageError` if a file of that name is in a folder, and scopedrift did not write it."""
    listed = _listed(place)
    for path in (place / name for name in names if name not in listed):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is a file that scopedrift did not write: choose another folder")


@contextmanager
def _hidden(place: Path) -> Iterator[Path]:
    """A locked folder beside a place; it vanishes when the block ends, unless it no longer is unfinished."""
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f".{place.name}.{secrets.token_hex(8)}.part")
    try:  # an interruption may come between any two steps
        fresh.mkdir(mode=0o700)
        with locked(fresh):
            (fresh / UNFINISHED).touch()
            yield fresh
    finally:
        if fresh.is_dir() and _unfinished(fresh):
            shutil.rmtree(fresh, ignore_errors=True)


def _files(fresh: Path) -> list[str]:
    """What was written into a hidden folder."""
    files = (path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if not path.is_dir())
    return sorted(name for name in files if name != UNFINISHED)


def _mark(fresh: Path, kind: str, files: list[str]) -> None:
    facts = {"format": FORMAT, "kind": kind, "files": files}
    (fresh / MARKER).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _linked(file: Path, place: Path) -> bool:
    """Give a file a second name, the place; false if anything is there."""
    try:
        os.link(file, place)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        if os.path.lexists(place):
            return False
        os.rename(file, place)
    return True


def _unfinished(folder: Path) -> bool:
    """Whether a hidden folder holds a result that is not complete; otherwise it may be an earlier one."""
    return (folder / UNFINISHED).exists() or not any(folder.iterdir())


def _usual_permissions(folder: Path) -> None:
    """Temporary folders are private; results have the permissions that a new folder would have."""
    mask = os.umask(0)
    os.umask(mask)
    folder.chmod(0o777 & ~mask)


def _put(fresh: Path, place: Path) -> None:
    """Move a finished folder to its place, and retire what was there."""
    if not place.exists():
        fresh.rename(place)
        return
    with locked(place):
        if not _exchanged(fresh, place):
            aside = Path(tempfile.mkdtemp(prefix=f".{place.name}.", suffix=".part", dir=place.parent))
            place.rename(aside)
            fresh.rename(place)
            fresh = aside
        _retire(fresh, place)


def _exchanged(a: Path, b: Path) -> bool:
    """Let two folders swap their names at once; false where the system cannot."""
    swap = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    return swap is not None and swap(here, os.fsencode(a), here, os.fsencode(b), exchange) == 0


def _retire(old: Path, place: Path) -> None:
    """Remove what an earlier result lists; what it does not list moves into the new one."""
    listed, kept = {*_listed(old), MARKER}, []
    for root, folders, names in os.walk(old, topdown=False):
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for path in (Path(root) / name for name in [*names, *links]):
            relative = path.relative_to(old)
            if relative.as_posix() in listed:
                path.unlink()
                continue
            target = place / relative
            while target.exists() or target.is_symlink():
                target = target.with_name(f"{target.name}.kept")
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
            kept.append(target.relative_to(place).as_posix())
        Path(root).rmdir()
    if kept:
        log.warning("%s: kept what scopedrift did not write there: %s", place, ", ".join(sorted(kept)))


def _listed(folder: Path) -> list[str]:
    """The files that the marker of a folder lists; none without a marker of ours."""
    facts = _marker(folder)
    files = facts.get("files")
    return [str(name) for name in files] if isinstance(files, list) else []


def _marker(folder: Path) -> dict[str, object]:
    try:
        facts = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) and facts.get("format") == FORMAT else {}


def _refuse_foreign(place: Path, kind: str) -> None:
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise UsageError(f"{place} exists and is not a folder: choose another path")
    if not place.is_dir() or not any(place.iterdir()):
        return
    found = _marker(place).get("kind")
    if found is None:
        raise UsageError(
            f"{place} holds files that scopedrift did not write, so nothing was changed: choose another folder"
        )
    if found != kind:
        raise UsageError(f"{place} holds another kind of result ({found}, not {kind}): choose another folder")


def _recover(place: Path) -> None:
    """Clean up after killed processes, and put back a result that one of them had moved aside."""
    for left in sorted(place.parent.glob(f".{place.name}.*.part")) if place.parent.is_dir() else []:
        with locked(left, wait=False) as mine:
            if not mine:
                continue  # somebody is writing there now
            if _unfinished(left):
                shutil.rmtree(left)
            elif not place.exists():
                left.rename(place)
            elif _marker(left) and _marker(place):
                _retire(left, place)


@contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock of a folder while the block runs; `False` if another process holds it."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system: what is there may be in use
        yield wait
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)
