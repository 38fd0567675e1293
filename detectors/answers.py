"""What a detector may answer: scores, reasons and rules, checked; and what it raised, told in one line.

Nothing here trusts the object that came back: its length is asked before it is turned into an array, and an exception
whose text cannot be made is told by its type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from scopedrift.detectors.base import Part
from scopedrift.simulator.log.events import Array

MOST_PARTS = 100_000
"""Rules of one detector (assumed)."""
MOST_TEXT = 10_000
"""Characters of a reason, or of what a detector raised, that are passed on (assumed)."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class AnswerError(ValueError):
    """What a detector returned is no answer; the text says what was expected."""


def scores_of(returned: object, expected: int) -> Array:
    """The scores as float64; NaN abstains, infinities are the highest and lowest scores there are.

    Raises `AnswerError`.
    """
    length = len(returned) if isinstance(returned, Sequence) else expected
    if length != expected:  # before a range of a billion becomes an array
        raise AnswerError(_shape((length,), expected))
    try:
        scores = np.asarray(returned)
    except Exception as error:
        raise AnswerError(f"returned no array of scores: {described(error)}") from error
    if scores.dtype.kind not in "fiub":
        kind = type(returned).__name__ if scores.dtype == object or not scores.ndim else f"dtype {scores.dtype}"
        raise AnswerError(f"returned {kind}, expected {expected} floats")
    if scores.shape != (expected,):
        raise AnswerError(_shape(scores.shape, expected))
    return scores.astype(np.float64, copy=False)


def reason_of(returned: object) -> str:
    """The reason as text that can be stored.

    Raises `AnswerError`.
    """
    if not isinstance(returned, str):
        raise AnswerError(f"returned {type(returned).__name__}, expected one sentence (str)")
    return storable(returned[:MOST_TEXT])


def parts_of(returned: object) -> tuple[Part, ...]:
    """The rules, with storable texts, and what each matched as ascending positions.

    Raises `AnswerError`.
    """
    if not isinstance(returned, Sequence) or isinstance(returned, str):
        raise AnswerError(f"returned {type(returned).__name__}, expected a sequence of Part")
    if len(returned) > MOST_PARTS:
        raise AnswerError(f"returned {len(returned):,} rules, expected at most {MOST_PARTS:,}")
    return tuple(map(_part, returned))


def described(error: BaseException) -> str:
    """Type and text of an exception, whatever it is."""
    try:
        return storable(f"{type(error).__name__}: {error}"[:MOST_TEXT])
    except BaseException:
        return f"{type(error).__name__} (its text cannot be told)"


def storable(text: str) -> str:
    """The text with what UTF-8 lacks (halves of a pair, as in file names) and what steers a terminal written out."""
    told = text.encode("utf-8", "backslashreplace").decode()
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), told)


def _part(returned: object) -> Part:
    if not isinstance(returned, Part):
        raise AnswerError(f"returned a {type(returned).__name__} among its rules, expected Part")
    texts = (returned.name, returned.level, returned.blind, returned.key)
    if not all(isinstance(text, str) for text in texts):
        raise AnswerError("returned a rule whose name, level, blind or key is not text, expected str")
    try:
        rows = np.asarray(returned.matched)
        whole = rows.ndim == 1 and (not len(rows) or rows.dtype.kind in "iu")
    except Exception as error:
        raise AnswerError(f"returned a rule with no positions: {described(error)}") from error
    if not whole or (len(rows) and (rows[0] < 0 or bool(np.any(np.diff(rows) <= 0)))):
        raise AnswerError(f"returned the rule {returned.name!r} with no ascending positions, expected whole numbers")
    name, level, blind, key = map(storable, texts)
    return Part(name, level, rows.astype(np.int64).tolist(), blind, key)


def _shape(found: tuple[int, ...], expected: int) -> str:
    return f"returned shape {found}, expected ({expected},): one score an event"
