"""Activities: what one stage of a task writes to the log, compiled from data into look-up tables.

An activity is a *sequence* of operations (a start-up flow) or a *mix* with weights (a training epoch).  An entry of
a mix may be a chain of operations (`a > b > c`: an agent's turn), all of the same length; with `stay`, an entry is
followed by itself more often than its weight says (a Markov chain).  The tables turn 10 random bits into an
operation, so that expanding a stage is array indexing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scopedrift.scenarios.catalogue import Entry
from scopedrift.simulator.log.events import ACCESS, STREAMS, Array, Names
from scopedrift.simulator.randomness import TABLE, Quantiles

SPREADS: Final = ("even", "uniform", "front")
"""How a stage's events lie in its time: paced, anywhere, or mostly at its start."""
MAX_STEPS: Final = 64
MOST_BYTES: Final = 5 << 30
"""No call moves more: S3 takes 5 GiB in one upload; a log-normal tail knows no such limit."""
DEFAULTS: Final = {"error": 0.045, "denied": 0.004, "pick": 2}
"""Of a benign call: 404s and 403s in the Kubernetes audit sample; the skew is assumed."""


@dataclass(frozen=True)
class Operation:
    """One kind of API call (see `scenarios/data/operations.yaml`)."""

    code: int
    name: str
    stream: str
    service: str
    operation: str
    access: str
    slot: str
    pick: int
    error: float
    denied: float
    data_event: bool
    image: bool
    sizes: Quantiles | None


@dataclass(frozen=True)
class Activity:
    """One kind of stage.  `operations` are those that it may log."""

    code: int
    name: str
    operations: tuple[Operation, ...]
    steps: int
    """Length of the sequence; 0 for a mix."""


@dataclass(frozen=True)
class Tables:
    """All activities, as arrays by activity code."""

    operation: Array
    """`TABLE` operation codes; part *k* of a chain is the row `code + k`."""
    steps: Array
    """Length of the sequence; 0 for a mix."""
    spread: Array
    """Index into `SPREADS`."""
    per_task: Array
    """Events per task; 0: all belong to one."""
    parts: Array
    """Length of the chains in a mix."""
    stay: Array
    """Of 65,536: how often an entry follows itself whatever the weights say."""


class Operations:
    """All operations of the catalogue, with their columns as arrays indexed by operation code."""

    def __init__(self, catalogue: Mapping[str, Entry]) -> None:
        self.all: list[Operation] = []
        self.by_name: dict[str, Operation] = {}
        for name, entry in catalogue.items():
            spec = {**DEFAULTS, **entry.data}
            operation = Operation(
                code=len(self.all),
                name=name,
                stream=spec["stream"],
                service=spec["service"],
                operation=spec["operation"],
                access=spec["access"],
                slot=spec["slot"],
                pick=int(spec["pick"]),
                error=float(spec["error"]),
                denied=float(spec["denied"]),
                data_event=bool(spec.get("data_event", False)),
                image=bool(spec.get("image", False)),
                sizes=Quantiles.parse(spec["bytes"]) if "bytes" in spec else None,
            )
            self.all.append(operation)
            self.by_name[name] = operation
        self.slots = Names(sorted({operation.slot for operation in self.all}))
        self.services = Names(operation.service for operation in self.all)
        self.operations = Names(operation.operation for operation in self.all)
        everything = self.all
        self.stream = np.array([STREAMS.index(o.stream) for o in everything], np.int32)
        self.service = np.array([self.services.find(o.service) for o in everything], np.int32)
        self.operation = np.array([self.operations.find(o.operation) for o in everything], np.int32)
        self.access = np.array([ACCESS.index(o.access) for o in everything], np.int32)
        self.slot = np.array([self.slots.find(o.slot) for o in everything], np.int16)
        self.pick = np.array([o.pick for o in everything], np.int8)
        self.data_event = np.array([o.data_event for o in everything])
        self.image = np.array([o.image for o in everything])
        self.sized = np.array([o.sizes is not None for o in everything])
        sizes = np.array([o.sizes.table if o.sizes else [-1.0] * TABLE for o in everything])
        self.sizes = np.minimum(sizes, MOST_BYTES).round().astype(np.int64)

    def thresholds(self, errors: float) -> tuple[Array, Array]:
        """Of 65,536: below the first a call is denied, below the second it fails.  `errors` scales both."""
        denied = np.array([min(o.denied * errors, 0.5) for o in self.all])
        failed = np.array([min((o.denied + o.error) * errors, 0.9) for o in self.all])
        return (denied * 65536).astype(np.int64), (failed * 65536).astype(np.int64)


class Activities:
    """The activities of a run; grows while the world is built, then is read as arrays."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._by_name: dict[str, Activity] = {}
        self._coded: list[Activity] = []
        self._tables: list[Array] = []
        self._spread: list[int] = []
        self._per_task: list[int] = []
        self._steps: list[int] = []
        self._parts: list[int] = []
        self._stay: list[int] = []
        for operation in operations.all:
            self.add(f"call/{operation.name}", {"mix": {operation.name: 1}, "spread": "even"})

    def add(self, name: str, spec: Mapping[str, Any]) -> Activity:
        """Compile `{sequence: [...]}` or `{mix: {entry: weight}}` (with `spread`, `per_task`, `stay`).

        Raises `ValueError` naming the activity for an unknown operation, a bad spread, chains of unequal length or
        an empty list.
        """
        if name in self._by_name:
            return self._by_name[name]
        sequence: Sequence[str] = spec.get("sequence", ())
        mix: Mapping[str, float] = spec.get("mix", {})
        entries = [[step] for step in sequence] or [entry.split(" > ") for entry in mix]
        if not entries or len(entries) > MAX_STEPS:
            raise ValueError(f"activity {name}: expected 1 to {MAX_STEPS} operations under `sequence` or `mix`")
        if unknown := [o for entry in entries for o in entry if o not in self._operations.by_name]:
            raise ValueError(f"activity {name}: unknown operations {', '.join(unknown)}")
        parts = len(entries[0])
        if any(len(entry) != parts for entry in entries):
            raise ValueError(f"activity {name}: expected chains of one length, {parts} as in the first")
        spread = spec.get("spread", "front" if sequence else "even" if parts > 1 else "uniform")
        if spread not in SPREADS:
            raise ValueError(f"activity {name}: spread {spread!r} is none of {', '.join(SPREADS)}")
        operations = [[self._operations.by_name[o] for o in entry] for entry in entries]
        if sequence:
            place = np.arange(TABLE) % len(entries)
        else:
            edges = np.cumsum([float(weight) for weight in mix.values()])
            place = np.searchsorted(edges / edges[-1], (np.arange(TABLE) + 0.5) / TABLE)
        flat = dict.fromkeys(operation for entry in operations for operation in entry)
        listed = tuple(entry[0] for entry in operations) if sequence else tuple(flat)
        activity = Activity(len(self._tables), name, listed, len(sequence))
        self._by_name[name] = activity
        for part in range(parts):
            self._coded.append(activity)
            self._tables.append(np.array([entry[part].code for entry in operations], np.int16)[place])
            self._spread.append(SPREADS.index(spread))
            self._per_task.append(int(spec.get("per_task", 0)))
            self._steps.append(len(sequence))
            self._parts.append(parts)
            self._stay.append(round(float(spec.get("stay", 0.0)) * 65536))
        return activity

    def __iter__(self) -> Iterator[Activity]:
        return iter(self._by_name.values())

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Activity:
        return self._by_name[name]

    def coded(self, code: int) -> Activity:
        """The activity of a code."""
        return self._coded[code]

    def single(self, operation: Operation) -> Activity:
        """The activity that is one operation again and again."""
        return self._by_name[f"call/{operation.name}"]

    def tables(self) -> Tables:
        """All of them, for look-up by activity code."""
        return Tables(
            operation=np.array(self._tables, np.int16).reshape(-1, TABLE),
            steps=np.array(self._steps, np.int64),
            spread=np.array(self._spread, np.int8),
            per_task=np.array(self._per_task, np.int64),
            parts=np.array(self._parts, np.int64),
            stay=np.array(self._stay, np.int64),
        )
