"""One act is one event: records that tell of the same act become one row.

A record may be delivered twice, be followed by an addendum, or tell a stage of a request, the begin or the end of an
operation.  A mapper gives each row its *act*: the record's own id, hashed, with the kind of record that it is, and a
hash of what else the record says, since ids can be forged or used again.  Rows of one act become one: it begins when
the first says, what one lacks another fills in, and it ended as the last says.  It arrives with its first record where
all say the same, and with its last where only that one says how it ended.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np

from scopedrift.simulator.log.events import COLUMNS, MISSING, Array

Act: TypeAlias = tuple[int, int]
"""The act of a row, and its other text."""
NONE: Final = (MISSING, 0)
"""A record without an id is an act of its own."""
_WHOLE, _PART, _ADDENDUM, _ONLOOKER = range(4)
_SAME: Final = 2
"""Bits of an act that say what kind of telling it is."""
ID: Final = (1 << 63) - (1 << _SAME)
"""The bits of a hash that make an act."""
SAID: Final = (1 << 31) - 1
"""The bits of a hash of what else a record says."""


def whole(identifier: str | None, *said: object) -> Act:
    """A record that tells all of an act, and another one if it says anything else."""
    return (_hashed(identifier, _WHOLE), hash(said) & SAID) if identifier else NONE


def part(*identifiers: object) -> Act:
    """A record of a stage: one of the begin, the course or the end of an act."""
    return _hashed(identifiers, _PART), 0


def addendum(identifier: str) -> Act:
    """A record that adds to the one with that id."""
    return _hashed(identifier, _ADDENDUM), 0


def onlooker(identifier: str) -> Act:
    """One account's record of an act that several accounts share."""
    return _hashed(identifier, _ONLOOKER), 0


def _hashed(value: object, kind: int) -> int:
    return hash(value) & ID | kind


def merge(columns: dict[str, Array], acts: Array, said: Array) -> Array | None:
    """Merge rows of one act into the first of them, in place; the rows that are left (None: all)."""
    rows = _repeated(acts)
    if not len(rows):
        return None
    same, content, kind = acts[rows] >> _SAME, said[rows].copy(), acts[rows] & ((1 << _SAME) - 1)
    told = zip(same.tolist(), content.tolist(), kind.tolist(), strict=True)
    plain = {act: text for act, text, how in told if how == _WHOLE}
    for at in np.flatnonzero((kind == _ADDENDUM) | (kind == _ONLOOKER)).tolist():
        content[at] = plain.get(int(same[at]), 0)
    order = np.lexsort((rows, columns["time"][rows], kind >= _ADDENDUM, content, same))
    rows, same, content, kind = rows[order], same[order], content[order], kind[order]
    begins = np.ones(len(rows), bool)
    begins[1:] = (same[1:] != same[:-1]) | (content[1:] != content[:-1])
    starts = np.flatnonzero(begins)
    first = rows[starts]
    in_parts = np.maximum.reduceat((kind == _PART) | (kind == _ADDENDUM), starts)
    arrived = columns["arrived"][rows]
    _fill(columns, rows, starts, np.lexsort((arrived, np.cumsum(begins))))
    columns["time"][first] = np.minimum.reduceat(columns["time"][rows], starts)
    columns["arrived"][first] = np.where(
        in_parts, np.maximum.reduceat(arrived, starts), np.minimum.reduceat(arrived, starts)
    )
    left = np.ones(len(acts), bool)
    left[rows[~begins]] = False
    return np.flatnonzero(left)


def _repeated(acts: Array) -> Array:
    """The rows whose act another row covers."""
    known = np.flatnonzero(acts >= 0)
    order = known[np.argsort(acts[known] >> _SAME, kind="stable")]
    same = acts[order] >> _SAME
    again = np.zeros(len(order), bool)
    again[1:] = same[1:] == same[:-1]
    again[:-1] |= again[1:]
    return np.sort(order[again])


def _fill(columns: dict[str, Array], rows: Array, starts: Array, by_arrival: Array) -> None:
    """Give the first row of each act what it lacks; the outcome is that of the last to arrive that has one."""
    positions = np.arange(len(rows))
    for name in COLUMNS[2:]:
        values = columns[name][rows]
        if name == "outcome":
            values = values[by_arrival]
            chosen = np.maximum.reduceat(np.where(values >= 0, positions, -1), starts)
        else:
            chosen = np.minimum.reduceat(np.where(values >= 0, positions, len(rows)), starts)
        there = (chosen >= 0) & (chosen < len(rows))
        columns[name][rows[starts[there]]] = values[chosen[there]]
