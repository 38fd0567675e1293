"""Logs written by hand: a list of events as dictionaries, and detectors that are shown them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from scopedrift.detectors.base import Detector
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.simulator.log.event_log import EventLog
from scopedrift.simulator.log.events import CODED, DTYPES, HOUR, OPAQUE, SECOND, EventBatch, Vocabulary

START = 1_767_571_200 * SECOND  # 2026-01-05, a Monday

Build = Callable[..., EventLog]
Judge = Callable[..., Any]


def build(events: Iterable[Mapping[str, Any]], **common: Any) -> EventLog:
    """A log of events given as dictionaries; `at` is the hour of arrival, `late` the delay before it (seconds).

    A column exists if any event has it; `common` is true of every event that does not say otherwise.
    """
    rows = sorted(({**common, **event} for event in events), key=lambda event: event["at"])
    given = {name for row in rows for name in row}
    vocabulary = Vocabulary()
    arrived = np.array([START + round(row["at"] * HOUR) for row in rows], np.int64)
    late = np.array([round(row.get("late", 0) * SECOND) for row in rows], np.int64)
    columns: dict[str, Any] = {"time": arrived - late, "arrived": arrived}
    for name in (n for n in CODED if n in given):
        texts, names = [row.get(name) for row in rows], vocabulary[name]
        columns[name] = np.array([-1 if text is None else names.code(text) for text in texts], DTYPES[name])
    columns |= {n: np.array([row.get(n, -1) for row in rows], np.int64) for n in (*OPAQUE, "bytes") if n in given}
    return EventLog.from_columns(columns, vocabulary)


def judge(
    detector: Detector, log: EventLog, knowledge: Knowledge | None = None, *, fit: float, cut: int = 10_000
) -> tuple[np.ndarray, EventBatch]:
    """Fits on what arrived before the hour `fit`, scores the rest in batches of `cut`; scores and the last batch."""
    split = log.position(START + round(fit * HOUR))
    detector.fit(log.batch(0, split), knowledge or Knowledge())
    batches = list(log.batches(cut, split))
    scores = [np.asarray(detector.score(batch), float) for batch in batches]
    return np.concatenate(scores), batches[-1]


@pytest.fixture(scope="session", name="build")
def _build() -> Build:
    return build


@pytest.fixture(scope="session", name="judge")
def _judge() -> Judge:
    return judge


@pytest.fixture(scope="session")
def start() -> int:
    return START
