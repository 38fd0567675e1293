"""Hostile answers of programs and services: each costs its own cell, in one line, and neither time nor memory."""

from __future__ import annotations

import contextlib
import gzip
import json
import multiprocessing
import re
import socket
import socketserver
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import NamedTuple

import pytest

MOST_MIB = 300
"""Memory that judging a small world may take, whatever is answered."""
TIMEOUT_S = 3
Judge = Callable[[str], tuple[str, str]]


class Said(NamedTuple):
    """A body, made for a number of events, and a part of the reason why its cell fails; None: it may have a result."""

    body: Callable[[int], bytes]
    reason: str | None = ""


def scores(each: str) -> Callable[[int], bytes]:
    return lambda events: f'{{"scores": [{", ".join([each] * events)}]}}'.encode()


BODIES = {
    "cut short": Said(lambda n: scores("0")(n)[:-9], "expected JSON"),
    "nothing": Said(lambda n: b"", "expected JSON"),
    "null": Said(lambda n: b"null", "expected {"),
    "a list": Said(lambda n: b"[0]", "expected {"),
    "no scores": Said(lambda n: b'{"scores": null}', "expected {"),
    "a mapping of scores": Said(lambda n: b'{"scores": {"0": 1}}', "expected {"),
    "too few": Said(lambda n: scores("0")(n - 1), "answers for"),
    "too many": Said(lambda n: scores("0")(n + 1), "answers for"),
    "only NaN": Said(scores("NaN"), "abstained"),
    "only null": Said(scores("null"), "abstained"),
    "infinities": Said(scores("Infinity"), None),
    "numbers beyond floats": Said(scores("1" + "0" * 400), "expected a number that fits a float"),
    "numbers with large exponents": Said(scores("1e999"), None),
    "a number of a million digits": Said(lambda n: b'{"scores": [' + b"9" * 10**6 + b"]}", "expected JSON"),
    "truths": Said(scores("true"), "expected a number"),
    "texts": Said(scores('"1"'), "expected a number"),
    "lists": Said(scores("[1]"), "expected a number"),
    "objects": Said(scores('{"score": {"score": 1}}'), "expected a number"),
    "objects without a score": Said(scores('{"points": 1}'), "abstained"),
    "halves of characters": Said(scores('"\\ud800"'), "expected a number"),
    "what steers terminals": Said(scores('"\\u001b[2J\\u202e"'), "expected a number"),
    "a reason that is no text": Said(scores('{"score": 1, "reason": {"a": [1]}}'), None),
    "a reason that steers terminals": Said(scores('{"score": 1, "reason": "\\u001b[2J\\ud800"}'), None),
    "a reason without end": Said(lambda n: b'{"scores": [{"score": 1, "reason": "' + b"x" * 10**8, "more than"),
    "lists nested without end": Said(lambda n: b"[" * 10**6, "expected JSON"),
    "objects nested without end": Said(lambda n: b'{"scores":' * 10**5, "expected JSON"),
    "lists nested deeply": Said(lambda n: b'{"scores": [' + b"[" * 900 + b"]" * 900 + b"]}", "answers for"),
    "binary": Said(lambda n: bytes(range(256)) * 100, "expected JSON"),
    "NULs": Said(lambda n: b"\0" * 10**6, "expected JSON"),
    "UTF-16": Said(lambda n: scores("0")(n).decode().encode("utf-16"), None),
    "a key a hundred thousand times": Said(lambda n: b"{" + b'"scores": 0, ' * 10**5 + b'"scores": 0}', "expected {"),
    "small objects by the million": Said(lambda n: b"[" + b"{}," * 10**7 + b"{}]", "more than"),
}


def http(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def sized(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    return http(body, status, f"Content-Length: {len(body)}", *headers)


def zeros(events: int) -> bytes:
    return scores("0")(events)


Parts = Callable[[int], Iterator[bytes]]


class Spoken(NamedTuple):
    """What a service sends, part by part, and a part of the reason as in `Said`; `pause_s` lies between the parts."""

    parts: Callable[[int], Iterator[bytes]]
    reason: str | None = ""
    pause_s: float = 0.0


def once(made: Callable[[int], bytes]) -> Parts:
    return lambda events: iter([made(events)])


LATE = "did not answer"
PROTOCOLS = {
    "an error": Spoken(once(lambda n: sized(b"busy", "503 Busy")), "answered 503"),
    "an error with a text without end": Spoken(once(lambda n: sized(b"", "500 " + "x" * 60_000)), "answered 500"),
    "an error that steers terminals": Spoken(once(lambda n: sized(b"", "500 \x1b[2J\x07")), "answered 500"),
    "a redirect to itself": Spoken(once(lambda n: sized(b"", "307 Again", "Location: /score")), "answered 307"),
    "a redirect to a file": Spoken(once(lambda n: sized(b"", "302 x", "Location: file:///etc/passwd")), "answered 302"),
    "a wish for a password": Spoken(once(lambda n: sized(b"", "401 x", "WWW-Authenticate: Basic")), "answered 401"),
    "no content": Spoken(once(lambda n: http(b"", "204 No Content")), "answered 204"),
    "go on, without end": Spoken(lambda n: repeat(http(b"", "100 Continue")), LATE),
    "a header without end": Spoken(lambda n: chain([b"HTTP/1.1 200 OK\r\nX: "], repeat(b"x" * 999)), "failed"),
    "headers without end": Spoken(lambda n: chain([b"HTTP/1.1 200 OK\r\n"], repeat(b"X: 1\r\n")), "failed"),
    "a status line without end": Spoken(lambda n: repeat(b"HTTP/1.1 200 " + b"x" * 999), "failed"),
    "no status": Spoken(once(lambda n: zeros(n)), "failed"),
    "a status of nonsense": Spoken(once(lambda n: http(b"", "two hundred")), "failed"),
    "a status beyond all": Spoken(once(lambda n: http(b"", "9" * 5_000)), "failed"),
    "another protocol": Spoken(once(lambda n: b"\x15\x03\x01\x00\x02\x02\x28" * 9), "failed"),
    "headers that are none": Spoken(once(lambda n: http(zeros(n), "200 OK", "\x00\xff: \x01", "no colon")), None),
    "a body without end": Spoken(lambda n: chain([http(b"")], repeat(b" " * 65_536)), "more than"),
    "a body drop by drop": Spoken(lambda n: chain([http(b"")], repeat(b" ")), LATE, 0.05),
    "headers drop by drop": Spoken(lambda n: iter([bytes([b]) for b in sized(zeros(n))]), LATE, 0.1),
    "a length too long": Spoken(once(lambda n: http(zeros(n), "200 OK", "Content-Length: 999999999")), "before its"),
    "a length too short": Spoken(once(lambda n: http(zeros(n), "200 OK", "Content-Length: 9")), "expected JSON"),
    "a negative length": Spoken(once(lambda n: http(zeros(n), "200 OK", "Content-Length: -1")), None),
    "a length of letters": Spoken(once(lambda n: http(zeros(n), "200 OK", "Content-Length: ten")), None),
    "two lengths": Spoken(once(lambda n: http(zeros(n), "200 OK", "Content-Length: 2", "Content-Length: 9")), ""),
    "a length of a terabyte": Spoken(
        lambda n: chain([http(b"", "200 OK", f"Content-Length: {1 << 40}")], repeat(b"0" * 65_536)), "more than"
    ),
    "chunks without end": Spoken(
        lambda n: chain(
            [http(b"", "200 OK", "Transfer-Encoding: chunked")], repeat(b"1000\r\n" + b" " * 4096 + b"\r\n")
        ),
        "more than",
    ),
    "a chunk of a terabyte": Spoken(
        once(lambda n: http(b"10000000000\r\n" + zeros(n), "200 OK", "Transfer-Encoding: chunked")), "failed"
    ),
    "chunks of nonsense": Spoken(once(lambda n: http(b"xyz\r\n", "200 OK", "Transfer-Encoding: chunked")), "failed"),
    "a chunk of a negative size": Spoken(once(lambda n: http(b"-5\r\n", "200 OK", "Transfer-Encoding: chunked")), ""),
    "chunks cut short": Spoken(once(lambda n: http(b"ff\r\n[", "200 OK", "Transfer-Encoding: chunked")), "failed"),
    "a bomb": Spoken(
        once(lambda n: sized(gzip.compress(bytes(10**8)), "200 OK", "Content-Encoding: gzip")), "expected JSON"
    ),
    "a silence": Spoken(lambda n: repeat(b""), LATE, 0.05),
    "an end at once": Spoken(lambda n: iter(()), "failed"),
    "a connection that is reset": Spoken(lambda n: iter([b"HTTP/1.1 2", RESET]), "failed"),
}  # fmt: skip
RESET = b"reset"


class Server(socketserver.ThreadingTCPServer):
    """Reads each request whole and answers with the parts that were made for its number of events."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, parts: Callable[[int], Iterator[bytes]], pause_s: float) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.parts, self.pause_s = parts, pause_s


@contextlib.contextmanager
def serving(parts: Callable[[int], Iterator[bytes]], pause_s: float = 0.0) -> Iterator[str]:
    """The address of a service, in a process of its own: no file of this one may close while a detector is judged."""
    with Server(parts, pause_s) as server:  # keeps its socket open until the other process has ended
        process = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
        process.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/score"
        finally:
            process.kill()
            process.join()
            process.close()


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        length = 0
        while (line := self.rfile.readline()).strip():
            if found := re.match(rb"content-length: (\d+)", line.lower()):
                length = int(found[1])
        events = len(json.loads(self.rfile.read(length))["events"])
        with contextlib.suppress(OSError):  # the other side has gone
            for part in self.server.parts(events):
                if part is RESET:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                self.connection.sendall(part)
                time.sleep(self.server.pause_s)


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Fails if the block takes much memory at once (where Linux tells)."""
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def peak_mib() -> int:
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found is not None
        return int(found[1]) >> 10

    if sys.platform != "linux":
        yield
        return
    forget.write_text("5")
    before = peak_mib()
    yield
    assert peak_mib() - before <= MOST_MIB


def answered(judge: Judge, spec: str, reason: str | None) -> None:
    with little_memory():
        status, why = judge(spec)
    if reason is not None:
        assert status == "failed" and reason in why
    assert len(why) < 700 and "\x1b" not in why and "\n" not in why and (status == "failed") == bool(why)
    assert not re.search("RecursionError|OverflowError|AttributeError|TypeError|KeyError", why), why


@pytest.mark.parametrize("said", [pytest.param(each, id=name) for name, each in BODIES.items()])
def test_a_service_answers_nonsense(judge: Judge, said: Said) -> None:
    with serving(once(lambda events: sized(said.body(events)))) as url:
        answered(judge, f"http(url={url}, history=false, silence=100, timeout=60)", said.reason)


@pytest.mark.parametrize("spoken", [pytest.param(each, id=name) for name, each in PROTOCOLS.items()])
def test_a_service_breaks_the_protocol(judge: Judge, spoken: Spoken) -> None:
    with serving(spoken.parts, spoken.pause_s) as url:
        answered(judge, f"http(url={url}, history=false, silence=100, timeout={TIMEOUT_S})", spoken.reason)


class Line(NamedTuple):
    """A program's Python, after its imports, and a part of the reason as in `Said`."""

    code: str
    reason: str | None = ""


EACH = "for line in sys.stdin: "
FLOOD = "answered with more than"
SILENT = "it must read and write line by line"
ANY = ""
"""It fails, for whatever reason."""
PROGRAMS = {
    "a line cut short": Line(EACH + "say(b'{\"score\": 1\\n')", "expected a number"),
    "no lines": Line(EACH + "say(b'\\n')", "expected a number"),
    "only NaN": Line(EACH + "say(b'nan\\n')", "abstained"),
    "infinities": Line(EACH + "say(b'-Infinity\\n')", None),
    "numbers beyond floats": Line(EACH + "say(b'1' + b'0' * 400 + b'\\n')", "expected a number that fits a float"),
    "numbers of ten thousand digits": Line(EACH + "say(b'9' * 10**4 + b'\\n')", ANY),
    "truths": Line(EACH + "say(b'true\\n')", "expected a number"),
    "lists": Line(EACH + "say(b'[1]\\n')", "expected a number"),
    "objects within objects": Line(EACH + 'say(b\'{"score": {"score": 1}}\\n\')', "expected a number"),
    "lists nested without end": Line(EACH + "say(b'[' * 10**6 + b'\\n')", FLOOD),
    "lists nested too deeply": Line(EACH + "say(b'[' * 3000 + b'\\n')", "expected a number"),
    "lists nested deeply": Line(EACH + "say(b'[' * 900 + b']' * 900 + b'\\n')", "expected a number"),
    "binary": Line(EACH + "say(bytes(range(256)))", ANY),
    "NULs": Line(EACH + "say(b'\\0' * 99 + b'\\n')", "expected a number"),
    "what steers terminals": Line(EACH + "say(b'\\x1b[2J\\x9b\\n')", "expected a number"),
    "halves of characters": Line(EACH + "say(b'\"\\\\ud800\"\\n')", "expected a number"),
    "a reason that steers terminals": Line(EACH + 'say(b\'{"score": 1, "reason": "\\\\u001b[2J"}\\n\')', None),
    "two lines for one": Line(EACH + "say(b'1\\n1\\n')", "answered more than"),
    "another line at the end": Line("for i, line in enumerate(sys.stdin): say(b'1\\n' if i else b'1\\n1\\n')", ANY),
    "half of the lines": Line("for i, line in enumerate(sys.stdin): i % 2 and say(b'1\\n')", SILENT),
    "a line without end": Line("while True: say(b'1' * 65536)", "answered"),  # too much, or before it was asked
    "lines without end": Line("while True: say(b'1\\n' * 32768)", ANY),
    "drop by drop": Line("for line in sys.stdin: say(b'1'); time.sleep(0.05)", SILENT),
    "a silence": Line("time.sleep(600)", SILENT),
    "a silence that reads": Line("for line in sys.stdin: pass", SILENT),
    "a flood on its errors": Line("while True: os.write(2, b'x' * 65536)", ANY),
    "errors that steer terminals": Line("sys.exit('\\x1b[2J\\x07' * 100)", "ended with exit code 1"),
    "an error without end": Line("sys.exit('x' * 10**7)", "ended with exit code 1"),
    "an end at once": Line("os._exit(0)", "ended with exit code 0"),
    "an end in the middle": Line(
        "for i, line in enumerate(sys.stdin): i < 9 and say(b'1\\n') or os._exit(3)", "code 3"
    ),
    "a signal": Line("os.kill(os.getpid(), 11)", "SIGSEGV"),
    "no output": Line("os.close(1); time.sleep(600)", ANY),
    "no input": Line("os.close(0); time.sleep(600)", ANY),
    "a child that answers, too": Line("os.fork(); [say(b'1\\n') for line in sys.stdin]", None),
    "memory without end": Line("held = []\nwhile True: held.append(b'x' * (1 << 24))", "MemoryError"),
}
IMPORTS = "#!{python}\nimport os, sys, time\n\n\ndef say(what):\n    os.write(1, what)\n    return True\n\n\n"


@pytest.mark.parametrize("line", [pytest.param(each, id=name) for name, each in PROGRAMS.items()])
def test_a_program_answers_nonsense(judge: Judge, tmp_path: Path, line: Line) -> None:
    path = tmp_path / "theirs.py"
    path.write_text(IMPORTS.format(python=sys.executable) + line.code + "\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    given = f"history=false, silence=100, timeout={TIMEOUT_S}, memory=512, restarts=0"
    answered(judge, f"program(command={path}, {given})", line.reason)
