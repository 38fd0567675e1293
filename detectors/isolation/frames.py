"""Messages between a detector's process and ours: a JSON header, plain bytes, open files; we unpickle nothing.

A frame is the lengths of both (8 bytes each), the header, the bytes.  Files travel with its first byte, to the
detector's process only: what it sends to ours is dropped by the kernel.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final

from scopedrift.detectors.answers import storable

_LENGTHS: Final = struct.Struct("<QQ")
FILES: Final = 4
"""Open files that a frame may bring along."""


class Closed(Exception):
    """The other side has gone."""


def send(
    channel: socket.socket, header: Mapping[str, object], body: bytes | memoryview = b"", files: Sequence[int] = ()
) -> None:
    """Sends a frame, with open files; these are closed here.

    Raises `Closed`, or `TimeoutError` if the channel has a time limit.
    """
    text = json.dumps(header).encode()
    parts = [memoryview(_LENGTHS.pack(len(text), len(body)) + text), memoryview(body).cast("B")]
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", files))] if files else []
    try:
        sent = channel.sendmsg(parts, rights)  # in one go: each more would wake the other side once more
        for part in parts:
            if sent < len(part):
                channel.sendall(part[sent:])
            sent = max(0, sent - len(part))
    except TimeoutError:
        raise
    except OSError as error:
        raise Closed from error
    finally:
        for each in files:
            os.close(each)


def receive(
    channel: socket.socket, *, until: float | None = None, most: int | None = None, most_files: int = 0
) -> tuple[bytes, bytearray, list[int]]:
    """The text of a header, the bytes and the files of the next frame.

    Raises `Closed`, `TimeoutError` at the time `until` (`time.monotonic`), `ValueError` if it is longer than `most`.
    """
    start, files = b"", list[int]()
    while len(start) < _LENGTHS.size:
        _limit(channel, until)
        try:
            part, more, _, _ = socket.recv_fds(channel, _LENGTHS.size - len(start), most_files)
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed from error
        if not part:
            raise Closed
        start, files = start + part, files + more
    header, body = _LENGTHS.unpack(start)
    if most is not None and header + body > most:
        raise ValueError(f"{header + body:,} bytes: expected at most {most:,}")
    return bytes(_exactly(channel, header, until)), _exactly(channel, body, until), files


def said(text: bytes) -> dict[str, Any]:
    """What the header of an untrusted process says, with texts that can be stored and shown.

    Raises `ValueError` if it is no object.
    """
    try:
        found = _storable(json.loads(text))
    except RecursionError:
        raise ValueError("a header that is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"{type(found).__name__}: expected an object")
    return found


def _storable(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {storable(name): _storable(each) for name, each in value.items()}
    return value


def _exactly(channel: socket.socket, size: int, until: float | None) -> bytearray:
    found = bytearray(size)
    left = memoryview(found)
    while left:
        _limit(channel, until)
        try:
            got = channel.recv_into(left)
        except TimeoutError:
            raise
        except OSError as error:
            raise Closed from error
        if not got:
            raise Closed
        left = left[got:]
    return found


def _limit(channel: socket.socket, until: float | None) -> None:
    if until is not None:
        seconds = until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError
        channel.settimeout(seconds)
