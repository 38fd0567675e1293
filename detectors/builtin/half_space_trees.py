"""Half-space trees (Tan, Ting and Liu, 2011) on windowed features, all events of a batch at once.

Each tree halves the space of features again and again, at random and without looking at data; how much of the last
`window` events fell into the parts around an event says how ordinary it is.  The counts of one window judge the next,
so trees are never rebuilt, and a batch is two table look-ups per tree: which leaf, and what score that leaf has in this
window.  The first counts are those of the history.  River's `HalfSpaceTrees` is the same, one event at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.detectors.base import param
from scopedrift.detectors.toolkit.distinct import Distinct
from scopedrift.detectors.toolkit.windowed import WindowedDetector
from scopedrift.simulator.log.events import Array

_HALFWAY: Final = 4.0
"""Halves of a spread above the usual that lie in the middle of the space (assumed)."""
_PADDING: Final = 0.15
"""A half is at least this share of its whole (as in River)."""
_SMALL: Final = 0.1
"""Share of a window below which a part is not looked into any further (Tan et al.)."""


@dataclass
class HalfSpaceTrees(WindowedDetector):
    """Scores hours whose features together fall where few of the last events did (half-space trees)."""

    trees: int = param(25, 5, 100, log=True, doc="trees whose counts are added up")
    height: int = param(8, 4, 12, doc="how often each tree halves the space")
    window: int = param(4096, 256, 65_536, log=True, doc="events whose counts judge the next as many")

    name = "half-space-trees"

    def _learn(self, features: Array, seed: int) -> None:
        self._grow(features.shape[1], np.random.default_rng(seed))
        self._leaves = Distinct(lambda rows: self._descended(rows).astype(np.int16))
        mass = self._counts(self._leaves.answers(features)) * (self.window / len(features))
        self._worth = worth(mass, _SMALL * self.window)
        self._mass, self._seen = np.zeros_like(mass), 0

    def _judge(self, features: Array) -> Array:
        leaves = self._leaves.answers(features)
        ordinary = np.empty(len(leaves))
        start = 0
        while start < len(leaves):
            stop = min(len(leaves), start + self.window - self._seen)
            part = leaves[start:stop]
            ordinary[start:stop] = self._worth.reshape(-1)[part + self._offsets].sum(axis=1)
            self._mass += self._counts(part)
            self._seen += stop - start
            start = stop
            if self._seen == self.window:
                self._worth = worth(self._mass, _SMALL * self.window)
                self._mass, self._seen = np.zeros_like(self._mass), 0
        return 1.0 - ordinary / (self.trees * self.window * (2.0 ** (self.height + 1) - 1.0))

    def _grow(self, width: int, rng: np.random.Generator) -> None:
        """Feature and limit of each node, level by level: a feature by the length of its interval, then a point."""
        self._offsets = np.arange(self.trees) << self.height
        self._feature = np.zeros((self.trees, 1 << self.height), np.int32)
        self._limit = np.zeros((self.trees, 1 << self.height))
        low, high = np.zeros((self.trees, 1, width)), np.ones((self.trees, 1, width))
        for level in range(self.height):
            nodes = slice(1 << level, 2 << level)
            lengths = np.cumsum(high - low, axis=2)
            drawn = rng.random(lengths.shape[:2]) * lengths[..., -1]
            feature = np.minimum((lengths < drawn[..., None]).sum(axis=2), width - 1)
            chosen = feature[..., None]
            a, b = (np.take_along_axis(bound, chosen, 2) for bound in (low, high))
            limit = a + (_PADDING + (1.0 - 2.0 * _PADDING) * rng.random(a.shape)) * (b - a)
            self._feature[:, nodes], self._limit[:, nodes] = feature, limit[..., 0]
            low, high = np.repeat(low, 2, axis=1), np.repeat(high, 2, axis=1)
            np.put_along_axis(high[:, 0::2], chosen, limit, 2)
            np.put_along_axis(low[:, 1::2], chosen, limit, 2)

    def _descended(self, features: Array) -> Array:
        """The leaf of each row in each tree."""
        place = features / (features + _HALFWAY)
        rows = np.arange(len(features))[:, None]
        node = np.ones((len(features), self.trees), np.int64)
        for _ in range(self.height):
            at = node + self._offsets
            above = place[rows, self._feature.reshape(-1)[at]] >= self._limit.reshape(-1)[at]
            node = 2 * node + above
        return node - (1 << self.height)

    def _counts(self, leaves: Array) -> Array:
        size = self.trees << self.height
        return np.bincount((leaves + self._offsets).reshape(-1), minlength=size).reshape(self.trees, -1)


def worth(mass: Array, small: float) -> Array:
    """What each leaf says of an event in it: the counts on the way to it, doubled level by level, while not small."""
    trees, leaves = mass.shape
    total, going = np.zeros((trees, leaves)), np.ones((trees, leaves), bool)
    for level in range(leaves.bit_length()):
        count = np.repeat(mass.reshape(trees, 1 << level, -1).sum(axis=2), leaves >> level, axis=1)
        total += np.where(going, count * 2.0**level, 0.0)
        going &= count >= small
    return total
