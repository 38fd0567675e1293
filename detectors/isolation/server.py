"""The detector's side: loads the detector once its process is shut in, then answers questions to the end."""

from __future__ import annotations

import gc
import json
import os
import pickle
import socket
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from scopedrift.detectors import loading
from scopedrift.detectors.answers import AnswerError, described, parts_of, reason_of, scores_of
from scopedrift.detectors.base import Detector
from scopedrift.detectors.description import describe
from scopedrift.detectors.isolation.columns import BatchHeader, Placed
from scopedrift.detectors.isolation.frames import FILES, Closed, receive, send
from scopedrift.detectors.isolation.receiver import Receiver
from scopedrift.detectors.isolation.traces import Traces
from scopedrift.detectors.spec import SpecError, told_of


class Question(BatchHeader):
    """The header of a question."""

    do: str
    """confined (before all), load, fit, score, explain, or parts (the last one)."""
    row: int
    """The event to explain."""
    spec: str
    """What to load; empty if the body is the pickled detector."""
    parameters: dict[str, object]
    tuned: dict[str, tuple[str, dict[str, object]]]
    """What the tuned detectors' files say that it names."""


Answer = tuple[Mapping[str, object], bytes | memoryview]


def serve(channel: int, lacks: Sequence[str]) -> None:
    """Answers on an open socket; `lacks` is what this system could not shut in."""
    with socket.socket(fileno=channel) as connected:
        served = _Served(lacks, connected)
        while True:
            try:
                text, body, files = receive(connected, most_files=FILES)
            except Closed:
                return
            try:
                header, found = served.answer(json.loads(text), body, files)
                served.receiver.complete()
            except (SpecError, AnswerError) as error:
                header, found = {"error": str(error)}, b""
            except BaseException as error:  # of any kind: nobody else is here
                header, found = {"error": described(error)}, b""
            send(connected, {**header, "free": served.receiver.released()}, found)


class _Served:
    """A detector, and the batches that it is asked about."""

    def __init__(self, lacks: Sequence[str], channel: socket.socket) -> None:
        self._lacks = lacks
        self._channel = channel
        self._detector: Detector | None = None
        self.receiver = Receiver(self._ask)
        os.register_at_fork(before=self.receiver.complete)  # a copy of this process has nobody to ask
        self._traces = Traces()
        self._verbs: dict[str, Callable[[Question, bytearray, list[int]], Answer]] = {
            "confined": self._confined, "load": self._load, "fit": self._fit,
            "score": self._score, "explain": self._explain, "parts": self._parts,
        }  # fmt: skip

    def answer(self, asked: Question, body: bytearray, files: list[int]) -> Answer:
        """Header and bytes of the answer to one question."""
        return self._verbs[asked["do"]](asked, body, files)

    def _ask(self, want: Mapping[str, object]) -> tuple[Placed, list[int]]:
        send(self._channel, {**want, "free": self.receiver.released()})
        text, _, files = receive(self._channel, most_files=FILES)
        return json.loads(text), files

    @property
    def _made(self) -> Detector:
        assert self._detector is not None
        return self._detector

    def _confined(self, asked: Question, body: bytearray, files: list[int]) -> Answer:
        return {"lacks": list(self._lacks)}, b""

    def _load(self, asked: Question, body: bytearray, files: list[int]) -> Answer:
        self._traces = Traces()
        told_of(asked["tuned"])
        # from us, and this side trusts that one
        made = loading.load(asked["spec"], asked["parameters"]) if asked["spec"] else pickle.loads(body)
        self._detector = made
        said = describe(type(made))
        return {
            "name": str(made.name or type(made).__name__),
            "needs": sorted(map(str, made.needs)),
            "parameters": _plain(made.parameters()),
            "rules": type(made).parts is not Detector.parts,
            "searched": [
                {"name": p.name, "type": p.type, "default": _plain(p.default), "doc": p.doc,
                 "range": [p.range.low, p.range.high, p.range.log] if p.range else None}
                for p in said.parameters
            ],
        }, b""  # fmt: skip

    def _fit(self, asked: Question, body: bytearray, files: list[int]) -> Answer:
        self._made.fit(self.receiver.batch(asked, files), pickle.loads(body))
        return {}, b""

    def _score(self, asked: Question, body: bytearray, files: list[int]) -> Answer:
        returned = self._made.score(self.receiver.batch(asked, files))
        return {}, np.ascontiguousarray(scores_of(returned, asked["events"])).view(np.uint8).data

    def _explain(self, asked: Question, body: bytearray, files: list[int]) -> Answer:
        return {"reason": reason_of(self._made.explain(self.receiver.current(), asked["row"]))}, b""

    def _parts(self, asked: Question, body: bytearray, files: list[int]) -> Answer:
        """The last question: also tells what the detector changed in its process, or left running."""
        parts = parts_of(self._made.parts())
        self._detector = None
        gc.collect()
        if left := self._traces.left(draws=False):
            raise RuntimeError(left)
        matched = [np.asarray(part.matched, np.int64) for part in parts]
        texts = [
            [part.name, part.level, part.blind, part.key, len(rows)] for part, rows in zip(parts, matched, strict=True)
        ]
        return {"parts": texts}, b"".join(rows.tobytes() for rows in matched)


def _plain(value: object) -> object:
    """The value, if JSON can carry it; otherwise its text."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else repr(value)
