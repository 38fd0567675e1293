"""A real service on the loopback interface, and services that refuse, hang, drip or answer nonsense."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import threading
from collections import defaultdict
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

from scopedrift.detectors import Knowledge
from scopedrift.detectors.adapters.event_json import encoded
from scopedrift.detectors.adapters.http import Http
from scopedrift.detectors.conformance.candidate import without
from scopedrift.detectors.conformance.runner import assert_conforms
from scopedrift.detectors.conformance.sample import sample_log
from scopedrift.detectors.loading import load
from scopedrift.detectors.spec import SpecError
from scopedrift.simulator.log.events import COLUMNS, TIMES

LOG = sample_log(1200)
HISTORY, STREAM = LOG.batch(0, 600), LOG.batch(600, 1200)


class Service(BaseHTTPRequestHandler):
    """Scores the first use of an operation by an identity, a memory for each run."""

    seen: ClassVar[defaultdict] = defaultdict(set)
    sizes: ClassVar[list] = []
    over: ClassVar[threading.Event]
    """The test ends: nobody waits any more."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.sizes.append((asked["phase"], len(asked["events"])))
        known, scores = self.seen[asked["run"]], []
        for event in asked["events"]:
            pair = event.get("identity"), event.get("operation")
            new = pair not in known
            known.add(pair)
            scores.append(None if pair[0] is None else {"score": 1, "reason": f"{pair[1]} is new"} if new else 0)
        self.answer(200, json.dumps({"scores": scores}).encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def drip(self, parts: Iterable[bytes]) -> None:
        """Says one part after the other, slowly, and then nothing."""
        with contextlib.suppress(OSError):  # the other side has gone
            for part in parts:
                self.wfile.write(part)
                if self.over.wait(0.1):
                    return
            self.over.wait(600)

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def serve():
    servers, Service.over = [], threading.Event()

    def started(handler: type[Service] = Service) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/score"

    yield started
    Service.over.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def answering(body: bytes, status: int = 200) -> type[Service]:
    return type("Odd", (Service,), {"do_POST": lambda self: self.answer(status, body)})


def test_a_service_learns_from_the_history_abstains_and_gives_reasons(serve) -> None:
    Service.sizes.clear()
    detector = Http(url=serve(), size=250)
    for _ in range(2):  # a second fit is another run
        detector.fit(HISTORY, Knowledge(seed=1))
        scores = detector.score(STREAM)
        seen = set(HISTORY.pairs("identity", "operation"))
        for pair, score, row in zip(STREAM.pairs("identity", "operation"), scores.tolist(), range(600), strict=True):
            if pair[0] is None:
                assert np.isnan(score)
            else:
                assert score == float(pair not in seen)
                assert detector.explain(STREAM, row) == (f"{pair[1]} is new" if score else "")
            seen.add(pair)
    assert Service.sizes[:6] == [
        ("fit", 250),
        ("fit", 250),
        ("fit", 100),
        ("score", 250),
        ("score", 250),
        ("score", 100),
    ]


@pytest.mark.slow
def test_a_service_keeps_the_contract(serve) -> None:
    assert_conforms(f"http(url={serve()})")


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"busy", 503, "answered 503 Service Unavailable: expected 200"),
        (b"ok", 200, "answered 'ok': expected JSON"),
        (b"[1]", 200, "answered '[1]': expected {\"scores\": [...]}"),
        (b'{"scores": [1, 2]}', 200, "2 answers for 600 events: expected one an event"),
        (json.dumps({"scores": ["high"] * 600}).encode(), 200, "answered 'high': expected a number, null"),
        (json.dumps({"scores": [None] * 600}).encode(), 200, "abstained (NaN) on all of the first 600 events"),
    ],
)
def test_what_is_no_answer_is_told(serve, body, status, message) -> None:
    detector = Http(url=serve(answering(body, status)), history=False, silence=500)
    detector.fit(HISTORY, Knowledge())
    with pytest.raises((RuntimeError, ValueError)) as error:
        detector.score(STREAM)
    assert message in str(error.value)


def test_an_answer_shorter_than_its_content_length_is_an_error(serve) -> None:
    def cut(self: Service) -> None:
        body = json.dumps({"scores": [0.0] * 600}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body) + 7))
        self.end_headers()
        self.wfile.write(body)

    detector = Http(url=serve(type("Cut", (Service,), {"do_POST": cut})), history=False)
    detector.fit(HISTORY, Knowledge())
    with pytest.raises(RuntimeError, match="ended its answer 7 bytes before its Content-Length"):
        detector.score(STREAM)


def test_every_column_is_in_every_event_and_what_is_missing_is_null() -> None:
    whole, bare = (json.loads(encoded(batch)[0]) for batch in (STREAM, without(STREAM, COLUMNS, absent=True)))
    assert list(whole) == list(bare) == list(COLUMNS)
    assert {name for name, value in bare.items() if value is not None} == set(TIMES)


class Hangs(Service):
    def do_POST(self) -> None:
        self.over.wait(600)


class Drips(Service):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.drip(itertools.repeat(b" ", 6_000))


class DripsHeaders(Service):
    def do_POST(self) -> None:
        self.send_response(200)
        self.flush_headers()
        self.drip(f"X-Number: {number}\r\n".encode() for number in range(200))


class DripsStatus(Service):
    def do_POST(self) -> None:
        self.drip(map(bytes, zip(b"HTTP/1.1 200 OK" + b" and more" * 500)))


class DripsAChunk(Service):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        self.drip(itertools.repeat(b"0", 6_000))


@pytest.mark.parametrize("handler", [Hangs, Drips, DripsHeaders, DripsStatus, DripsAChunk])
def test_a_service_that_takes_too_long_is_left(serve, wait_until, handler) -> None:
    detector = Http(url=serve(handler), timeout=0.4, history=False)
    detector.fit(HISTORY, Knowledge())
    with pytest.raises(RuntimeError, match=r"did not answer 600 events in 0.4 s"):
        detector.score(STREAM)
    asking = "http-detector"  # the name of its thread
    wait_until(lambda: asking not in {thread.name for thread in threading.enumerate()}, "the end of the request")


def test_a_service_that_is_not_there_is_told() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # nobody listens, and nobody else is given this port
        detector = Http(url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(RuntimeError, match=r"request failed: .*refused"):
            detector.fit(HISTORY, Knowledge())


@pytest.mark.parametrize("spec", ["http", "http(url=ftp://x/y)", "http(url=localhost)", "http(url=http://x/, size=0)"])
def test_what_is_no_address_is_told(spec) -> None:
    with pytest.raises(SpecError, match=r"expected (an address such as http|at least one event)"):
        load(spec)
