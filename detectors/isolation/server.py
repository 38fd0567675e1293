"""The detector's side of `isolated`: answers questions until there are no more."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from typing import IO

import numpy as np

from scopedrift.detectors import loading
from scopedrift.detectors.base import Detector
from scopedrift.detectors.isolation.frames import SIZE, BatchHeader, Receiver, framed, lengths, plain
from scopedrift.detectors.spec import SpecError
from scopedrift.simulator.log.events import EventBatch


def serve(spec: str, confined: bool, questions: IO[bytes], answers: IO[bytes]) -> None:
    """Loads the detector and says what it needs, then fits, scores and explains as it is asked."""

    def answer(header: Mapping[str, object], *parts: bytes | memoryview) -> None:
        for part in framed(header, *parts):
            answers.write(part)
        answers.flush()

    try:
        served = _Served(loading.load(spec))
    except SpecError as error:
        answer({"error": str(error)})
        return
    except (Exception, SystemExit) as error:
        answer({"error": f"{type(error).__name__}: {error}"})
        return
    answer({"needs": sorted(served.detector.needs), "confined": confined})
    while start := questions.read(SIZE):
        header, body = map(questions.read, lengths(start))
        try:
            answer(*served.answer(json.loads(header), body))
        except (Exception, SystemExit) as error:
            answer({"error": f"{type(error).__name__}: {error}"})


class Question(BatchHeader):
    """The header of a question."""

    do: str
    """fit, score or explain."""
    row: int
    """The event to explain."""
    knowledge: int
    """Bytes of pickled knowledge at the end of the body."""


class _Served:
    """A detector, and the batch that `explain` is about."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._receiver = Receiver()
        self._batch: EventBatch | None = None

    def answer(self, asked: Question, body: bytes) -> tuple[Mapping[str, object], bytes | memoryview]:
        """Header and body of the answer to one question."""
        if asked["do"] == "explain":
            assert self._batch is not None
            return {"reason": self.detector.explain(self._batch, asked["row"])}, b""
        batch = self._receiver.batch(asked, body)
        if asked["do"] == "fit":
            knowledge = pickle.loads(body[len(body) - asked["knowledge"] :])  # from us: this side trusts that one
            self.detector.fit(batch, knowledge)
            return {}, b""
        self._batch = batch
        scores = np.asarray(self.detector.score(batch))
        if scores.dtype.kind not in "fiub":
            return {"error": f"returned {scores.dtype}, expected {len(batch)} floats"}, b""
        if scores.shape != (len(batch),):
            return {"error": f"returned shape {scores.shape}, expected ({len(batch)},): one score an event"}, b""
        return {}, plain(scores.astype(np.float64))
