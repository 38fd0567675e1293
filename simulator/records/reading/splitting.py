"""Cutting a stream of bytes into JSON values, by lines or by structure, in bounded memory.

JSON lines are cut at line ends (fast).  Anything else is a *document*: if it is one value of at most `LIMIT`
bytes it is given whole, otherwise arrays are entered and their elements given one by one, so that a single
array of any size streams.  A value that is not JSON is skipped by matching its brackets, and reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

import msgspec

from scopedrift.simulator.records.reading.sources import LIMIT, PIECE, Source, encoding_problem

NOT_JSON: Final = "not JSON"
CUT_OFF: Final = "cut off: the file ends inside the record"
TOO_LONG: Final = f"longer than {LIMIT >> 20} MiB"
TOO_DEEP: Final = "nested too deeply"
LOST: Final = "not JSON, and no way to tell where the next record begins: the rest of the file was not read"

_PADDING: Final = b"\0 \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_EXCERPT: Final = 200
_SAMPLE: Final = PIECE
_PROBE: Final = 20
_GLANCE: Final = 1 << 14
"""Bytes in which most objects end."""
_NEXT: Final = b"\n{"
"""Where the next object probably begins after one that does not end."""
_MARK: Final = re.compile(rb"[^\s,]")
_TOKEN: Final = re.compile(rb'["{}\[\]]')
_IN_STRING: Final = re.compile(rb'["\\]')
_KEY: Final = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:', re.DOTALL)
_WRAPPER: Final = re.compile(
    rb'"(?:Records|records|items|Events|events|entries|logEvents|value|hits|QueryResultRows|batches'
    rb'|resource(?:Spans|Logs|_spans|_logs))"\s*:\s*\['
)
CONTAINER_LINE: Final = re.compile(rb"\S+ (?:stdout|stderr) ([PF])\S* (.*)", re.DOTALL)
"""A line of a container runtime (CRI): all of what was written (F), or a part that the next line goes on with (P)."""
_DELIVERED: Final = re.compile(rb'\s*\{\s*"Records"\s*:\s*\[')
"""How a file begins that CloudTrail delivers."""
_JUNK: Final = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[^\[\]{},\n]+')


Value = tuple[int, int | None, bytes, str | None]
"""One JSON value of a file: offset, line (if it is one), content, and what kept it from being cut out, if so."""


class _Delivered(msgspec.Struct):
    Records: list[msgspec.Raw]


_delivered = msgspec.json.Decoder(_Delivered).decode
_validate = msgspec.json.Decoder(msgspec.Raw).decode
_structure = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)  # only ends are wanted, not numbers


def complete(raw: bytes) -> bool:
    """Whether `raw` is exactly one JSON value."""
    try:
        _validate(raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _length(data: bytes) -> int:
    """The length of the object that `data` begins with; -1 if it is not JSON or does not end there."""
    try:
        return _structure.raw_decode(data.decode("latin-1"))[1]  # one character a byte: positions are offsets
    except (ValueError, RecursionError):
        return -1


def _problem(data: bytes) -> str | None:
    """What is wrong with what the brackets say is one object."""
    try:
        return None if _structure.raw_decode(data.decode("latin-1"))[1] == len(data) else NOT_JSON
    except RecursionError:
        return TOO_DEEP
    except ValueError:
        return NOT_JSON


def find_end(data: bytes) -> int:
    """Where the JSON value, or the line, that `data` begins with ends, or -1 if it does not end in `data`."""
    if data.lstrip()[:1] not in (b"{", b"["):
        return _line_end(data)
    try:
        text = data.decode("latin-1")  # one character a byte: positions are offsets
        return _structure.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))[1]
    except (ValueError, RecursionError):
        return -1


def _line_end(data: bytes) -> int:
    """Where the line that `data` begins with ends, with those that it goes on in."""
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        found = CONTAINER_LINE.match(data, at, end)
        if found is None or found[1] == b"F":
            return end
        at = end + 1
    return -1


def values(source: Source) -> Iterator[Value]:
    """The JSON values of a file, in order.  `source.problem` is set if it is no text."""
    pieces = source.pieces()
    offset = 0
    head = first = next(pieces, b"")
    while head and not head.strip(_PADDING):
        offset += len(head)
        head = next(pieces, b"")
    if head[:1] == b"\0":  # what a log that was emptied while it was written begins with
        offset += len(head) - len(head := head.lstrip(_PADDING))
    if head.startswith(_BOM):
        head, offset = head[len(_BOM) :], offset + len(_BOM)
    binary = b"\0" in head[:2] or (b"\0" in first[:4096] and head.lstrip()[:1] not in (b"{", b"["))
    if problem := encoding_problem(head):
        source.problem = problem
    elif binary:
        source.problem = f"not text (it begins with {first[:8]!r})"
    else:
        window = _Window(head, offset, pieces)
        if (records := _records(window)) is not None:
            return records
        if not _by_lines(head):
            return _document(window)
        lines = _lines(chain((window.data,), pieces), offset)
        return _joined(lines) if CONTAINER_LINE.match(head) else lines
    return iter(())


def _joined(lines: Iterator[Value]) -> Iterator[Value]:
    """Lines of a container runtime; those that go on in the next are one value."""
    held: list[bytes] = []
    size = 0
    begin: tuple[int, int | None] = 0, None
    for offset, line, raw, problem in lines:
        if not held:
            begin = offset, line
        held.append(raw)
        size += len(raw)
        found = CONTAINER_LINE.match(raw)
        if found is None or found[1] == b"F" or size > LIMIT:
            yield *begin, b"\n".join(held), problem
            held, size = [], 0
    if held:
        yield *begin, b"\n".join(held), CUT_OFF


def _by_lines(head: bytes) -> bool:
    """Whether the lines are values of their own."""
    lines = [line for line in head[:_SAMPLE].split(b"\n") if line and not line.isspace()]
    if lines and lines[0].lstrip()[:1] not in (b"{", b"["):
        return True
    sample = lines[:_PROBE] if len(lines) <= _PROBE and len(head) < _SAMPLE else lines[:-1][:_PROBE]
    good = sum(complete(line) for line in sample)
    return bool(sample) and (complete(sample[0]) or good * 2 > len(sample))


def _lines(pieces: Iterator[bytes], offset: int) -> Iterator[Value]:
    number, size = 1, 0
    held: list[bytes] = []
    for piece in pieces:
        cut = piece.rfind(b"\n") + 1
        if cut and size > LIMIT:
            end = piece.find(b"\n") + 1
            yield offset, number, held[0][:_EXCERPT], TOO_LONG
            offset, number = offset + size + end, number + 1
            held, size = [], 0
            piece, cut = piece[end:], cut - end
        if cut:
            lines = piece.split(b"\n")
            piece = lines.pop()
            lines[0] = b"".join((*held, lines[0]))
            for line in lines:
                if line and not line.isspace():
                    yield offset, number, line, None
                offset, number = offset + len(line) + 1, number + 1
            held, size = [], 0
        if piece:
            if size <= LIMIT:
                held.append(piece)
            size += len(piece)
    if size > LIMIT:
        yield offset, number, held[0][:_EXCERPT], TOO_LONG
    elif (last := b"".join(held)) and not last.isspace():
        cut_off = last.lstrip()[:1] in (b"{", b"[") and not complete(last) and _scan(last, 0, 0, _OUTSIDE)[0] < 0
        yield offset, number, last, CUT_OFF if cut_off else None


class _Window:
    """The part of a stream that is in memory: `data[at:]` is still to be read."""

    def __init__(self, head: bytes, base: int, pieces: Iterator[bytes]) -> None:
        self.data = head
        self.at = 0
        self.base = base
        self.ended = False
        self._pieces = pieces
        self._torn = False

    @property
    def offset(self) -> int:
        return self.base + self.at

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def more(self) -> bool:
        """Read on, about as much as is left unread; False at the end of the stream."""
        parts, wanted = [self.data[self.at :]], max(self.left, PIECE)
        for piece in self._pieces:
            parts.append(piece)
            wanted -= len(piece)
            if wanted <= 0:
                break
        else:
            self.ended = True
        self.base, self.at = self.offset, 0
        self.data = b"".join(parts)
        return len(parts) > 1

    def fill(self) -> None:
        """Read on to the end, or until there is more than a value may have."""
        while self.left <= LIMIT and self.more():
            pass

    def mark(self) -> bytes:
        """The next byte that is neither space nor comma (`at` moves there); empty at the end."""
        while True:
            found = _MARK.search(self.data, self.at)
            if found:
                self.at = found.start()
                return found[0]
            self.at = len(self.data)
            if self.ended or not self.more():
                return b""

    def value(self) -> tuple[int, str | None]:
        """Where in `data` the object at `at` ends (-1: not in memory) and what is wrong with it."""
        if (length := _length(self.data[self.at : self.at + _GLANCE])) >= 0:
            return self.at + length, None
        while True:
            # After one that never ends, only as far as the next may begin: to look through all again takes for ever.
            stop = self.data.find(_NEXT, self.at + 1) if self._torn else -1
            end = _scan(self.data, self.at, 0, _OUTSIDE, stop if stop >= 0 else None)[0]
            if end >= 0:
                return end, _problem(self.data[self.at : end])
            if self.left > LIMIT:
                return -1, TOO_LONG
            if self.ended or not self.more():
                self._torn = True
                return -1, CUT_OFF

    def skip_value(self) -> bool:
        """Move behind the value at `at`, whatever its length; False if the stream ends first."""
        depth, state = 0, _OUTSIDE
        if self.data[self.at : self.at + 1] not in (b"{", b"["):
            scalar = _JUNK.match(self.data, self.at)
            self.at = scalar.end() if scalar else self.at + 1
            return True
        while True:
            end, depth, state = _scan(self.data, self.at, depth, state)
            if end >= 0:
                self.at = end
                return True
            self.at = len(self.data)
            if self.ended or not self.more():
                return False


_OUTSIDE, _INSIDE, _ESCAPED = range(3)


def _scan(data: bytes, at: int, depth: int, state: int, stop: int | None = None) -> tuple[int, int, int]:
    """Where the bracket or string that begins at `at` ends before `stop`, or -1 with the state to go on with."""
    stop = len(data) if stop is None else stop
    while True:
        if state == _ESCAPED:
            if at >= stop:
                return -1, depth, state
            at, state = at + 1, _INSIDE
        if state == _INSIDE:
            found = _IN_STRING.search(data, at, stop)
            if not found:
                return -1, depth, state
            at = found.end()
            state = _ESCAPED if found[0] == b"\\" else _OUTSIDE
            if state == _OUTSIDE and depth == 0:
                return at, depth, state
            continue
        found = _TOKEN.search(data, at, stop)
        if not found:
            return -1, depth, state
        at = found.end()
        if found[0] == b'"':
            state = _INSIDE
        elif found[0] in b"{[":
            depth += 1
        else:
            depth -= 1
            if depth <= 0:
                return at, depth, state


def _records(window: _Window) -> Iterator[Value] | None:
    """The records of a whole file as CloudTrail delivers it; None if it is none, or is broken."""
    begin = _DELIVERED.match(window.data)
    if not begin:
        return None
    window.fill()
    try:
        found = _delivered(window.data).Records if window.left <= LIMIT else None
    except (msgspec.DecodeError, RecursionError):
        return None
    return None if found is None else _placed(found, window.data, begin.end(), window.base)


def _placed(parts: list[msgspec.Raw], data: bytes, at: int, base: int) -> Iterator[Value]:
    for part in map(bytes, parts):
        at = data.index(part[:1], at)  # only spaces and a comma are before it
        yield base + at, None, part, None
        at += len(part)


def _document(window: _Window) -> Iterator[Value]:
    window.fill()
    if window.left <= LIMIT and complete(window.data):
        window.mark()
        yield window.offset, None, window.data[window.at :], None
        return
    entered: list[bytes] = []
    while mark := window.mark():
        offset, excerpt = window.offset, window.data[window.at : window.at + _EXCERPT]
        if mark in (b"]", b"}") and entered:
            entered.pop()
            window.at += 1
        elif entered and entered[-1] == b"{":
            key = _KEY.match(window.data, window.at)
            if key is None:
                yield offset, None, excerpt, LOST
                return
            window.at = key.end()
            if window.mark() == b"[":
                window.at += 1
                entered.append(b"[")
            else:
                window.skip_value()
        elif mark == b"[":
            window.at += 1
            entered.append(mark)
        elif mark == b"{":
            end, problem = window.value()
            after = window.data.find(_NEXT, window.at) if problem == CUT_OFF else -1
            before = next((place for place in (end, after) if place >= 0), window.at + _SAMPLE)
            if problem and not entered and _WRAPPER.search(window.data, window.at, before):
                # one object around everything: its lists are entered
                window.at += 1
                entered.append(mark)
                continue
            if end >= 0:
                raw, window.at = window.data[window.at : end], end
                yield offset, None, raw, problem
            elif after >= 0:
                window.at = after + 1  # it did not end, but others begin after it
                yield offset, None, excerpt, NOT_JSON
            else:
                found = window.skip_value()
                yield offset, None, excerpt, problem if found else CUT_OFF
        else:
            window.skip_value()
            yield offset, None, excerpt[: window.offset - offset], NOT_JSON
