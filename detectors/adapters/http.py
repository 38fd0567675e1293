"""A service as a detector: it receives batches of events by POST and returns scores.

    scopedrift run core-week --detector 'http(url=http://127.0.0.1:8080/score)'

Request: `{"run": "5f...", "seed": 7, "phase": "fit" or "score", "events": [...]}`, of at most `size` events in order of
arrival; `event_json` says what an event is.  Response: `{"scores": [...]}`, an answer for each event.  A service that
learns keeps its state by `run`: each fit has another one, and begins with the history in phase `fit`, whose scores are
not looked at.
"""

from __future__ import annotations

import contextlib
import json
import socket
import time
import uuid
from concurrent.futures import Future
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

import numpy as np

from scopedrift.detectors.adapters.event_json import SHOWN, decoded, encoded, judged, most, shown
from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.isolation.abstentions import Abstentions
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.events import Array, EventBatch

_CHUNK: Final = 1 << 16


@dataclass
class Http(Detector):
    """Scores events with your own service: posts batches as JSON to http(url=http://127.0.0.1:8080/score)."""

    url: str = param("", doc="address to post events to (http or https)")
    timeout: float = param(30.0, doc="seconds for one request, its response included")
    size: int = param(1000, doc="maximum events in a request")
    history: bool = param(True, doc="whether to show it the baseline window first")
    silence: int = param(50_000, doc="events that it may abstain on before its first score")

    name = "http"

    def __post_init__(self) -> None:
        self._address = urlsplit(self.url)
        if self._address.scheme not in ("http", "https") or not self._address.hostname:
            raise ValueError(f"expected an address such as http://127.0.0.1:8080/score, not {self.url!r}")
        if self.size < 1:
            raise ValueError(f"expected at least one event in a request, not {self.size}")

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Begins a run of the service, with the history."""
        self._run, self._seed = uuid.uuid4().hex, knowledge.seed
        self._abstentions = Abstentions(self.silence)
        self._reasons: dict[int, str] = {}
        for first in range(0, len(history) if self.history else 0, self.size):
            self._asked("fit", history.slice(first, first + self.size))

    def score(self, batch: EventBatch) -> Scores:
        """The service's scores; null is an abstention."""
        scores, self._reasons = np.full(len(batch), np.nan), {}
        for first in range(0, len(batch), self.size):
            part = batch.slice(first, first + self.size)
            scores[first : first + len(part)], reasons = self._scores(part)
            self._reasons |= {first + row: reason for row, reason in reasons.items()}
        return self._abstentions.judged(scores)

    def explain(self, batch: EventBatch, row: int) -> str:
        """The service's reason for its score, if any."""
        return self._reasons.get(row, "")

    def _scores(self, batch: EventBatch) -> tuple[Array, dict[int, str]]:
        said = self._asked("score", batch)
        answers = said.get("scores") if isinstance(said, dict) else None
        if not isinstance(answers, list):
            raise ValueError(f'{self.url} answered {shown(said)}: expected {{"scores": [...]}}')
        return judged(answers, len(batch))

    def _asked(self, phase: str, batch: EventBatch) -> object:
        head = json.dumps({"run": self._run, "seed": self._seed, "phase": phase})[:-1].encode()
        body = head + b', "events": [' + b",".join(encoded(batch)) + b"]}"
        until = time.monotonic() + self.timeout
        kind = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
        connection = kind(self._address.hostname or "", self._address.port, timeout=self.timeout)
        target = (self._address.path or "/") + (f"?{self._address.query}" if self._address.query else "")
        answer: Future[tuple[HTTPResponse, bytes]] = Future()
        sockets: list[socket.socket] = []

        def ask() -> None:
            try:
                connection.connect()
                sockets.append(connection.sock)  # the connection forgets it once the response says that it closes
                connection.request("POST", target, body, {"Content-Type": "application/json"})
                response = connection.getresponse()
                answer.set_result((response, self._read(response, until, most(len(batch)))))
            except BaseException as error:
                answer.set_exception(error)

        asking = Thread(target=ask, name="http-detector", daemon=True)
        asking.start()  # what drips or never resolves blocks that thread, and not this one
        try:
            response, content = answer.result(self.timeout)
            asking.join()  # it has nothing left to do; what it held of the batch is free
        except TimeoutError:
            for opened in sockets:
                with contextlib.suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)  # ends the thread
            raise RuntimeError(f"{self.url} did not answer {len(batch)} events in {self.timeout:g} s") from None
        except (OSError, HTTPException) as error:
            raise RuntimeError(f"{self.url}: request failed: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{self.url} answered {response.status} {response.reason[:100]}: expected 200")
        try:
            return decoded(content)
        except ValueError:
            raise ValueError(
                f"{self.url} answered {shown(content[:SHOWN].decode(errors='backslashreplace'))}: expected JSON"
            ) from None

    def _read(self, response: HTTPResponse, until: float, most: int) -> bytes:
        """The body; also of a service that sends it drop by drop, the time is limited."""
        content = bytearray()
        while chunk := response.read1(_CHUNK):
            content += chunk
            if time.monotonic() > until:
                raise TimeoutError
            if len(content) > most:
                raise RuntimeError(f"{self.url} answered with more than {most:,} bytes: expected scores")
        if response.length:  # what is left of its Content-Length
            raise RuntimeError(f"{self.url} ended its answer {response.length:,} bytes before its Content-Length")
        return bytes(content)
