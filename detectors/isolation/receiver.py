"""The detector's side of a batch: columns that are asked for when they are first read, over memory that is read-only.

A batch is current until its call is answered.  What the detector still holds of it then is completed first, so what it
keeps stays as it was; our side only ever gives columns of the current batch.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from scopedrift.detectors.isolation.columns import BatchHeader, Placed
from scopedrift.simulator.log.events import DTYPES, Array, Deferred, EventBatch, Vocabulary

_SMALL: Final = 10_000
"""Events of a slice that asks for its own columns; a smaller one is cut from those of the whole."""
_TOGETHER: Final = 100_000
"""Most events for which all columns that were read before come with the first one."""

Ask = Callable[[Mapping[str, object]], tuple[Placed, Sequence[int]]]


class Receiver:
    """Turns what was sent into batches that share one vocabulary."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._vocabulary = Vocabulary()
        self._pieces: dict[int, Array] = {}
        self._read: dict[str, None] = {}  # columns that the detector has read, in order
        self._given: dict[int, weakref.ref[AskedColumns]] = {}
        self._whole: AskedColumns | None = None
        self._seen: Mapping[str, int] = {}
        self._lock = threading.RLock()

    def batch(self, header: BatchHeader, files: Iterable[int]) -> EventBatch:
        """The batch that was sent; it is current now."""
        for name, texts in header["names"].items():
            for text in texts:
                self._vocabulary[name].code(text)
        self._whole = None
        arrays = self._arrays(header["placed"], header["events"], files)
        self._whole = AskedColumns(self, header["columns"], (0, header["events"]), arrays)
        self._seen = header["seen"]
        return self.current()

    def current(self) -> EventBatch:
        """The current batch once more."""
        assert self._whole is not None
        return EventBatch(self._whole.twin(), self._vocabulary, self._seen)

    def released(self) -> list[int]:
        """Pieces that no array is part of any more."""
        # referred to by the dictionary and by the call
        return [number for number in self._pieces if sys.getrefcount(self._pieces[number]) <= 2]

    def complete(self) -> None:
        """Asks for all columns of what the detector holds: afterwards nobody answers."""
        with self._lock:
            for reference in list(self._given.values()):
                if (columns := reference()) is not None:
                    columns.complete()
            self._given.clear()

    def give(self, columns: AskedColumns) -> None:
        """Remembers columns that a detector gets, as long as it holds them."""
        number = id(columns)
        self._given[number] = weakref.ref(columns, lambda _: self._given.pop(number, None))

    def fetch(self, columns: AskedColumns, names: Iterable[str], span: tuple[int, int]) -> None:
        """Asks for columns in a range of events."""
        with self._lock:
            wanted = dict.fromkeys(names)
            if span[1] - span[0] <= _TOGETHER:
                wanted |= self._read
            missing = [name for name in wanted if name in columns and name not in columns.held]
            if missing:
                placed, files = self._ask({"want": missing, "start": span[0], "stop": span[1]})
                columns.held.update(self._arrays(placed, span[1] - span[0], files))

    def read(self, name: str) -> None:
        """Remembers that the detector reads a column."""
        self._read[name] = None

    def _arrays(self, placed: Placed, events: int, files: Iterable[int]) -> dict[str, Array]:
        for number in placed["gone"]:
            del self._pieces[number]
        for file in files:
            mapped = mmap.mmap(file, placed["size"], prot=mmap.PROT_READ)
            os.close(file)
            self._pieces[placed["piece"]] = np.frombuffer(mapped, np.uint8)
        arrays = {}
        for name, at in placed["columns"].items():
            kind = np.dtype(DTYPES[name])
            piece = self._pieces.get(placed["piece"], np.empty(0, np.uint8))
            arrays[name] = piece[at : at + events * kind.itemsize].view(kind)
            arrays[name].flags.writeable = False
        return arrays


class AskedColumns(Deferred):
    """Columns of a range of the current batch."""

    __hash__ = object.__hash__

    def __init__(
        self,
        receiver: Receiver,
        names: Sequence[str],
        span: tuple[int, int],
        held: dict[str, Array],
        origin: AskedColumns | None = None,
    ) -> None:
        self.events = span[1] - span[0]
        self.held = held
        self._receiver, self._names, self._span, self._origin = receiver, names, span, origin

    def __getitem__(self, name: str) -> Array:
        if name not in self.held:
            if name not in self._names:
                raise KeyError(name)
            self._receiver.read(name)
            self._load([name])
        return self.held[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __reduce__(self) -> tuple[type, tuple[dict[str, Array]]]:
        return dict, (dict(self),)

    def slice(self, start: int, stop: int) -> AskedColumns:
        """The columns of some of the events."""
        begin, end, _ = slice(start, stop).indices(self.events)
        end = max(begin, end)
        span = (self._span[0] + begin, self._span[0] + end)
        held = {name: column[begin:end] for name, column in self.held.items()}
        whole = len(self.held) == len(self._names)
        small = end - begin < min(_SMALL, self.events) and not whole
        return self._given(AskedColumns(self._receiver, self._names, span, held, self if small else self._origin))

    def twin(self) -> AskedColumns:
        """The same, for the detector: what one of them has, the other has."""
        return self._given(AskedColumns(self._receiver, self._names, self._span, self.held, self._origin))

    def complete(self) -> None:
        """Makes all columns present."""
        self._load(self._names)
        self._origin = None

    def _load(self, names: Sequence[str]) -> None:
        if self._origin is None:
            self._receiver.fetch(self, names, self._span)
            return
        begin = self._span[0] - self._origin._span[0]
        for name in names:
            self.held.setdefault(name, self._origin[name][begin : begin + self.events])

    def _given(self, columns: AskedColumns) -> AskedColumns:
        self._receiver.give(columns)
        return columns
