"""Activities: what one stage of a task writes to the log, compiled from data into look-up tables.

An activity is a *sequence* of operations (a start-up flow) or a *mix* with weights (a training epoch).  An entry of
a mix may be a chain of operations (`a > b > c`: an agent's turn), all of the same length; with `stay`, an entry is
followed by itself more often than its weight says (a Markov chain).  Other mixes go through their operations in the
order of the catalogue (`calling_order`), round after round.  The tables turn 10 bits into an operation, so that
expanding a stage is array indexing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from scopedrift.scenarios.catalogue import ActivitySpec, Operation, calling_order
from scopedrift.simulator.log.events import ACCESS, STREAMS, Array, Names
from scopedrift.simulator.randomness import TABLE, Quantiles

SPREADS: Final = ("even", "uniform", "front")
"""How a stage's events lie in its time: paced, anywhere, or mostly at its start."""
MOST_BYTES: Final = 5 << 30
"""Maximum bytes of a call: S3 takes 5 GiB in one upload; a log-normal tail has no such limit."""


@dataclass(frozen=True)
class Activity:
    """One kind of stage.  `operations` are those that it may log."""

    code: int
    name: str
    operations: tuple[Operation, ...]
    steps: int
    """Length of the sequence; 0 for a mix."""
    per_task: int = 0
    """Events per task; 0: all belong to one."""


@dataclass(frozen=True)
class ActivityArrays:
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
    """Out of 65,536: how often an entry repeats itself regardless of the weights."""
    ordered: Array
    """Whether a stage goes through its operations in order, round after round."""


class Operations:
    """All operations of the catalogue, with their columns as arrays indexed by operation code."""

    def __init__(self, by_name: Mapping[str, Operation]) -> None:
        self.by_name = by_name
        self.all = list(by_name.values())
        self.order = calling_order(by_name)
        """The place of each among calls that are made in order."""
        self.codes = {name: code for code, name in enumerate(by_name)}
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
        self.sized = np.array([o.bytes is not None for o in everything])
        sizes = np.array([Quantiles.of(o.bytes).table if o.bytes else [-1.0] * TABLE for o in everything])
        self.sizes = np.minimum(sizes, MOST_BYTES).round().astype(np.int64)

    def thresholds(self, errors: float) -> tuple[Array, Array]:
        """Out of 65,536: a call below the first is denied, below the second it fails.  `errors` scales both."""
        denied = np.array([min(o.denied * errors, 0.5) for o in self.all])
        failed = np.array([min((o.denied + o.error) * errors, 0.9) for o in self.all])
        return (denied * 65536).astype(np.int64), (failed * 65536).astype(np.int64)


class ActivityTable:
    """The activities of a run; grows while the world is built, then is read as arrays."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._by_name: dict[str, Activity] = {}
        self._specs: dict[str, ActivitySpec] = {}
        self._coded: list[Activity] = []
        self._tables: list[Array] = []
        self._spread: list[int] = []
        self._per_task: list[int] = []
        self._steps: list[int] = []
        self._parts: list[int] = []
        self._stay: list[int] = []
        self._ordered: list[bool] = []
        for operation in operations.all:
            self.add(f"call/{operation.name}", ActivitySpec(mix={operation.name: 1.0}, spread="even"))

    def add(self, name: str, spec: ActivitySpec) -> Activity:
        """The activity of a name; it is compiled when first added.

        Raises `ValueError` naming the activity for an unknown operation.
        """
        if name in self._by_name:
            return self._by_name[name]
        known, sequence, chains, weights = self._operations.by_name, spec.sequence, spec.chains, list(spec.mix.values())
        if unknown := [each for each in spec.operations if each not in known]:
            raise ValueError(f"activity {name}: unknown operations {', '.join(unknown)}")
        parts = len(chains[0])
        ordered = parts == 1 and not sequence and not spec.stay
        if ordered:
            entries = sorted(spec.mix, key=lambda entry: self._operations.order[entry])
            chains, weights = tuple((entry,) for entry in entries), [spec.mix[entry] for entry in entries]
        spread = spec.spread or ("front" if sequence else "even" if parts > 1 else "uniform")
        if sequence:
            place = np.arange(TABLE) % len(sequence)
        else:
            edges = np.cumsum(weights)
            place = np.searchsorted(edges / edges[-1], (np.arange(TABLE) + 0.5) / TABLE)
        listed = tuple(known[each] for each in sequence or spec.operations)
        activity = Activity(len(self._tables), name, listed, len(sequence), spec.per_task)
        self._by_name[name] = activity
        self._specs[name] = spec
        for part in range(parts):
            self._coded.append(activity)
            codes = [self._operations.codes[chain[part]] for chain in chains]
            self._tables.append(np.array(codes, np.int16)[place])
            self._spread.append(SPREADS.index(spread))
            self._per_task.append(spec.per_task)
            self._steps.append(len(sequence))
            self._parts.append(parts)
            self._stay.append(round(spec.stay * 65536))
            self._ordered.append(ordered)
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

    def alone(self, activity: Activity) -> Activity:
        """The same for one task, where a stage of it stands for many."""
        if not activity.per_task:
            return activity
        return self.add(f"{activity.name}/alone", self._specs[activity.name].model_copy(update={"per_task": 0}))

    def arrays(self) -> ActivityArrays:
        """All of them, for look-up by activity code."""
        return ActivityArrays(
            operation=np.array(self._tables, np.int16).reshape(-1, TABLE),
            steps=np.array(self._steps, np.int64),
            spread=np.array(self._spread, np.int8),
            per_task=np.array(self._per_task, np.int64),
            parts=np.array(self._parts, np.int64),
            stay=np.array(self._stay, np.int64),
            ordered=np.array(self._ordered, bool),
        )
