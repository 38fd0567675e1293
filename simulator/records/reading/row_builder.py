"""Rows of codes gathered into columns: texts become provisional codes at once, final ones once the order is known.

A format's mapper turns each record into one row, 64-bit integers in the order of `COLUMNS`.  Rows are
packed chunk by chunk into the smallest integer type that holds them, so that millions fit in memory, and are
sorted by arrival (stably: ties keep the order of files and records) only at the end.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from struct import Struct
from typing import Final

import numpy as np

from scopedrift.simulator.log.events import CODED, COLUMNS, DTYPES, MISSING, Array, Vocabulary
from scopedrift.simulator.records.reading.acts import merge
from scopedrift.simulator.records.timestamps import Times

Row = tuple[int, ...]
"""Values of one event (all, or some columns') in the order of `COLUMNS`, texts as provisional codes."""
Packed = bytes
"""All values of one event and its act, as `packed` makes it of them: made and gathered faster than tuples are."""
packed: Final = Struct(f"={len(COLUMNS) + 2}q").pack

_STORED: Final = (*COLUMNS, "act", "said")
"""The fields of a row: an event's columns, and its act (`acts`)."""

TEXT_LIMIT: Final = 2_048
"""Longest text that a column holds (characters); the rest is cut."""
CHUNK: Final = 16_384
MEMO: Final = 30_000
"""Entries after which a memo table is emptied: bounds memory, costs a little time."""


class Codes(dict[str | None, int]):
    """The provisional codes of one column's texts: `codes[text]`, -1 for None and empty text."""

    def __init__(self) -> None:
        super().__init__({None: MISSING, "": MISSING})
        self.texts: list[str] = []

    def __missing__(self, text: str | None) -> int:
        assert text is not None
        clean = text[:TEXT_LIMIT].encode("utf-8", "replace").decode("utf-8")
        if clean != text:
            return self[clean]
        self[text] = code = len(self.texts)
        self.texts.append(text)
        return code


def opaque(text: str | None) -> int:
    """A stable id of 63 bits for a text (credential, task): the same in every import; -1 for none."""
    if not text:
        return MISSING
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()) >> 1


class RowBuilder:
    """Rows in the making."""

    def __init__(self) -> None:
        self.codes = {column: Codes() for column in CODED}
        self.times = Times()
        self.unused: Counter[str] = Counter()
        """Fields that were there and of no use, with the column that they are for."""
        self.unlisted: set[str] = set()
        """Services and operations whose access no table lists."""
        self.rows: list[Packed] = []
        """Rows that are not packed yet: append here, and `pack` when there are `CHUNK`."""
        self._packed = 0
        self.told = 0
        """Rows, once they are finished, before those of one act became one."""
        self._chunks: dict[str, list[Array]] = {column: [] for column in _STORED}

    def __len__(self) -> int:
        return self._packed + len(self.rows)

    def pack(self) -> None:
        """Turn the rows that were appended into columns."""
        block = np.frombuffer(b"".join(self.rows), np.int64).reshape(-1, len(_STORED))
        for index, column in enumerate(_STORED):
            values = block[:, index]
            if not len(values):
                continue
            most = max(-int(values.min()) - 1, int(values.max()))
            small = next(kind for kind in (np.int8, np.int16, np.int32, np.int64) if most <= np.iinfo(kind).max)
            self._chunks[column].append(values.astype(small))
        self._packed += len(self.rows)
        self.rows.clear()

    def finish(self) -> tuple[dict[str, Array], Vocabulary, Array | None]:
        """The columns in order of arrival, their vocabulary, and the row behind each position (None: unchanged)."""
        self.pack()
        self.told = self._packed
        columns = {column: self._column(column) for column in COLUMNS}
        rows = merge(columns, self._column("act"), self._column("said"))
        arrived = columns["arrived"] if rows is None else columns["arrived"][rows]
        if len(arrived) and bool(np.any(np.diff(arrived) < 0)):
            order = np.argsort(arrived, kind="stable")
            rows = order if rows is None else rows[order]
        texts: dict[str, list[str]] = {}
        for column in COLUMNS:
            values = columns[column] if rows is None else columns[column][rows]
            if column in CODED:
                values, texts[column] = _renumbered(values, self.codes[column].texts)
            columns[column] = values
        return columns, Vocabulary(texts), rows

    def _column(self, column: str) -> Array:
        chunks = self._chunks.pop(column)
        whole = np.empty(sum(map(len, chunks)), DTYPES.get(column, np.int64))
        at = 0
        for chunk in chunks:
            whole[at : at + len(chunk)] = chunk
            at += len(chunk)
        return whole


def _renumbered(values: Array, texts: list[str]) -> tuple[Array, list[str]]:
    """Codes numbered by first arrival, and the texts that occur, in that order."""
    first = np.full(len(texts) + 1, len(values), np.int64)  # the last entry takes the missing ones (-1)
    first[values[::-1]] = np.arange(len(values) - 1, -1, -1)
    ranked = np.argsort(first[:-1], kind="stable")
    ranked = ranked[: int(np.count_nonzero(first[:-1] < len(values)))]
    final = np.full(len(texts) + 1, MISSING, np.int32)
    final[ranked] = np.arange(len(ranked), dtype=np.int32)
    return final[values], [texts[i] for i in ranked.tolist()]
