"""Events as JSON for programs and services, and their answers.

An event is an object with the columns of the log: texts, ids (16 hexadecimal digits), `bytes`, and `time` and
`arrived` in microseconds since 1970-01-01 UTC; every column is there, and what a record
or the log lacks is null.

An answer is a number (higher is more suspicious), null to abstain, or `{"score": 3.5, "reason": "a sentence"}`.
Nothing about it is trusted: it may be long, nested without end, or a number beyond all floats.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from scopedrift.simulator.log.events import CODED, COLUMNS, OPAQUE, TIMES, Array, EventBatch

MOST: Final = 4096
"""Bytes of an answer, on average, beyond which it is called a flood (assumed)."""
SHOWN: Final = 100
"""Characters of an answer that a message quotes."""


def most(events: int) -> int:
    """Bytes that the answers to so many events may have together."""
    return MOST * (events + 100)


def decoded(text: str | bytes) -> object:
    """The value of a JSON text.

    Raises `ValueError`.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def shown(answer: object) -> str:
    """The beginning of an answer, for a message."""
    try:
        text = repr(str(answer)[:SHOWN])
    except (RecursionError, ValueError):  # nested deeply, or a number of thousands of digits
        return f"a {type(answer).__name__}"
    return text if len(text) <= 2 * SHOWN else f"{text[:SHOWN]}…"


def encoded(batch: EventBatch) -> list[bytes]:
    """Each event as a JSON object."""
    encode = msgspec.json.Encoder().encode
    return [
        encode(dict(zip(COLUMNS, row, strict=True))) for row in zip(*(_values(batch, n) for n in COLUMNS), strict=True)
    ]


def judged(answers: Sequence[object], events: int) -> tuple[Array, dict[int, str]]:
    """Scores, and the reasons given by row.

    Raises `ValueError` for an invalid answer.
    """
    if len(answers) != events:
        raise ValueError(f"{len(answers)} answers for {events} events: expected one an event")
    scores, reasons = np.full(events, np.nan), {}
    for row, answer in enumerate(answers):
        value = answer
        if isinstance(answer, dict):
            value = answer.get("score")
            if answer.get("reason"):
                reasons[row] = str(answer["reason"])[:1000]
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"answered {shown(answer)}: expected a number, null, or an object with a score")
        try:
            scores[row] = value
        except OverflowError:
            raise ValueError(f"answered {shown(answer)}: expected a number that fits a float") from None
    return scores, reasons


def _values(batch: EventBatch, name: str) -> list[object]:
    if name not in batch.columns:
        return [None] * len(batch)
    values = batch.columns[name]
    if name in CODED:
        codes, which = np.unique(values, return_inverse=True)
        known = batch.names(name)
        texts = [None if code < 0 else known[code] for code in codes.tolist()]
        return [texts[i] for i in which.tolist()]
    if name in OPAQUE:
        return [None if value < 0 else f"{value:016x}" for value in values.tolist()]
    if name in TIMES:
        return list(values.tolist())
    return [None if value < 0 else value for value in values.tolist()]
