"""What the numbers in stage rows stand for: names, resources, pools of resources, and actors.

A *pool* is a list of resources that a caller may pick from.  An *actor* is a workload as the log sees it: its
identity, image, credential and, for each slot, the pool that its operations pick from.  A release or a
migration is a new actor; an attacker who holds a credential is another actor with the victim's identity.

All of them only grow, and all are numbered as they are made: a log renumbers what it shows by first arrival.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from scopedrift.simulator.expansion.activities import ActivityTable, Operations
from scopedrift.simulator.log.events import ACCESS, CODED, MISSING, OUTCOMES, STREAMS, Array, Names

DATASET: Final = "dataset"
"""The slot that a stage row can fill instead of its actor (`StageRow.data`)."""


class Pools:
    """Lists of resource codes, end to end."""

    def __init__(self) -> None:
        self._items: list[int] = []
        self._start: list[int] = []
        self._known: dict[tuple[int, ...], int] = {}
        self._arrays: tuple[Array, Array, Array] = (np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.int64))

    def add(self, resources: Iterable[int]) -> int:
        """The pool that holds these resource codes, in this order."""
        items = tuple(resources)
        pool = self._known.get(items)
        if pool is None:
            pool = self._known[items] = len(self._start)
            self._start.append(len(self._items))
            self._items.extend(items)
        return pool

    def __len__(self) -> int:
        return len(self._start)

    def items(self, pool: int) -> list[int]:
        """The resource codes of one pool."""
        stop = self._start[pool + 1] if pool + 1 < len(self._start) else len(self._items)
        return self._items[self._start[pool] : stop]

    def arrays(self) -> tuple[Array, Array, Array]:
        """All items, and each pool's start and length."""
        if len(self._arrays[1]) < len(self._start):
            start = np.array(self._start, np.int64)
            self._arrays = np.array(self._items, np.int32), start, np.diff(np.append(start, len(self._items)))
        return self._arrays


@dataclass(frozen=True)
class Exits:
    """By which other addresses the calls of a host are made now and then."""

    other_protocol: float = 0.0
    """Share of calls by the host's address under the other protocol, if it has one."""
    proxies: float = 0.0
    """Share of cloud calls that leave its network through a proxy, if it has some."""
    rotation: int = 1
    """Microseconds for which a proxy keeps an address."""


@dataclass(frozen=True)
class Actor:
    """A workload as the log sees it.  Codes are the world's own (see `Tables.names`)."""

    key: int
    """64-bit key of its draws."""
    task_key: int
    """64-bit key of its task ids: an intruder in a running task has the task's."""
    credential_key: int
    identity: int
    credential_kind: int
    half_life: int
    """Microseconds after which its credential is replaced; 0: never."""
    key_made_at: int
    """When its standing key was made; -1: its credentials belong to sessions."""
    workload: int
    task_kind: int
    project: int
    image: int
    sources: int
    """Pool of the addresses it calls from (codes of the column `source`)."""
    pools: Mapping[str, int] = field(default_factory=dict)
    """Slot -> pool."""
    changed: Mapping[str, int] = field(default_factory=dict)
    """Slot -> truth code of the benign change that rebound it."""

    def rebound(self, slot: str, pool: int, truth: int = 0) -> Actor:
        """The same actor with another pool in one slot."""
        changed = {**self.changed, slot: truth} if truth else self.changed
        return replace(self, pools={**self.pools, slot: pool}, changed=changed)


class Actors:
    """All actors of a run, as arrays indexed by actor number."""

    FIELDS = (
        "identity",
        "credential_kind",
        "half_life",
        "key_made_at",
        "workload",
        "task_kind",
        "project",
        "image",
        "sources",
    )

    def __init__(self, slots: list[str]) -> None:
        self._slots = {slot: i for i, slot in enumerate(slots)}
        self.all: list[Actor] = []
        self._fixed: list[tuple[int, ...]] = []
        self._pools: list[list[int]] = []
        self._changed: list[list[int]] = []
        self._arrays: dict[str, Array] = {}
        self._variants: dict[tuple[int, Hashable], int] = {}

    def add(self, actor: Actor) -> int:
        """The number of a new actor."""
        self._fixed.append((actor.key, actor.task_key, actor.credential_key, *(getattr(actor, f) for f in self.FIELDS)))
        pools = [MISSING] * len(self._slots)
        for slot, pool in actor.pools.items():
            pools[self._slots[slot]] = pool
        changed = [0] * len(self._slots)
        for slot, truth in actor.changed.items():
            changed[self._slots[slot]] = truth
        self._pools.append(pools)
        self._changed.append(changed)
        self.all.append(actor)
        return len(self.all) - 1

    def variant(self, number: int, slot: str, pool: int) -> int:
        """The number of an actor that differs in one slot, which is made once."""
        return self.derived(number, (slot, pool), lambda actor: actor.rebound(slot, pool))

    def derived(self, number: int, how: Hashable, make: Callable[[Actor], Actor]) -> int:
        """The number of an actor that is made from another one, once for each way."""
        case = (number, how)
        if case not in self._variants:
            self._variants[case] = self.add(make(self.all[number]))
        return self._variants[case]

    def __getitem__(self, number: int) -> Actor:
        return self.all[number]

    def arrays(self) -> Mapping[str, Array]:
        """Every field as an array by actor number; `pools` and `changed` by actor number and slot."""
        done = len(self._arrays.get("key", ()))
        # only what is new is converted: worlds of 20,000 identities flush often
        if done < len(self.all) or not self._arrays:
            fresh = self._fixed[done:]
            keys = ("key", "task_key", "credential_key")
            new: dict[str, Array] = {
                name: np.array([row[i] for row in fresh], np.uint64) for i, name in enumerate(keys)
            }
            new |= {name: np.array([row[i + 3] for row in fresh], np.int64) for i, name in enumerate(self.FIELDS)}
            new["pools"] = np.array(self._pools[done:], np.int64).reshape(-1, len(self._slots))
            new["changed"] = np.array(self._changed[done:], np.int64).reshape(-1, len(self._slots))
            held = self._arrays
            self._arrays = {n: np.concatenate([held[n], column]) if held else column for n, column in new.items()}
        return self._arrays


class Tables:
    """Everything that stage rows point into."""

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self.activities = ActivityTable(operations)
        self.names = {column: Names() for column in CODED}
        """The texts of each coded column, by code."""
        self.names["stream"] = Names(STREAMS)
        self.names["access"] = Names(ACCESS)
        self.names["outcome"] = Names(OUTCOMES)
        self.names["service"] = operations.services
        self.names["operation"] = operations.operations
        self.pools = Pools()
        self.actors = Actors(operations.slots.texts())
        self.exits = Exits()
        self._twins: dict[int, int] = {}
        self._proxies: dict[int, int] = {}
        self._twin_array = self._proxy_array = np.empty(0, np.int32)
        self._owners: list[int] = []
        self._owner_array = np.empty(0, np.int32)
        self._pool_owners: dict[int, frozenset[str]] = {}

    def code(self, column: str, text: str) -> int:
        """The code of a name, which is added if it is new."""
        return self.names[column].code(text)

    def resource(self, text: str, project: str | None) -> int:
        """The code of a resource, which belongs to a project (or to none)."""
        code = self.code("resource", text)
        if code == len(self._owners):
            self._owners.append(MISSING if project is None else self.code("project", project))
        return code

    def resource_projects(self) -> Array:
        """The project code of each resource code."""
        if len(self._owner_array) < len(self._owners):
            self._owner_array = np.array(self._owners, np.int32)
        return self._owner_array

    def pool(self, resources: Iterable[str], project: str | None) -> int:
        """A pool of resources, which belong to a project (or to none)."""
        return self.pools.add([self.resource(text, project) for text in resources])

    def addresses(self, texts: Iterable[str]) -> int:
        """A pool of addresses to call from (names of the column `source`)."""
        return self.pools.add([self.code("source", text) for text in texts])

    def owned(self, pool: int, project: str) -> int:
        """The resources of a pool that belong to a project."""
        owner = self.code("project", project)
        return self.pools.add([item for item in self.pools.items(pool) if self._owners[item] == owner])

    def connect(self, hosts: int, twins: Iterable[str], proxies: int) -> None:
        """Give the hosts of a pool of addresses another address each, and a pool of proxies to leave by."""
        codes = [self.code("source", text) for text in twins]
        self._twins.update(zip(self.pools.items(hosts), codes, strict=True))
        self._proxies[hosts] = proxies

    def rotated(self, hosts: int, by: int) -> int:
        """The same addresses in another order, so that each task has another one of them."""
        items = self.pools.items(hosts)
        by %= len(items)
        pool = self.pools.add([*items[by:], *items[:by]])
        if hosts in self._proxies:
            self._proxies[pool] = self._proxies[hosts]
        return pool

    def other_addresses(self) -> tuple[Array, Array]:
        """By address: that of its host under the other protocol; by pool of hosts: the proxies.  -1 where none is."""
        if len(self._twin_array) < len(self.names["source"]):
            self._twin_array = _dense(self._twins, len(self.names["source"]))
        if len(self._proxy_array) < len(self.pools):
            self._proxy_array = _dense(self._proxies, len(self.pools))
        return self._twin_array, self._proxy_array

    def projects_of(self, pool: int) -> frozenset[str]:
        """The projects that own the resources of a pool."""
        known = self._pool_owners.get(pool)
        if known is None:
            owners = {self._owners[item] for item in self.pools.items(pool)} if pool >= 0 else set()
            known = frozenset(self.names["project"][owner] for owner in owners if owner >= 0)
            self._pool_owners[pool] = known
        return known


def _dense(some: Mapping[int, int], size: int) -> Array:
    dense = np.full(size, MISSING, np.int32)
    dense[list(some)] = list(some.values())
    return dense
