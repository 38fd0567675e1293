"""Putting events into a log without touching the others.

The background keeps its rows and their order.  An injected event comes at a random place among the background's
events of the same arrival, and codes are numbered by first arrival again, as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from scopedrift.simulator.log.events import CODED, MISSING, Array, Vocabulary

Columns = Mapping[str, Array]


def merge(
    background: Columns, injected: Columns, vocabulary: Vocabulary, rng: np.random.Generator
) -> tuple[dict[str, Array], Vocabulary, Array, Array]:
    """Columns and vocabulary of the whole, and the positions in it of the background's and of the injected events.

    Codes of both refer to `vocabulary`; the injected events must be in order of arrival.
    """
    before = _places(background["arrived"], injected["arrived"], rng)
    added = before + np.arange(len(before))
    kept = np.ones(len(background["arrived"]) + len(added), bool)
    kept[added] = False
    columns: dict[str, Array] = {}
    texts: dict[str, list[str]] = {}
    for name, values in background.items():
        whole = np.empty(len(kept), values.dtype)
        whole[kept], whole[added] = values, injected[name]
        if name in CODED:
            whole, texts[name] = renumbered(whole, vocabulary[name].texts())
        columns[name] = whole
    return columns, Vocabulary(texts), np.flatnonzero(kept), added


def _places(arrived: Array, new: Array, rng: np.random.Generator) -> Array:
    """Before which event of the background each injected one comes; those of one arrival stay in their order."""
    low, high = (np.searchsorted(arrived, new, side=side) for side in ("left", "right"))
    places = low + np.floor(rng.random(len(new)) * (high - low + 1)).astype(np.int64)
    return np.asarray(np.sort(places))


def renumbered(codes: Array, texts: list[str]) -> tuple[Array, list[str]]:
    """Codes numbered by first arrival, and the texts that occur, in that order."""
    present, first = np.unique(codes, return_index=True)
    first, present = first[present >= 0], present[present >= 0]
    ranked = present[np.argsort(first)]
    final = np.full(len(texts) + 1, MISSING, codes.dtype)  # the last entry is read by code -1
    final[ranked] = np.arange(len(ranked))
    return final[codes], [texts[code] for code in ranked.tolist()]
