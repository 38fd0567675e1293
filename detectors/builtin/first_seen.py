"""First seen: an identity does something that it has never done, or not for a long time.

"Something" is an operation, a service, a project, an image registry, or a container of resources.  A first
time weighs more the fewer identities do it (peers, identities of the same kind, count more than strangers),
and the less this identity tends to do new things.  Pairs that were not seen for about `memory` days (to an
eighth) are forgotten.

How many others do it is counted up to the last full hour of arrival, the tendency up to the last full day:
so no score depends on how the stream was cut.  Scores are bits of surprise; anything known scores 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scopedrift.detectors.base import Detector, Scores, param
from scopedrift.detectors.knowledge import Knowledge
from scopedrift.detectors.toolkit.columns import Derived, chunks, column, segments, texts
from scopedrift.detectors.toolkit.hashing import HashTable, greater_half, grown, mix
from scopedrift.detectors.toolkit.peers import container, stem
from scopedrift.simulator.log.events import DAY, HOUR, Array, EventBatch

KINDS = ("operation", "service", "project", "registry", "resource")
_WORDS = ("the operation", "the service", "the project", "the registry", "the resources in")
_PAIRS, _CACHE = 4_000_000, 1_000_000
_EPOCHS = 8


@dataclass
class FirstSeen(Detector):
    """Scores an identity's first use of an operation, service, project, registry or resource container."""

    memory: float = param(28.0, 2.0, 90.0, log=True, doc="days after which an unused pair is forgotten")
    peers: float = param(4.0, 0.0, 32.0, doc="identities of the fleet that one peer outweighs")
    tendency: float = param(1.0, 0.0, 4.0, doc="weight of how rarely this identity does anything new")
    operation: float = param(1.0, 0.0, 4.0, doc="weight of a new operation")
    service: float = param(1.0, 0.0, 4.0, doc="weight of a new service")
    project: float = param(1.0, 0.0, 4.0, doc="weight of a new project")
    registry: float = param(1.0, 0.0, 4.0, doc="weight of a new image registry")
    resource: float = param(0.5, 0.0, 4.0, doc="weight of a new resource container")

    name = "first-seen"

    def fit(self, history: EventBatch, knowledge: Knowledge) -> None:
        """Streams through the history and ends in the state that scoring it would have reached."""
        self._containers = Derived("resource", container)
        self._groups = Derived("identity", stem)
        self._known = HashTable()  # whole events seen in this epoch: nothing in them is new
        self._pairs = HashTable()  # (identity, kind, value)
        self._last = np.zeros(0, np.int32)  # epoch in which each pair was last renewed
        self._users = HashTable()  # (kind, value), (kind, value, peer group), all, and each peer group
        self._count = np.zeros(0)  # identities that use each of them, up to the last full hour
        self._waiting: list[Array] = []  # users found in the current hour
        self._hour = self._day = self._epoch = -1
        self._days = max(1, round(self.memory / _EPOCHS))  # days of an epoch
        self._weights = np.array([getattr(self, kind) for kind in KINDS])
        self._met = np.zeros(0, bool)  # identities counted among their peers
        self._events = np.zeros(0, np.int64)  # events and new things per identity
        self._novel = np.zeros(0, np.int64)
        self._rarely = np.zeros(0)  # surprise of anything new, up to the last full day
        for part in chunks(history):
            self.score(part)

    def score(self, batch: EventBatch) -> Scores:
        """Bits of surprise; abstains on events without an identity."""
        self._why: dict[int, list[tuple[int, float]]] = {}
        identity = column(batch, "identity")
        if identity is None:
            return np.full(len(batch), np.nan)
        columns = (column(batch, name) for name in ("operation", "service", "project", "image"))
        parts = [part for part in (*columns, self._containers.codes(batch)) if part is not None]
        key = mix(identity, *parts)
        scores = np.zeros(len(batch))
        for start, stop, day in segments(batch["arrived"], DAY):
            if day != self._day:
                self._turn(day)
            unknown = start + self._known.absent(key[start:stop])
            if len(unknown):
                unknown = unknown[identity[unknown] >= 0]
            if len(unknown):
                self._judge(batch, identity, unknown, scores)
                if len(self._known) > _CACHE:
                    self._known.clear()
                self._known.add(key[unknown])
            self._tally(identity[start:stop])
        if len(identity) and int(identity.min()) < 0:
            scores[identity < 0] = np.nan
        return scores

    def explain(self, batch: EventBatch, row: int) -> str:
        """Names what is new and how many others use it."""
        identity, *values = texts(batch, ("identity", *KINDS), np.array([row]))[0]
        parts = []
        for kind, users in self._why.get(row, []):
            value = container(values[kind] or "") if KINDS[kind] == "resource" else values[kind]
            parts.append(f"{_WORDS[kind]} {value} (used by {users:.0f} other identities)")
        if not parts:
            return f"nothing new for {identity}"
        return f"{identity} used for the first time in {self.memory:g} days: {', '.join(parts)}"

    def _turn(self, day: int) -> None:
        """A new day: take stock of how often each identity does new things; a new epoch: forget old pairs."""
        self._day = day
        self._rarely = -np.log2((self._novel + 1.0) / (self._events + 2.0))
        if day // self._days == self._epoch:
            return
        self._epoch = day // self._days
        self._known.clear()
        size = len(self._pairs)
        last = self._last[:size]
        keep = last >= self._epoch - _EPOCHS
        if size > _PAIRS:
            keep &= greater_half(last)
        if np.count_nonzero(keep) < 0.8 * size:
            self._last = last[keep]
            self._pairs.keep(keep)

    def _tally(self, identity: Array) -> None:
        counts = np.bincount(identity + 1)[1:]
        self._grow(len(counts))
        self._events[: len(counts)] += counts

    def _grow(self, identities: int) -> None:
        self._events = grown(self._events, identities)
        self._novel = grown(self._novel, len(self._events))
        self._rarely = grown(self._rarely, len(self._events), 1.0)
        self._met = grown(self._met, len(self._events))

    def _judge(self, batch: EventBatch, identity: Array, rows: Array, scores: Array) -> None:
        """Renews the pairs of these rows and scores the new ones."""
        values = np.full((len(rows), len(KINDS)), -1, np.int64)
        for kind, name in enumerate(KINDS):
            codes = self._containers.codes(batch) if name == "resource" else column(batch, name)
            if codes is not None:
                values[:, kind] = codes[rows]
        row, kind_of = np.nonzero(values >= 0)
        value, at = values[row, kind_of], rows[row]
        pair = self._pairs.add(mix(identity[at], value, kind_of))
        self._last = grown(self._last, len(self._pairs), -(1 << 30))
        fresh = np.flatnonzero(self._last[pair] < self._epoch - _EPOCHS)
        self._last[pair] = self._epoch
        if len(fresh):
            fresh = fresh[np.sort(np.unique(pair[fresh], return_index=True)[1])]
            self._groups.codes(batch)
            arrived, who = batch["arrived"][at[fresh]], identity[at[fresh]]
            for start, stop, hour in segments(arrived, HOUR):
                if hour != self._hour:
                    self._settle(hour)
                part = fresh[start:stop]
                self._surprise(at[part], who[start:stop], kind_of[part], value[part], scores)

    def _surprise(self, rows: Array, who: Array, kind: Array, value: Array, scores: Array) -> None:
        """Adds the surprise of new pairs within one hour: how few use the value, how rarely this one is new."""
        peer = self._groups.table()[who] + 1
        anyone, alike = mix(0, kind, value), mix(1, kind, value, peer)
        all_of_them, all_alike = mix(2, 0 * kind), mix(3, peer)
        users, peer_users, everyone, peers = self._users_of(anyone, alike, all_of_them, all_alike)
        share = (users + self.peers * peer_users + 0.5) / (everyone + self.peers * peers + 1.0)
        np.add.at(scores, rows, self._weights[kind] * np.maximum(0.0, -np.log2(share)))
        self._grow(int(who.max()) + 1)
        if not self._met[who].all():
            joined = np.unique(who, return_index=True)[1]
            joined = joined[~self._met[who[joined]]]
            self._met[who] = True
            self._waiting += [all_of_them[joined], all_alike[joined]]
        self._waiting += [anyone, alike]
        for row, k, count in zip(rows.tolist(), kind.tolist(), users.tolist(), strict=True):
            self._why.setdefault(row, []).append((k, count))
        first = np.flatnonzero(np.diff(rows, prepend=-1))
        scores[rows[first]] += self.tendency * self._rarely[who[first]]
        np.add.at(self._novel, who[first], 1)

    def _users_of(self, *keys: Array) -> Array:
        """How many identities used these values by the last full hour."""
        found = self._users.find(np.concatenate(keys))
        self._count = grown(self._count, 1)
        return np.where(found >= 0, self._count[found], 0.0).reshape(len(keys), -1)

    def _settle(self, hour: int) -> None:
        """A new hour: what was found in the last one counts from now on."""
        self._hour = hour
        if self._waiting:
            rows = self._users.add(np.concatenate(self._waiting))
            self._count = grown(self._count, len(self._users))
            np.add.at(self._count, rows, 1.0)
            self._waiting = []
