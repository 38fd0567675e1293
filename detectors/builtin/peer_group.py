"""Peer group: an identity does what others of its kind do not.

Peers are the identities with the same families of workloads in the inventory, or, without one, those whose names
differ only in numbers.  An action (service, operation and access) is scored by the share of peers that do it, in
bits, and weighs less the more days this identity itself has done it: an outlier that always was one is known.
Counts of identities and days settle when the day of arrival changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import Derived, chunks, column, segments, texts
from scopedrift.detectors.toolkit.counts import DecayingCounts
from scopedrift.detectors.toolkit.hashing import grown, mix
from scopedrift.detectors.toolkit.peers import stem
from scopedrift.simulator.log.events import DAY, Array, EventBatch

_ACTION = ("service", "operation", "access")


@dataclass
class PeerGroup(Detector):
    """Scores actions that few identities of the same kind do."""

    shrink: float = param(2.0, 0.25, 32.0, log=True, doc="peers that the fleet's experience weighs")
    habit: float = param(1.0, 0.0, 8.0, doc="how much an identity's own days of doing it count against suspicion")

    name = "peer-group"
    needs = frozenset({"inventory"})

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Groups identities and streams through the history."""
        inventory = knowledge.inventory or {}

        def kind(identity: str) -> str:
            entry = inventory.get(identity)
            return "+".join(sorted(entry.families)) if entry and entry.families else stem(identity)

        self._groups = Derived("identity", kind)
        self._days = DecayingCounts()  # days on which each (identity, action) was seen
        self._users = DecayingCounts()  # identities with each (group, action), in each group, and the same for all
        self._bits = np.zeros(0)  # per row of `_days`, NaN until somebody asks for it today
        self._day = -1
        for part in chunks(history):
            self.score(part)
        self._settle()

    def score(self, batch: EventBatch) -> Scores:
        """Bits of surprise; abstains on events without an identity or an operation."""
        identity, group = column(batch, "identity"), self._groups.codes(batch)
        if identity is None or group is None:
            return np.full(len(batch), np.nan)
        codes = [column(batch, name) for name in _ACTION]
        action = mix(0 * identity, *(-1 if c is None else c for c in codes))
        scores = np.empty(len(batch))
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._day:
                if self._day >= 0:
                    self._settle()
                self._day = day
            part = slice(start, stop)
            scores[part] = self._judge(identity[part], group[part], action[part])
        scores[identity < 0] = np.nan
        if codes[1] is None:
            scores[:] = np.nan
        else:
            scores[codes[1] < 0] = np.nan
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names the action and the group."""
        identity, service, operation = texts(batch, ("identity", "service", "operation"), np.array([row]))[0]
        group = self._groups.codes(batch)
        kind = self._groups.names[int(group[row])] if group is not None and group[row] >= 0 else "unknown"
        return f"{identity} did {operation} on {service}, which few of its peers (kind {kind!r}) do"

    def _settle(self) -> None:
        self._users.settle()
        self._days.settle()
        self._bits = np.full(len(self._days.table), np.nan)

    def _judge(self, identity: Array, group: Array, action: Array) -> Array:
        rows = self._days.rows(mix(0, identity, action))
        self._bits = grown(self._bits, len(self._days.table), np.nan)
        counted = self._days.add_once(rows, self._day)
        if len(counted):
            new = counted[self._days.settled[rows[counted]] == 0]
            newcomer = new[self._days.add_once(self._days.rows(mix(1, identity[new])), 0)]
            does, joins = self._keys(group[new], action[new])[:2], self._keys(group[newcomer], action[newcomer])[2:]
            for keys in (*does, *joins):
                self._users.add(self._users.rows(keys))
        unset = np.flatnonzero(np.isnan(self._bits[rows]))
        if len(unset):
            fresh, first = np.unique(rows[unset], return_index=True)
            at = unset[first]
            self._bits[fresh] = self._surprise(self._days.settled[fresh], group[at], action[at])
        return np.asarray(self._bits[rows])

    def _keys(self, group: Array, action: Array) -> tuple[Array, Array, Array, Array]:
        return mix(1, group, action), mix(2, action), mix(3, group), mix(4, 0 * group)

    def _surprise(self, days: Array, group: Array, action: Array) -> Array:
        keys = np.concatenate(self._keys(group, action))
        peers_do, all_do, peers, everyone = self._users.of(keys).reshape(4, -1)
        own = (days > 0).astype(np.float64)  # this identity is not its own peer
        fleet = (np.maximum(all_do - own, 0) + 0.5) / (everyone + 1.0)
        share = (np.maximum(peers_do - own, 0) + self.shrink * fleet) / (np.maximum(peers - 1, 0) + self.shrink)
        return np.asarray(np.maximum(0.0, -np.log2(share)) / (1.0 + self.habit * np.log2(1.0 + days)))
