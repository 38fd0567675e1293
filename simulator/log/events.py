"""Audit events as columns: the vocabulary, the batch that a detector is given, and one event at a time.

An event says who did what to which resource, with which credential, from where, with what outcome.
Text columns are integer codes into an append-only vocabulary that is numbered *in order of first
arrival*, so that a code carries no more than what a reader of the stream could count.  Missing values
are -1 (codes, ids, bytes); a record may lack any column but `time` and `arrived`.

Units: `time` and `arrived` are microseconds since 1970-01-01 UTC, `bytes` is bytes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR

TIMES: Final = ("time", "arrived")
"""Integer microseconds: when it happened, and when a detector could first see it."""

CODED: Final = (
    "stream",
    "identity",
    "credential_kind",
    "workload",
    "task_kind",
    "on_behalf_of",
    "service",
    "operation",
    "access",
    "resource",
    "project",
    "image",
    "source",
    "outcome",
)
"""Text columns, held as int32 codes into the vocabulary."""

OPAQUE: Final = ("credential", "task")
"""High-cardinality ids, held as int64 (text form: 16 hexadecimal digits)."""

COLUMNS: Final = (
    "time",
    "arrived",
    "stream",
    "identity",
    "credential",
    "credential_kind",
    "workload",
    "task",
    "task_kind",
    "on_behalf_of",
    "service",
    "operation",
    "access",
    "resource",
    "project",
    "image",
    "source",
    "outcome",
    "bytes",
)
DTYPES: Final[Mapping[str, Any]] = {name: np.dtype(np.int32 if name in CODED else np.int64) for name in COLUMNS}

STREAMS: Final = ("cloud_audit", "kubernetes_audit", "runtime", "issuance", "agent")
ACCESS: Final = ("read", "write", "create", "delete", "auth", "admin")
OUTCOMES: Final = ("success", "denied", "error")
MISSING: Final = -1


def registry_of(image: str) -> str:
    """The registry that an image reference names: `ghcr.io/a/b:1` gives `ghcr.io`; `a/b` gives `docker.io`."""
    head, slash, _ = image.partition("/")
    return head if slash and ("." in head or ":" in head or head == "localhost") else "docker.io"


DERIVED: Final[Mapping[str, tuple[str, Callable[[str], str]]]] = {"registry": ("image", registry_of)}
"""Columns computed from the text of another one: name -> (source column, function)."""


class Names:
    """The append-only list of texts behind one coded column; a text's position is its code."""

    __slots__ = ("_codes", "_texts")

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._codes: dict[str, int] = {}
        for text in texts:
            self.code(text)

    def code(self, text: str) -> int:
        """The code of `text`, which is added if it is new."""
        code = self._codes.get(text)
        if code is None:
            code = self._codes[text] = len(self._texts)
            self._texts.append(text)
        return code

    def find(self, text: str) -> int:
        """The code of `text`, or -1 if it has not been seen."""
        return self._codes.get(text, MISSING)

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, code: int) -> str:
        return self._texts[code]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def texts(self, size: int | None = None) -> list[str]:
        """A copy of the first `size` texts (all of them by default)."""
        return self._texts[:size]


class Vocabulary:
    """The names of every coded column, shared by all batches of a run."""

    def __init__(self, names: Mapping[str, Iterable[str]] | None = None) -> None:
        self._names = {column: Names((names or {}).get(column, ())) for column in CODED}
        self._derived = {column: (Names(), np.empty(0, np.int32)) for column in DERIVED}

    def __getitem__(self, column: str) -> Names:
        return self._derived[column][0] if column in DERIVED else self._names[column]

    def derive(self, column: str, size: int) -> Array:
        """For a derived column: its code for each of the first `size` codes of its source column."""
        source, function = DERIVED[column]
        names, codes = self._derived[column]
        if len(codes) < size:
            fresh = [names.code(function(self._names[source][i])) for i in range(len(codes), size)]
            codes = np.concatenate([codes, np.asarray(fresh, np.int32)])
            self._derived[column] = (names, codes)
        return codes[:size]

    def texts(self) -> dict[str, list[str]]:
        """Every column's texts, in order of code."""
        return {column: names.texts() for column, names in self._names.items()}


class NamesView(Sequence[str]):
    """The part of a column's names that the stream has shown so far: later names do not exist yet."""

    __slots__ = ("_names", "_size")

    def __init__(self, names: Names, size: int) -> None:
        self._names = names
        self._size = size

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self._names.texts(self._size)[index]
        if not -self._size <= index < self._size:
            raise IndexError(f"code {index} has not been seen yet: {self._size} names so far")
        return self._names[index % self._size]

    def find(self, text: str) -> int:
        """The code of `text`, or -1 if the stream has not shown it yet."""
        code = self._names.find(text)
        return code if code < self._size else MISSING


class Deferred(Mapping[str, Array]):
    """Read-only columns that are fetched when they are first read, for batches whose events are elsewhere."""

    events: int

    @abstractmethod
    def slice(self, start: int, stop: int) -> Deferred:
        """The columns of some of the events (positions, as in a Python slice)."""


@dataclass(frozen=True)
class EventBatch:
    """Consecutive events in order of arrival, as read-only NumPy columns.

    `batch["identity"]` is an array of codes (or ids, or numbers), `batch.names("identity")` the texts
    behind the codes, `batch.frame()` a pandas table, and iteration yields one `Event` at a time.

    Examples:
        >>> import numpy as np
        >>> from scopedrift.simulator.log.events import EventBatch, Vocabulary
        >>> names = Vocabulary({"identity": ["trainer", "runner"]})
        >>> batch = EventBatch({"time": np.array([0, 60_000_000]), "identity": np.array([1, 0])}, names)
        >>> len(batch), batch["identity"].tolist(), batch.pairs("identity", "image")
        (2, [1, 0], [('runner', None), ('trainer', None)])
    """

    columns: Mapping[str, Array]
    vocabulary: Vocabulary
    seen: Mapping[str, int] = field(default_factory=dict)
    """How many names of each coded column the stream had shown by the end of this batch."""

    def __post_init__(self) -> None:
        for column in self.columns.values() if not isinstance(self.columns, Deferred) else ():
            column.flags.writeable = False

    def __len__(self) -> int:
        return self.columns.events if isinstance(self.columns, Deferred) else len(self.columns["time"])

    def __getitem__(self, column: str) -> Array:
        """The values of one column, derived ones (`registry`) included.

        Raises `KeyError` for a column that the log does not have.
        """
        if column not in DERIVED:
            return self.columns[column]
        source, _ = DERIVED[column]
        codes = self.columns[source]
        table = np.append(self.vocabulary.derive(column, self._size(source)), np.int32(MISSING))
        return np.asarray(table[codes])  # code -1 reads the last entry: missing stays missing

    def _size(self, column: str) -> int:
        return self.seen.get(column, len(self.vocabulary[column]))

    def names(self, column: str) -> NamesView:
        """The texts behind a coded column, as far as the stream has shown them."""
        if column in DERIVED:
            self.vocabulary.derive(column, self._size(DERIVED[column][0]))
            codes = self.vocabulary.derive(column, self._size(DERIVED[column][0]))
            return NamesView(self.vocabulary[column], int(codes.max(initial=-1)) + 1)
        return NamesView(self.vocabulary[column], self._size(column))

    def text(self, column: str) -> Array:
        """One column as an object array of `str` (`None` where missing); numbers as they are."""
        values = self[column]
        if column in OPAQUE:
            return np.array([None if v < 0 else f"{v:016x}" for v in values.tolist()], dtype=object)
        if column not in CODED and column not in DERIVED:
            return values
        table = np.array([*self.names(column), None], dtype=object)
        return np.asarray(table[values])

    def pairs(self, *columns: str) -> list[tuple[str | None, ...]]:
        """The texts of several columns, event by event: `batch.pairs("identity", "registry")`.

        A value that the log lacks is `None`, as in an `Event`.
        """
        return list(zip(*(self._texts(column) for column in columns), strict=True))

    def _texts(self, column: str) -> list[str | None]:
        source = DERIVED[column][0] if column in DERIVED else column
        if source in COLUMNS and source not in self.columns:
            return [None] * len(self)
        found: list[str | None] = self.text(column).tolist()
        return found

    def slice(self, start: int, stop: int) -> EventBatch:
        """Events `start` to `stop` of this batch (positions, as in a Python slice)."""
        if isinstance(self.columns, Deferred):
            return EventBatch(self.columns.slice(start, stop), self.vocabulary, self.seen)
        return EventBatch(
            {name: column[start:stop] for name, column in self.columns.items()}, self.vocabulary, self.seen
        )

    def frame(self) -> pd.DataFrame:
        """A pandas table with times as UTC timestamps and codes as text."""
        import pandas as pd

        data = {name: self.text(name) for name in self.columns}
        table = pd.DataFrame(data)
        for name in TIMES:
            table[name] = pd.to_datetime(table[name], unit="us", utc=True)
        return table

    def __iter__(self) -> Iterator[Event]:
        columns = {name: column.tolist() for name, column in self.columns.items()}
        texts: dict[str, list[str | None]] = {name: [*self.names(name), None] for name in CODED if name in columns}
        for row in range(len(self)):
            yield Event(columns, texts, row)


class Event:
    """One audit record; every column is an attribute (text, or a number for times and bytes).

    Decoded on access, so that a detector pays only for the columns that it reads.
    """

    __slots__ = ("_columns", "_row", "_texts")

    def __init__(self, columns: Mapping[str, list[int]], texts: Mapping[str, list[str | None]], row: int) -> None:
        self._columns = columns
        self._texts = texts
        self._row = row

    def __getattr__(self, name: str) -> Any:
        try:
            value = self._columns[name][self._row]
        except KeyError:
            if name in DERIVED:
                source, function = DERIVED[name]
                text = getattr(self, source)
                return None if text is None else function(text)
            if name in COLUMNS:
                return None
            raise AttributeError(f"an event has no column {name!r}") from None
        texts = self._texts.get(name)
        if texts is not None:
            return texts[value]
        if name in OPAQUE:
            return None if value < 0 else f"{value:016x}"
        return None if value < 0 else value

    def asdict(self) -> dict[str, str | int | None]:
        """All columns of the event by name."""
        return {name: getattr(self, name) for name in self._columns}
