"""Activities: what one stage of a task writes to the log, compiled from data into look-up tables.

An activity is a *sequence* of operations (a start-up flow) or a *mix* with weights (a training epoch).  The
tables turn 10 random bits into an operation, so that expanding a stage is array indexing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from scopedrift.scenarios.catalogue import Entry
from scopedrift.simulator.events import ACCESS, STREAMS, Array, Names
from scopedrift.simulator.randomness import TABLE, Quantiles

SPREADS: Final = ("even", "uniform", "front")
"""How a stage's events lie in its time: paced, anywhere, or mostly at its start."""
MAX_STEPS: Final = 64
DEFAULTS: Final = {"error": 0.045, "denied": 0.004, "pick": 2}
"""Of a benign call: 404s and 403s in the Kubernetes audit sample (FACTS section 5); the skew is assumed."""


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
        self.sizes = (
            np.array([o.sizes.table if o.sizes else [-1.0] * TABLE for o in everything]).round().astype(np.int64)
        )

    def thresholds(self, errors: float) -> tuple[Array, Array]:
        """Of 65,536: below the first a call is denied, below the second it fails.  `errors` scales both."""
        denied = np.array([min(o.denied * errors, 0.5) for o in self.all])
        failed = np.array([min((o.denied + o.error) * errors, 0.9) for o in self.all])
        return (denied * 65536).astype(np.int64), (failed * 65536).astype(np.int64)


class Activities:
    """The activities of a run; grows while the world is built, then is read as arrays."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._all: list[Activity] = []
        self._by_name: dict[str, Activity] = {}
        self._tables: list[Array] = []
        self._spread: list[int] = []
        self._per_task: list[int] = []

    def add(self, name: str, spec: Mapping[str, Any]) -> Activity:
        """Compile `{sequence: [...]}` or `{mix: {operation: weight}}` (with `spread`, `per_task`).

        Raises `ValueError` naming the activity for an unknown operation, a bad spread or an empty list.
        """
        if name in self._by_name:
            return self._by_name[name]
        sequence: Sequence[str] = spec.get("sequence", ())
        mix: Mapping[str, float] = spec.get("mix", {})
        listed = list(sequence) or list(mix)
        if not listed or len(listed) > MAX_STEPS:
            raise ValueError(f"activity {name}: expected 1 to {MAX_STEPS} operations under `sequence` or `mix`")
        if unknown := [o for o in listed if o not in self._operations.by_name]:
            raise ValueError(f"activity {name}: unknown operations {', '.join(unknown)}")
        spread = spec.get("spread", "front" if sequence else "uniform")
        if spread not in SPREADS:
            raise ValueError(f"activity {name}: spread {spread!r} is none of {', '.join(SPREADS)}")
        operations = tuple(self._operations.by_name[o] for o in listed)
        codes = np.array([o.code for o in operations], np.int16)
        if sequence:
            table = codes[np.arange(TABLE) % len(codes)]
        else:
            edges = np.cumsum([float(mix[o]) for o in listed])
            table = codes[np.searchsorted(edges / edges[-1], (np.arange(TABLE) + 0.5) / TABLE)]
        activity = Activity(len(self._all), name, operations, len(sequence))
        self._all.append(activity)
        self._by_name[name] = activity
        self._tables.append(table)
        self._spread.append(SPREADS.index(spread))
        self._per_task.append(int(spec.get("per_task", 0)))
        return activity

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Activity:
        return self._by_name[name]

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        """By activity code: operation table (of `TABLE` codes), steps, spread, events per task (0: one task)."""
        return (
            np.array(self._tables, np.int16).reshape(-1, TABLE),
            np.array([a.steps for a in self._all], np.int64),
            np.array(self._spread, np.int8),
            np.array(self._per_task, np.int64),
        )
